"""Run mutmut on one part, and show how far it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mutation.mutants import Mutant, read_mutants
from mutation.parts import ROOT
from mutation.workspace import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mutation.parts import Part

# "79/619  🎉 30 … 🙁 12 …"
PROGRESS = re.compile(r"(\d+)/(\d+) .*🙁 (\d+)")
SECONDS_BETWEEN_LINES = 20


def environment() -> dict[str, str]:
    """Return this process's variables, with this venv's programs first and the store's files in memory."""
    variables = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT / "tests"),
    }
    if Path("/dev/shm").is_dir():  # noqa: S108 - the folder is asked for, files in it are made by tempfile
        variables["TMPDIR"] = "/dev/shm"  # noqa: S108
    return variables


def _pieces(output: IO[bytes]) -> Iterator[str]:
    """Yield the output as it comes, cut where a terminal would begin a line anew."""
    rest = ""
    while chunk := os.read(output.fileno(), 65536):
        *pieces, rest = re.split(r"[\r\n]", rest + chunk.decode("utf-8", "replace"))
        yield from pieces
    yield rest


def run_part(part: Part, *, resume: bool, jobs: int) -> list[Mutant]:
    """Test every mutant of a part, `jobs` at a time; raises SystemExit with mutmut's output when it fails."""
    folder = prepare(part, resume=resume)
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(jobs)]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    shown, said = 0.0, []
    for piece in _pieces(process.stdout):
        if not (progress := PROGRESS.search(piece)):
            said.append(piece)
        elif time.monotonic() - shown > SECONDS_BETWEEN_LINES:
            shown = time.monotonic()
            print(f"{part.name}: {progress[1]} of {progress[2]}, {progress[3]} survived", flush=True)
    if process.wait():
        raise SystemExit("\n".join(said[-200:]))
    return read_mutants(folder)
