"""Removes from an installed tree what a running function never reads."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = {
    "bin": "command-line scripts, with the path of the building interpreter in them",
    "__pycache__": "bytecode of other runs: the build compiles its own",
    "tests": "the packages' own tests",
}
SUFFIXES = {
    ".pyi": "type stubs",
    ".c": "sources of compiled modules",
    ".pxd": "the same, for Cython",
}
NAMES = {
    "py.typed": "a mark for type checkers",
    ".lock": "left by the installer",
}
# What stays of a .dist-info: its METADATA, by which scanners know package and version, and the licence.
LICENCES = ("LICENSE", "LICENCE", "NOTICE", "COPYING")


def prune(tree: Path) -> None:
    """Prune a tree as ``uv pip install --target`` leaves it, in place."""
    for folder in [path for path in tree.rglob("*") if path.is_dir() and path.name in FOLDERS]:
        shutil.rmtree(folder)
    for path in [path for path in tree.rglob("*") if path.is_file()]:
        if path.suffix in SUFFIXES or path.name in NAMES or _is_install_record(path.relative_to(tree)):
            path.unlink()
    for metadata in tree.glob("*.dist-info/METADATA"):
        headers, _, _readme = metadata.read_text(encoding="utf-8").partition("\n\n")
        metadata.write_text(headers + "\n", encoding="utf-8")


def _is_install_record(path: Path) -> bool:
    if not path.parts[0].endswith(".dist-info"):
        return False
    return path.name != "METADATA" and not path.name.upper().startswith(LICENCES)
