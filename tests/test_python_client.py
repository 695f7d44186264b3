"""The client that openapi-python-client makes of the OpenAPI document, against the local server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from client_samples import PRINTED, SAMPLES, commands, run, served_api
from compatibility.rows import locked_version

pytestmark = [pytest.mark.once, pytest.mark.no_cover]

PROGRAMS = Path(sys.executable).parent


@pytest.mark.compatible(
    "Clients of the API",
    "openapi-python-client",
    "sends, sends a batch and reads, checked by mypy",
    package="openapi-python-client",
)
def test_generated_client_sends_and_reads_and_is_typed(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "send.py", tmp_path)
    installs, (generate, send) = commands("openapi-python-client")
    assert locked_version(installs[0].split()[-1])
    with served_api(tmp_path / "logs") as url:
        run(generate, url, tmp_path, PROGRAMS, {})
        client = tmp_path / installs[1].split()[-1]
        assert run(send, url, tmp_path, PROGRAMS, {"PYTHONPATH": str(client)}) == PRINTED
    # The generator makes no valid types of an operation with bodies of two media types.
    options = ["--strict", "--config-file=", "--exclude", "receive_webhook"]
    checked = subprocess.run(
        [PROGRAMS / "mypy", *options, tmp_path / "send.py", client / "mailer_client"],
        cwd=tmp_path, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert re.match(r"Success: no issues found in [6-9][0-9] source files", checked.stdout), checked.stdout
