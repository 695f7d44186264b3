"""SES's own clock may be ahead of its clients', or behind it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from local.ses_emulator.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Wire


UTC8 = timezone(timedelta(hours=8))


@pytest.mark.parametrize("offset", [-7, 0, 120])
def test_clock_offset_moves_every_time_that_ses_says(
    start: Callable[..., Emulator], wires: type[Wire], clock: Clock, offset: int
) -> None:
    ses = start(clock=clock, clock_offset=offset, callback="http://127.0.0.1:1/")
    wire = wires(ses, clock)
    wire.post()
    now = int(clock.now) + offset
    assert parsedate_to_datetime(wire.request("GET", "/").headers["Date"]).timestamp() == now
    [callback] = ses.sent_callbacks()
    assert callback.payload["timestamp"] == callback.payload["sentTimestamp"] == now
    day = datetime.fromtimestamp(now, UTC8).date().isoformat()
    query = {"RequestDate": day, "Offset": 0, "Limit": 1}
    [row] = wire.post(json.dumps(query).encode(), x_tc_action="GetSendEmailStatus")["EmailStatusList"]
    assert row["RequestTime"] == now


def test_signature_is_too_old_by_the_clock_of_ses(
    start: Callable[..., Emulator], wires: type[Wire], clock: Clock
) -> None:
    assert wires(start(clock=clock, clock_offset=400), clock).code() == "AuthFailure.SignatureExpire"


def test_rate_does_not_depend_on_the_offset(
    start: Callable[..., Emulator], wires: type[Wire], clock: Clock
) -> None:
    wire = wires(start(clock=clock, clock_offset=100, rate=1), clock)
    assert "MessageId" in wire.post()
    assert wire.code() == "RequestLimitExceeded"
    clock.now += 1
    assert "MessageId" in wire.post()


def test_command_takes_the_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, object] = {}

    def emulator(**settings: object) -> Emulator:
        taken.update(settings)
        raise ValueError

    monkeypatch.setattr("local.ses_emulator.__main__.Emulator", emulator)
    assert main(["--clock-offset", "-7.5"]) == 1
    assert taken["clock_offset"] == -7.5
