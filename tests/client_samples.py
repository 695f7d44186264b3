"""The samples of clients in docs/clients, and the commands of the guide that run them."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from guides import section
from local.gateway import PORT, gateway
from local.stack import local_stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "docs/clients"
GUIDE = (ROOT / "docs/http-api.md").read_text(encoding="utf-8")
ADDRESS = f"http://127.0.0.1:{PORT}"
# What each sample prints, whatever its language.
PRINTED = """\
sent: accepted
refused: IdempotencyKeyReused 422
batch: 200 accepted
batch: 422 InvalidRequest
read: sending accepted
"""
FORCED_COLOURS = ("FORCE_COLOR", "CLICOLOR_FORCE")


def commands(word: str) -> tuple[list[str], list[str]]:
    """Return the commands of the guide's block that has `word`: those that install, and the others."""
    blocks = re.findall(r"^```sh\n(.*?)^```", section(GUIDE, "Clients"), re.DOTALL | re.MULTILINE)
    (block,) = (block for block in blocks if word in block)
    lines = block.splitlines()
    installs = [line for line in lines if " install " in line]
    return installs, [line for line in lines if line not in installs]


@contextmanager
def served_api(logs: Path) -> Iterator[str]:
    """Serve the HTTP function on this machine until the block ends; yield its URL."""
    with local_stack(logs) as stack, gateway(stack.functions["aws", "http"].invoke, port=0) as url:
        yield url


def run(command: str, url: str, folder: Path, programs: Path, variables: Mapping[str, str]) -> str:
    """Run a command of the guide against the API at `url`; return what it prints.

    `programs` is where its programs are; `npx` would look there first.
    """
    command = command.replace(ADDRESS, url).removeprefix("npx ")
    inherited = {name: value for name, value in os.environ.items() if name not in FORCED_COLOURS}
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    ran = subprocess.run(
        ["/bin/sh", "-euc", command],
        cwd=folder, env={**inherited, "PATH": path, "NO_PROXY": "*", **variables},
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
    return ran.stdout
