"""The table of docs/compatibility.md: what runs of pytest gather, and how the page is compared with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compatibility.__main__ import main
from compatibility.rows import Row, Rows, claim, locked_version
from local.sample_events import sample_events
from mailer.config.webhook_schemes import SCHEMES
from sample_kinds import SENDERS, SOURCES, WEBHOOKS

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.once

TESTS = Path(__file__).parent
SAMPLE = """
import pytest

def row(subject, *note, **package):
    return pytest.mark.compatible("Stores", subject, *note, **package)

@row("B", "one way")
@pytest.mark.parametrize("number", [pytest.param(1, marks=row("B", "another")), 2])
def test_passes(number): pass

@row("A", package="ruff")
@pytest.mark.lambda_runtime
def test_is_left_out(): raise AssertionError

@row("C")
@pytest.mark.parametrize("fails", [False, True])
def test_fails_once(fails): assert not fails

@pytest.fixture
def torn_down():
    yield
    raise OSError

@row("D")
def test_fails_at_its_end(torn_down): pass

@row("E")
def test_is_skipped(): pytest.skip()

def test_without_a_row(): pass
"""


def gathered(folder: Path, text: str, *options: str) -> tuple[int, Path]:
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  compatible(): x\n  lambda_runtime: x\n")
    (folder / "test_sample.py").write_text(text)
    rows = folder / "build/rows.json"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "compatibility.plugin", "-p", "no:cacheprovider"),
            *("--compatibility", str(rows), "-m", "not lambda_runtime", *options),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
        capture_output=True,
    )
    return run.returncode, rows


@pytest.mark.parametrize("options", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "workers"])
def test_run_writes_a_row_for_each_subject(tmp_path: Path, options: Sequence[str]) -> None:
    status, path = gathered(tmp_path, SAMPLE, *options)
    assert status == 1
    left_out, *rows = [(row.subject, row.notes, row.tests, row.result) for row in Rows.read([path])]
    assert left_out == ("A", {f"`ruff` {locked_version('ruff')}"}, 1, "not run")
    assert rows == [
        ("B", {"one way", "another"}, 2, "passed"),
        ("C", set(), 2, "failed"),
        ("D", set(), 1, "failed"),
        ("E", set(), 1, "failed"),
    ]


def test_run_that_cannot_collect_leaves_no_rows_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build/rows.json").write_text("old")
    status, path = gathered(tmp_path, SAMPLE.replace("Stores", "Shops"))
    assert status
    assert not path.exists() or path.read_text() == "[]"


def test_mark_names_a_section_and_a_package_of_the_locks() -> None:
    osls = claim("Platforms", "x", "by", package="osls")
    assert osls.note.startswith("by: `osls` 4.")
    assert locked_version("pytest") != locked_version("pytest-xdist")
    with pytest.raises(ValueError, match="no section"):
        claim("Shops", "x")
    with pytest.raises(ValueError, match="no package of"):
        claim("Stores", "x", package="no-such-package")


@pytest.fixture
def parts(tmp_path: Path) -> list[str]:
    """What two runs wrote, of which one could not run everything, beside a page that says the same."""
    Rows([Row("Stores", "A", {"n"}, 2, 2), Row("Platforms", "P", set(), 1)]).write(tmp_path / "1")
    Rows([Row("Stores", "A", {"m"}, 1)]).write(tmp_path / "2")
    page = "## Platforms\n\n| P |  | 1 | passed |\n"
    (tmp_path / "page").write_text(page, encoding="utf-8")
    arguments = [str(tmp_path / "1"), str(tmp_path / "2"), "--page", str(tmp_path / "page")]
    assert main([*arguments, "--write"]) == 0
    return arguments


def test_page_is_what_all_runs_found_and_what_one_left_out_stays(parts: list[str], tmp_path: Path) -> None:
    text = (tmp_path / "page").read_text(encoding="utf-8")
    assert "| A | m; n | 3 | passed |" in text
    assert "| P |  | 1 | passed |" in text
    assert main(parts) == 0


@pytest.mark.parametrize(
    ("row", "difference"),
    [
        (Row("Stores", "A", {"n"}, 2, 1, 1), "+| A | m; n | 3 | failed |"),
        (Row("Stores", "A", {"other"}, 2, 2), "+| A | m; other | 3 | passed |"),
        (Row("Stores", "A", {"n"}, 1, 1), "+| A | m; n | 2 | passed |"),
        (Row("Stores", "New", set(), 1, 1), "+| New |  | 1 | passed |"),
        (Row("Stores", "A", {"n"}, 5), "+| A | m; n | 6 | passed |"),
        (Row("Stores", "New", set(), 1, 0), "+| New |  | 1 | not run |"),
    ],
)
def test_row_that_is_new_or_gone_or_differs_is_shown(
    parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], row: Row, difference: str
) -> None:
    Rows([row]).write(tmp_path / "1")
    assert main(parts) == 1
    lines = capsys.readouterr().err.splitlines()
    assert difference in lines
    assert "-| P |  | 1 | passed |" in lines


def test_every_sample_event_and_every_webhook_scheme_has_a_row() -> None:
    stems = {event.name.removesuffix(".json") for event in sample_events()}
    assert SOURCES.keys() | WEBHOOKS.keys() == stems
    assert SENDERS.keys() == {*SCHEMES, "hmac"}
