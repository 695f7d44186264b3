from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from local.ses_emulator import __main__ as command
from local.ses_emulator.admin import PREFIX, ROUTES
from local.ses_emulator.faults import TRANSPORT_FAULTS

if TYPE_CHECKING:
    import pytest

    from local.ses_emulator import Emulator

GUIDE = (Path(__file__).parents[2] / "docs" / "ses-emulator.md").read_text(encoding="utf-8")


def test_guide_lists_every_option_and_no_other() -> None:
    options = {option for action in command.parser()._actions for option in action.option_strings}
    assert set(re.findall(r"--[a-z][a-z-]*", GUIDE)) == options - {"-h", "--help"}


def test_guide_states_for_every_fault_whether_the_email_is_accepted() -> None:
    documented = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (yes|no) \|", GUIDE, re.MULTILINE))
    assert documented == {name: "yes" if fault.accepts else "no" for name, fault in TRANSPORT_FAULTS.items()}


def test_guide_names_every_route() -> None:
    rows = [line for line in GUIDE.splitlines() if line.startswith("| `")]
    for method, name in ROUTES:
        assert any(f"`{method}" in row and f"{PREFIX}{name}" in row for row in rows), (method, name)


def test_example_of_the_guide_runs(ses: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = (
        block for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL) if "SesClient" in block
    )
    names: dict[str, object] = {}
    exec(example.replace("127.0.0.1:9588", ses.address), names)  # noqa: S102 -- the guide's own example
    names["client"].request.conn._session.close()  # type: ignore[attr-defined]
    assert capsys.readouterr().out.strip() == ses.inbox()[0].ses_message_id
