from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docs.generate import delay_text, errors_page, generated
from mailer.ses.error_table import OTHER_ACTIONS, TABLE, Action

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_what_is_made_of_the_code_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generated()[path], "run `make docs`"


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
        (Action.SUPPRESS, None, "for good"),
        (Action.REJECT, None, ""),
    ],
)
def test_a_delay_is_said_in_its_largest_unit(action: Action, seconds: int | None, text: str) -> None:
    assert delay_text(action, seconds) == text
