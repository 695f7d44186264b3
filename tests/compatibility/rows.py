"""The rows of the table, and the files in which each run of pytest leaves its own."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]
NPM_LOCKS = (ROOT / "package-lock.json", ROOT / "tests/clients/package-lock.json")
SECTIONS = {
    "Event sources": "Each sample event is recognised by one adapter, and sent by its function.",
    "Webhook senders": "What each sender signs is accepted, and what is forged is not.",
    "Clients of the API": "Linters and generators read the OpenAPI document; clients call the API.",
    "SDKs": "Tencent Cloud's own, against the local emulator of SES.",
    "Platforms": "The packaged functions and layers, run or deployed by what the platforms publish or by an "
    "emulator of them.",
    "Stores": "Real servers on this machine.",
}


class Claim(NamedTuple):
    """What one test runs: the arguments of its mark `compatible`, with the versions of the locks."""

    section: str
    subject: str
    note: str


@dataclass
class Row:
    """One line of the table. `tests` are those that claim it, run or not; the others count what ran."""

    section: str
    subject: str
    notes: set[str] = field(default_factory=set)
    tests: int = 0
    passed: int = 0
    failed: int = 0

    @property
    def result(self) -> str:
        """`passed`, `failed` if a test failed, or `not run`."""
        return "failed" if self.failed else "passed" if self.passed else "not run"


class Rows:
    """The rows by section and subject."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        for row in rows:
            self.add(row)

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows in the order of the sections, then by subject."""
        order = list(SECTIONS)
        return iter(
            sorted(self._rows.values(), key=lambda row: (order.index(row.section), row.subject.casefold()))
        )

    def add(self, row: Row) -> None:
        """Add a row's tests and notes to those of the same subject."""
        known = self._rows.setdefault((row.section, row.subject), Row(row.section, row.subject))
        known.notes |= row.notes
        known.tests += row.tests
        known.passed += row.passed
        known.failed += row.failed

    def write(self, path: Path) -> None:
        """Write the rows as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{**asdict(row), "notes": sorted(row.notes)} for row in self]
        path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Rows:
        """Return what several runs of pytest wrote; raises OSError."""
        found = [row for path in paths for row in json.loads(path.read_text(encoding="utf-8"))]
        return cls(Row(**{**row, "notes": set(row["notes"])}) for row in found)


def claim(section: str, subject: str, note: str = "", *, package: str = "") -> Claim:
    """Return what a mark says; raises ValueError for an unknown section or a package in no lock."""
    if section not in SECTIONS:
        raise ValueError(f"no section of docs/compatibility.md: {section}")
    versions = f"`{package}` {locked_version(package)}" if package else ""
    return Claim(section, subject, ": ".join(filter(None, (note, versions))))


@cache
def locked_version(package: str) -> str:
    """Return the version of a package that the locks of Python or npm name, or all of them."""
    versions = {
        module["version"]
        for lock in NPM_LOCKS
        for path, module in json.loads(lock.read_text(encoding="utf-8"))["packages"].items()
        if path and package in {module.get("name"), path.removeprefix("node_modules/")}
    }
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        pattern = rf"^{re.escape(package)}==([^\s;]+)"
        versions |= set(re.findall(pattern, lock.read_text(encoding="utf-8"), re.MULTILINE))
    if not versions:
        raise ValueError(f"no package of a package-lock.json or of requirements/: {package}")
    return ", ".join(sorted(versions))
