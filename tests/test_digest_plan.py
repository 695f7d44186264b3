"""Plans of digests: who would get one, who would not and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from digest_runs import NINE, add, item, run
from factories import email
from mailer import __main__ as command_line
from mailer.delivery.deliver import deliver
from mailer.digest.plan import plan

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

pytestmark = pytest.mark.usefixtures("digests_toml")


def test_plan_lists_who_gets_what_and_who_does_not_and_why(
    runtime: Runtime, ses: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    ses.add_fault("FailedOperation.EmailAddrInBlacklist")
    deliver(email(to="gone@customer.example"))
    add(runtime, item(1, "sent@customer.example"))
    run()
    ses.add_fault("reset-before")
    add(runtime, item(1, "begun@customer.example"))
    run("2026-05-01T08:00:00Z")
    add(runtime, item(1), item(2), item(1, "gone@customer.example"), item(2, "sent@customer.example"))
    planned = {one.address.partition("@")[0]: one for one in plan("daily", NINE, runtime)}
    assert {name: one.why for name, one in planned.items()} == {
        "ann": "send",
        "begun": "finish",
        "gone": "suppressed",
        "sent": "already_sent",
    }
    assert (planned["ann"].items, planned["ann"].window) == (2, NINE)
    assert run(job="plan") == {"send": 1, "finish": 1, "suppressed": 1, "already_sent": 1}
    assert command_line.main(["digest", "plan", "daily", "--at", NINE]) == 0
    output = capsys.readouterr().out
    assert "ann@customer.example" in output
    assert output.endswith("2 to send, 2 skipped\n")
    assert len(ses.inbox()) == 1


def test_plan_of_another_hour_skips(runtime: Runtime) -> None:
    add(runtime, item(1), digest="morning")
    assert run("2026-05-01T05:00:00Z", "morning", "plan") == {"not_its_hour": 1}
    assert run("2026-05-01T15:00:00Z", "morning", "plan") == {"quiet_hours": 1}
