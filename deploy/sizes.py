"""The size of a layer by package, against the cloud's limits."""

from __future__ import annotations

import zipfile
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from deploy.targets import MEGABYTE

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.targets import Target


class Size(NamedTuple):
    """A layer's bytes, in all and by top-level package as ``{package: (zipped, unzipped)}``."""

    zipped: int
    unzipped: int
    packages: dict[str, tuple[int, int]]


def measure(layer: Path, target: Target) -> Size:
    """Return the size of a built layer zip."""
    zipped: Counter[str] = Counter()
    unzipped: Counter[str] = Counter()
    with zipfile.ZipFile(layer) as archive:
        for entry in archive.infolist():
            package = entry.filename.removeprefix(target.cloud.folder).split("/")[0]
            zipped[package] += entry.compress_size
            unzipped[package] += entry.file_size
    packages = {name: (zipped[name], unzipped[name]) for name in sorted(unzipped)}
    return Size(layer.stat().st_size, sum(unzipped.values()), packages)


def over_limit(size: Size, target: Target) -> str | None:
    """Return which limit of the cloud a layer exceeds, as a message; None when it exceeds neither."""
    for kind, bytes_, limit in (
        ("zipped", size.zipped, target.cloud.zipped_limit),
        ("unzipped", size.unzipped, target.cloud.unzipped_limit),
    ):
        if bytes_ > limit:
            return f"{target} is {_megabytes(bytes_)} {kind}; {target.cloud.name} takes {_megabytes(limit)}"
    return None


def report(size: Size, target: Target) -> str:
    """Return the size report as a table, the largest packages first."""
    rows = sorted(size.packages.items(), key=lambda row: -row[1][1])
    lines = [f"  {name:<46}{zipped:>12,}{unzipped:>12,}" for name, (zipped, unzipped) in rows]
    cloud = target.cloud
    return "\n".join(
        [
            f"{target}  (bytes, zipped and unzipped)",
            *lines,
            f"  {'total':<46}{size.zipped:>12,}{size.unzipped:>12,}",
            f"  {'limit of ' + cloud.name:<46}{cloud.zipped_limit:>12,}{cloud.unzipped_limit:>12,}",
        ]
    )


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB"
