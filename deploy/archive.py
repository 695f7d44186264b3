"""Writes zips whose bytes depend on nothing but the files in them."""

from __future__ import annotations

import stat
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date that a zip can hold
READABLE = stat.S_IFREG | 0o644
UNIX = 3


def files_below(folder: Path) -> Iterator[Path]:
    """Return every file below a folder, sorted by its path."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def write(target: Path, entries: dict[str, Path]) -> None:
    """Write a zip of ``{name in the zip: file}``, sorted by name, under one fixed date and mode."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for name, path in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = UNIX
            entry.external_attr = READABLE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes(), compresslevel=9)
