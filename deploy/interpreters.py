"""Finds the CPython of a given minor version: bytecode is valid only for the version that compiled it."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path


@functools.cache
def find(version: str) -> Path | None:
    """Return the interpreter of a minor version like ``3.12``, from PATH or pyenv; None if none runs."""
    name = f"python{version}"
    on_path = shutil.which(name)
    candidates = [Path(on_path)] if on_path else []
    candidates += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}"))
    return next((candidate for candidate in candidates if _runs(candidate, version)), None)


def _runs(interpreter: Path, version: str) -> bool:
    # pyenv has a shim on PATH even for a version that is not selected
    answer = subprocess.run(
        [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.returncode == 0 and answer.stdout.strip() == version
