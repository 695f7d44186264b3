"""The mark `compatible(section, subject, note, package=…)` of pytest, and `--compatibility=FILE`.

With the option a run writes the rows that its tests claim. Under xdist each worker passes on what it
collected, and the reports of its tests carry what they claim.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .rows import Row, Rows, claim

MARK = "compatible"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--compatibility", type=Path, metavar="FILE", help="where the rows of this run go")


def pytest_configure(config: pytest.Config) -> None:
    """Gather rows if they are asked for; those of an earlier run are removed first."""
    path: Path | None = config.getoption("compatibility")
    if path is None:
        return
    output = getattr(config, "workeroutput", None)
    if output is None:
        path.unlink(missing_ok=True)
    config.pluginmanager.register(Gathering(path, output))


class Gathering:
    """The rows of one run, in its controller, or what one worker collected (`output`)."""

    def __init__(self, path: Path, output: dict[str, Any] | None) -> None:
        self._path = path
        self._output = output
        self._collected: list[list[str]] = []
        self._rows = Rows()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the marks of all tests, before any is left out."""
        for item in items:
            claimed: dict[tuple[str, str], list[str]] = {}
            for mark in item.iter_markers(MARK):
                one = claim(*mark.args, **mark.kwargs)
                claimed.setdefault((one.section, one.subject), []).append(one.note)
            item.user_properties += [(MARK, list(subject)) for subject in claimed]
            self._collected += [[*subject, *notes] for subject, notes in claimed.items()]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker collected: every worker collects all tests."""
        self._collected = getattr(node, "workeroutput", {}).get(MARK) or self._collected

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that passed, or a step of one that did not."""
        passed = report.when == "call" and report.passed
        for name, subject in report.user_properties:
            if name == MARK:
                self._rows.add(Row(*subject, passed=passed, failed=not report.passed))  # type: ignore[misc]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the rows, or pass them on."""
        if self._output is not None:
            self._output[MARK] = self._collected
            return
        for section, subject, *notes in self._collected:
            self._rows.add(Row(section, subject, {*notes} - {""}, tests=1))
        self._rows.write(self._path)
