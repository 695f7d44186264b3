"""What the guides say, for the tests that compare it with the code."""

from __future__ import annotations

import re
from pathlib import Path

ARCHITECTURE = (Path(__file__).parents[1] / "docs/architecture.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Return what stands between a heading and the next one of any level."""
    _, found, rest = text.partition(f"# {heading}\n")
    assert found, heading
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def first_column(heading: str) -> list[str]:
    """Return the code spans in the first column of the tables under a heading of the architecture."""
    rows = [line.split("|")[1] for line in section(ARCHITECTURE, heading).splitlines() if line[:3] == "| `"]
    return [name for cell in rows for name in re.findall(r"`([^`]+)`", cell)]
