"""Windows of digests: local hours, time zones, quiet hours."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest_runs import add, digest, item, lists, run
from mailer.digest.clock import parse_scheduled_time, window_at

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime


@pytest.mark.usefixtures("digests_toml")
def test_digest_is_sent_at_the_recipients_own_hour(runtime: Runtime, ses: Emulator) -> None:
    add(
        runtime,
        item(1, "sg@customer.example"),
        item(2, "de@customer.example", time_zone="Europe/Berlin"),
        digest="morning",
    )
    day = datetime(2026, 5, 1, tzinfo=timezone.utc)
    for hour in range(48):
        run((day + timedelta(hours=hour)).isoformat(), "morning")
        if hour == 1:
            assert [mail.to for mail in ses.inbox()] == [["sg@customer.example"]]
        if hour == 7:
            assert len(ses.inbox()) == 2
    assert len(ses.inbox()) == 2


@pytest.mark.usefixtures("digests_toml")
def test_frozen_window_is_resumed_at_any_hour(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1), digest="morning")
    ses.add_fault("FailedOperation.InvalidTemplateID")
    assert run("2026-05-01T01:00:00Z", "morning") == {"refused": 1}
    assert run("2026-05-01T05:00:00Z", "morning") == {"accepted": 1}
    assert lists(ses) == ["News 1 +0"]


@pytest.mark.parametrize(
    ("zone", "date", "hour", "due"),
    [
        ("Europe/Berlin", "2026-03-29", 2, "01:00"),  # skipped: the clock goes on at 03:00 local
        ("Europe/Berlin", "2026-10-25", 2, "00:00"),  # twice: the first time
        ("America/New_York", "2026-11-01", 1, "05:00"),
        ("Australia/Lord_Howe", "2026-10-04", 2, "15:30"),  # half an hour of it is skipped
        ("Asia/Kolkata", "2026-05-01", 9, "03:30"),
    ],
)
def test_hour_in_a_dst_gap_or_fold_counts_once(zone: str, date: str, hour: int, due: str) -> None:
    daily = digest(hour=hour)
    start = datetime.fromisoformat(date).replace(tzinfo=timezone.utc) - timedelta(hours=24)
    times = [start + timedelta(minutes=30 * half) for half in range(4 * 24)]
    hits = [at for at in times if window_at(daily, zone, at).window == date]
    assert hits[0].strftime("%H:%M") == due
    assert hits[-1] - hits[0] < timedelta(hours=1)


@given(
    zone=st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "UTC"]),
    hour=st.integers(0, 23),
    start=st.datetimes(*(datetime(year, 1, 1) for year in (2009, 2030))),  # noqa: DTZ001,
)
def test_hourly_runs_open_one_window_every_local_day(zone: str, hour: int, start: datetime) -> None:
    first = start.replace(minute=0, second=0, microsecond=0, tzinfo=timezone.utc)
    daily = digest(hour=hour)
    times = [first + timedelta(hours=hours) for hours in range(24 * 4)]
    windows = [window for at in times if (window := window_at(daily, zone, at).window)]
    assert len(windows) == len(set(windows))
    local = {at.astimezone(ZoneInfo(zone)).date().isoformat() for at in times[24:-24]}
    inner = sorted(local)[1:-1]
    assert set(inner) <= set(windows) | {"2011-12-30"}  # the day that Samoa left out


def test_nothing_is_sent_in_quiet_hours() -> None:
    night = digest(quiet_hours=[22, 7])
    silent = [
        hour
        for hour in range(24)
        if window_at(night, None, datetime(2026, 5, 1, hour, tzinfo=timezone.utc)).why
    ]
    assert silent == [0, 1, 2, 3, 4, 5, 6, 22, 23]
    noon = digest(quiet_hours=[12, 14])
    assert window_at(noon, None, datetime(2026, 5, 1, 13, tzinfo=timezone.utc)).why == "quiet_hours"


def test_zone_that_is_no_longer_known_is_replaced_by_the_digests_own() -> None:
    daily = digest(hour=9, time_zone="Asia/Singapore")
    assert (
        window_at(daily, "Mars/Olympus", parse_scheduled_time("2026-05-01T01:00:00Z")).window == "2026-05-01"
    )
