"""Compiles a tree for the interpreter that will run it: /opt is read-only, so none is cached there."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def compile_tree(tree: Path, interpreter: Path, code_folder: str) -> None:
    """Write ``__pycache__`` for every module below ``tree``, as if the tree lay in ``code_folder``.

    Unchecked-hash (PEP 552), because the fixed dates of a zip would make any other bytecode look stale. The
    bytes depend on the sources and the interpreter alone: one process, sorted files, one hash seed, no path
    of the build. Raises CalledProcessError when a module does not compile.
    """
    command = [
        str(interpreter),
        "-S",
        "-m",
        "compileall",
        "-q",
        "-f",
        "--invalidation-mode",
        "unchecked-hash",
    ]
    command += ["-s", str(tree), "-p", code_folder, str(tree)]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "0"})
