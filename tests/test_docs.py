from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from docs.generate import ROOT, built, committed, delay_text, errors_page, main
from mailer.ses.error_table import OTHER_ACTIONS, TABLE, Action

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


@pytest.mark.parametrize("name", committed() | built())
def test_generated_files_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_bytes() == (committed() | built())[name], "run `make docs`"


def test_built_files_are_written_and_ignored_by_git(tmp_path: Path) -> None:
    main(["--built", "--root", str(tmp_path)])
    written = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in written.items()} == built()
    ignored = subprocess.run(
        ["git", "check-ignore", *written],  # noqa: S607 - git is where it is
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert sorted(ignored.stdout.split()) == sorted(written)


def test_committed_files_are_written_too_and_only_what_differs(tmp_path: Path) -> None:
    main(["--root", str(tmp_path)])
    for name, content in (committed() | built()).items():
        assert (tmp_path / name).read_bytes() == content
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "docs/errors.md").write_text("old", encoding="utf-8")
    old = tmp_path / "layers/mailer/mailer/http_api/static/docs/docs.0123456789abcdef.js.gz"
    old.write_bytes(b"what an earlier version served")
    main(["--root", str(tmp_path)])
    assert (tmp_path / "docs/errors.md").read_text(encoding="utf-8") == errors_page()
    assert {(tmp_path / name).stat().st_mtime for name in built()} == {0}
    assert not old.exists()


def test_the_page_has_one_line_for_each_code() -> None:
    lines = errors_page().splitlines()
    for code in TABLE:
        (line,) = (line for line in lines if line.startswith(f"| `{code}` |"))
        assert line.count(" | ") == 6
    assert [line for line in lines if line.startswith("- `")] == [
        f"- `{code}`" for code in sorted(OTHER_ACTIONS)
    ]


@pytest.mark.parametrize(
    ("action", "seconds", "text"),
    [
        (Action.RETRY, 1, "1 second"),
        (Action.RECONCILE, 30, "30 seconds"),
        (Action.DEFER, 60, "1 minute"),
        (Action.HALT, 900, "15 minutes"),
        (Action.DEFER, 3600, "1 hour"),
        (Action.SUPPRESS, 14 * 86_400, "14 days"),
        (Action.SUPPRESS, None, "permanently"),
        (Action.REJECT, None, ""),
    ],
)
def test_a_delay_is_said_in_its_largest_unit(action: Action, seconds: int | None, text: str) -> None:
    assert delay_text(action, seconds) == text
