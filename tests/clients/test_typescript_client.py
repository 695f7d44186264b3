"""The types that openapi-typescript makes of the OpenAPI document, and a client with them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from client_samples import PRINTED, SAMPLES, commands, run, served_api
from compatibility.rows import locked_version

MODULES = Path(__file__).with_name("node_modules")


@pytest.mark.compatible(
    "Clients of the API",
    "openapi-typescript, openapi-fetch",
    "sends, sends a batch and reads, `tsc --strict`",
    package="openapi-typescript",
)
def test_generated_client_sends_and_reads_and_is_typed(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "send.mts", tmp_path)
    (tmp_path / "node_modules").symlink_to(MODULES)
    (install,), (generate, check, send) = commands("openapi-typescript")
    for package in install.split()[2:]:
        assert locked_version(re.sub(r"(?<=.)@\d+$", "", package))
    with served_api(tmp_path / "logs") as url:
        for command in (generate, check):
            run(command, url, tmp_path, MODULES / ".bin", {})
        assert run(send, url, tmp_path, MODULES / ".bin", {}) == PRINTED
