"""Digests: one email per recipient and window, no item lost, none told twice."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import LambdaContext, email, scf_context
from local.ses_emulator import Template
from mailer import __main__ as command_line
from mailer.config.digests import DigestConfig
from mailer.config.file import Config
from mailer.delivery.deliver import deliver
from mailer.digest import run as digest_run
from mailer.digest.clock import parse_scheduled_time, window_at
from mailer.digest.items import take_items
from mailer.digest.plan import plan
from mailer.digest.render import RenderFailed, check, render
from mailer.email.identity import address_hash
from mailer.errors import ConfigurationError, InvalidRequest
from mailer.ledger.digests import DigestLedger
from mailer.runtime import Runtime
from mailer.triggers.schedule import handle
from test_delivery import end_halts, make_due

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from local.ses_emulator import Emulator

TOML = """
[defaults]
from = "Shop <noreply@mail.shop.example>"

[digests.daily]
from = "Shop <digest@mail.shop.example>"
subject = "{{ total }} updates"
template_id = 100092
max_items = 3
[digests.daily.data]
count = "{{ total }}"
list = "{% for item in items %}- {{ item.title }};{% endfor %}{% if more %}and {{ more }} more{% endif %}"

[digests.morning]
subject = "News"
template_id = 100092
hour = 9
time_zone = "Asia/Singapore"
order = "newest"
keep = 5
max_items = 2
quiet_hours = [22, 7]
data = {count = "{{ total }}", list = "{{ items | map(attribute='title') | join(',') }} +{{ more }}"}

[digests.broken]
subject = "{{ items[0].title }}"
template_id = 100092
data = {count = "{{ total }}", list = "{{ items[0].no.such }}"}
"""
BASE = {"subject": "News", "template_id": 100092, "from": "a@mail.example"}
NINE = "2026-05-01T09:00:00Z"
TEN = "2026-05-01T10:00:00Z"


@pytest.fixture
def runtime(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runtime]:
    path = tmp_path / "mailer.toml"
    path.write_text(TOML)
    monkeypatch.setenv("MAILER_CONFIG", str(path))
    current = Runtime.current()
    yield current
    current.ses.close()
    current.ledger.store.close()


def item(number: int, recipient: str = "ann@customer.example", **fields: Any) -> dict[str, Any]:
    return {"recipient": recipient, "item_id": f"c-{number}", "item": {"title": f"News {number}"}, **fields}


def take(runtime: Runtime, *items: dict[str, Any], digest: str = "daily") -> tuple[int, int]:
    return take_items(digest, items, runtime)


def tick(at: str = NINE, digest: str = "daily", job: str = "digest") -> dict[str, Any]:
    answer = handle({"job": job, "digest": digest, "scheduled_time": at}, LambdaContext())
    answer.pop("job")
    return answer


def lists(ses: Emulator) -> list[str]:
    return [
        mail.raw["Template"]["TemplateData"] and json.loads(mail.raw["Template"]["TemplateData"])["list"]
        for mail in ses.inbox()
    ]


def test_items_of_a_recipient_become_one_email(runtime: Runtime, ses: Emulator) -> None:
    assert take(runtime, *(item(number) for number in range(5))) == (5, 0)
    take(runtime, item(9, "bob@customer.example"))
    assert tick() == {"accepted": 2}
    mails = {mail.to[0]: mail for mail in ses.inbox()}
    ann = mails["ann@customer.example"]
    assert ann.sender == "Shop <digest@mail.shop.example>"
    assert ann.subject == "5 updates"
    assert ann.template
    assert ann.template["data"] == {"count": "5", "list": "- News 0;- News 1;- News 2;and 2 more"}
    assert mails["bob@customer.example"].subject == "1 updates"


def test_nothing_to_say_is_nothing_sent(runtime: Runtime, ses: Emulator) -> None:
    assert tick() == {}
    take(runtime, item(1))
    tick()
    assert tick(TEN) == {}
    assert len(ses.inbox()) == 1


def test_scf_timer_runs_the_digest_that_its_message_names(runtime: Runtime, ses: Emulator) -> None:
    take(runtime, item(1))
    message = json.dumps({"job": "digest", "digest": "daily"})
    event = {"Type": "Timer", "TriggerName": "d", "Time": NINE, "Message": message}
    assert handle(event, scf_context()) == {"job": "digest", "accepted": 1}


def test_item_taken_twice_is_told_once_even_after_its_digest(runtime: Runtime, ses: Emulator) -> None:
    assert take(runtime, item(1), item(1)) == (1, 1)
    tick()
    assert take(runtime, item(1), item(2)) == (1, 1)
    tick(TEN)
    assert lists(ses) == ["- News 1;", "- News 2;"]


def test_same_tick_twice_sends_once_and_keeps_newer_items_for_the_next(
    runtime: Runtime, ses: Emulator
) -> None:
    take(runtime, item(1))
    assert tick() == {"accepted": 1}
    take(runtime, item(2))
    assert tick() == {"already_sent": 1}
    assert tick(TEN) == {"accepted": 1}
    assert tick() == {}
    assert lists(ses) == ["- News 1;", "- News 2;"]


def test_runs_at_once_send_once(runtime: Runtime, ses: Emulator) -> None:
    take(runtime, *(item(number, f"r{number}@customer.example") for number in range(5)))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: tick(), range(4)))
    assert sorted(mail.to[0] for mail in ses.inbox()) == [
        f"r{number}@customer.example" for number in range(5)
    ]


def test_items_stay_until_the_email_is_accepted(runtime: Runtime, ses: Emulator) -> None:
    take(runtime, item(1))
    ses.add_fault("reset-before")
    assert tick() == {"unknown": 1}
    take(runtime, item(2))
    assert tick(TEN) == {"unknown": 1}
    assert DigestLedger(runtime.ledger.store).frozen_items("daily", address_hash("ann@customer.example"))
    store = runtime.ledger.store
    for one in store.client.zrange(store.key("open"), 0, -1):
        store.client.zadd(store.key("open"), {one: 1})
    handle({"job": "sweep"}, LambdaContext())
    assert tick("2026-05-01T11:00:00Z") == {"accepted": 1}
    assert lists(ses) == ["- News 1;", "- News 2;"]


def test_deferred_digest_is_left_to_the_sweep(runtime: Runtime, ses: Emulator) -> None:
    take(runtime, item(1))
    ses.add_fault("ResourceInsufficient")
    assert tick() == {"deferred": 1}
    [kept] = runtime.ledger.store.client.zrange(runtime.ledger.store.key("due"), 0, -1)
    make_due(runtime, kept)
    assert handle({"job": "sweep"}, LambdaContext()) == {"job": "sweep", "accepted": 1}
    assert tick(TEN) == {"nothing": 1}
    assert tick(TEN) == {}
    assert len(ses.inbox()) == 1


def test_changed_configuration_does_not_send_a_pending_digest_twice(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(runtime, item(1))
    ses.add_fault("reset-after")
    assert tick() == {"unknown": 1}
    path = Path(os.environ["MAILER_CONFIG"])
    path.write_text(TOML.replace("{{ total }} updates", "Changed"))
    monkeypatch.setenv("MAILER_RATE", "19")  # another process, which reads mailer.toml anew
    assert tick() == {"unknown": 1}
    assert len(ses.inbox()) == 1


def test_suppressed_recipient_is_reported_and_the_items_are_a_dead_letter(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault("FailedOperation.EmailAddrInBlacklist")
    deliver(email())
    take(runtime, *(item(number) for number in range(5)))
    assert tick() == {"dead_lettered": 1}
    assert tick(TEN) == {}
    [letter] = runtime.ledger.dead_letters()
    body = json.loads(letter["body"])
    assert (body["digest"], body["window"], len(body["items"])) == ("daily", NINE, 5)
    assert json.loads(letter["reason"])["code"] == "FailedOperation.EmailAddrInBlacklist"


def test_refused_digest_is_tried_again_by_the_next_runs_and_then_given_up(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault("FailedOperation.InvalidTemplateID", times=None)
    take(runtime, item(1))
    ticks = [f"2026-05-01T{hour:02}:00:00Z" for hour in range(5)]
    assert [tick(at) for at in ticks] == [{"refused": 1}] * 4 + [{"dead_lettered": 1}]
    assert len(runtime.ledger.dead_letters()) == 1
    assert tick(NINE) == {}


def test_refused_digest_goes_out_once_the_fault_is_mended(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InvalidTemplateID")
    take(runtime, item(1))
    assert tick() == {"refused": 1}
    take(runtime, item(2))
    assert tick(TEN) == {"accepted": 1}
    assert lists(ses) == ["- News 1;", "- News 2;"]


def test_halted_digest_is_kept_by_the_ledger_while_it_has_room(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_run, "WORKERS", 1)
    ses.add_fault("FailedOperation.InsufficientBalance")
    take(runtime, item(1), item(2, "bob@customer.example"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime.ledger, "_backlog_max", 0)
        assert tick() == {"failed": 2}
    assert ses.inbox() == []
    end_halts(runtime)
    assert tick(TEN)["deferred"] == 1


def test_bad_expression_stops_its_own_digest_alone(runtime: Runtime, ses: Emulator, log: io.StringIO) -> None:
    take(runtime, item(1), digest="broken")
    take(runtime, item(1))
    assert tick(digest="broken") == {"refused": 1}
    assert tick() == {"accepted": 1}
    [line] = [line for line in map(json.loads, log.getvalue().splitlines()) if line["level"] == "ERROR"]
    assert (line["digest"], line["key"], line["error"]) == ("broken", "data.list", "RenderFailed")
    assert "News 1" not in log.getvalue()


def test_run_out_of_time_is_continued_by_the_next_tick(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_run, "PAGE", 2)
    take(runtime, *(item(number, f"r{number}@customer.example") for number in range(6)))
    sent = 0

    def slow(*arguments: Any, **options: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == 4:
            options["deadline"]._end = time.monotonic()
        return deliver(*arguments, **{**options, "deadline": None})

    monkeypatch.setattr(digest_run, "deliver", slow)
    monkeypatch.setattr(digest_run, "WORKERS", 1)
    first = tick()
    assert first == {"accepted": 4, "unfinished": 2}
    take(runtime, item(99, "r0@customer.example"))
    assert tick(TEN)["accepted"] == 3  # the two that were left, and what is new
    assert tick(TEN) == {}
    assert len(ses.inbox()) == 7


def test_run_that_nobody_finished_for_a_day_is_given_up(runtime: Runtime, ses: Emulator) -> None:
    digests = DigestLedger(runtime.ledger.store)
    digests.begin_run("daily", NINE, parse_scheduled_time(NINE).timestamp())
    later = "2026-05-03T09:00:00Z"
    assert digests.begin_run("daily", later, parse_scheduled_time(later).timestamp()) == [(later, "")]


@pytest.mark.parametrize("point", ["freeze", "settle", "close"])
def test_run_killed_anywhere_is_continued(runtime: Runtime, ses: Emulator, point: str) -> None:
    take(runtime, *(item(number, f"r{number}@customer.example") for number in range(3)))
    worker = Path(__file__).with_name("digest_worker.py")
    paths = os.pathsep.join(sys.path)
    ended = subprocess.run(
        [sys.executable, str(worker), point, NINE],
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
        stdout=subprocess.DEVNULL,
    )
    assert ended.returncode == -signal.SIGKILL
    store = runtime.ledger.store
    for _ in range(2):
        for one in store.client.zrange(store.key("open"), 0, -1):
            store.client.hset(store.key("email", one), "lease_until", 1)
            store.client.zadd(store.key("open"), {one: 1})
        handle({"job": "sweep"}, LambdaContext())
        tick(TEN)
    assert sorted(mail.to[0] for mail in ses.inbox()) == [
        f"r{number}@customer.example" for number in range(3)
    ]
    assert ses.stats()["duplicates"] == 0


def test_items_are_bounded_and_what_is_dropped_is_counted(runtime: Runtime, ses: Emulator) -> None:
    take(runtime, *(item(number) for number in range(8)), digest="morning")
    assert tick("2026-05-01T01:00:00Z", "morning") == {"accepted": 1}
    assert lists(ses) == ["News 7,News 6 +6"]


def test_oldest_items_are_kept_where_they_come_first(runtime: Runtime, ses: Emulator) -> None:
    digest = DigestConfig("daily", "{{ total }}", 100092, {"list": "{{ items[0].title }}"}, keep=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(runtime.config.digests, "daily", digest)
        patch.setitem(runtime.config.defaults, "from", "a@mail.example")
        take(runtime, *(item(number) for number in range(4)))
        tick()
    [mail] = ses.inbox()
    assert (mail.subject, lists(ses)) == ("4", ["News 0"])


def test_items_fade_after_their_time(runtime: Runtime, ses: Emulator) -> None:
    take(runtime, item(1))
    store = runtime.ledger.store
    key = store.key("digest", "daily", "items", address_hash("ann@customer.example"))
    assert 29 * 86_400 < store.client.ttl(key) <= 30 * 86_400
    store.client.lset(key, 0, '1 {"title": "Old"}')
    take(runtime, item(2))
    assert tick() == {"accepted": 1}
    assert lists(ses) == ["- News 2;"]
    take(runtime, item(3))
    store.client.lset(key, 0, '1 {"title": "Old"}')
    assert tick(TEN) == {"nothing": 1}
    assert tick(TEN) == {}


def test_recipient_of_whom_everything_faded_is_forgotten(runtime: Runtime) -> None:
    take(runtime, item(1))
    store = runtime.ledger.store
    for name in ("items", "recipient"):
        store.client.delete(store.key("digest", "daily", name, address_hash("ann@customer.example")))
    assert [planned.why for planned in plan("daily", NINE, runtime)] == ["nothing"]
    assert tick() == {"nothing": 1}
    assert tick() == {}


def test_digest_goes_out_at_the_recipients_own_hour(runtime: Runtime, ses: Emulator) -> None:
    take(
        runtime,
        item(1, "sg@customer.example"),
        item(2, "de@customer.example", time_zone="Europe/Berlin"),
        digest="morning",
    )
    day = datetime(2026, 5, 1, tzinfo=timezone.utc)
    for hour in range(48):
        tick((day + timedelta(hours=hour)).isoformat(), "morning")
        if hour == 1:
            assert [mail.to for mail in ses.inbox()] == [["sg@customer.example"]]
        if hour == 7:
            assert len(ses.inbox()) == 2
    assert len(ses.inbox()) == 2


def test_digest_that_was_begun_is_finished_at_any_hour(runtime: Runtime, ses: Emulator) -> None:
    take(runtime, item(1), digest="morning")
    ses.add_fault("FailedOperation.InvalidTemplateID")
    assert tick("2026-05-01T01:00:00Z", "morning") == {"refused": 1}
    assert tick("2026-05-01T05:00:00Z", "morning") == {"accepted": 1}
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
def test_hour_that_is_skipped_or_comes_twice_counts_once(zone: str, date: str, hour: int, due: str) -> None:
    digest = DigestConfig("d", "s", 1, hour=hour)
    start = datetime.fromisoformat(date).replace(tzinfo=timezone.utc) - timedelta(hours=24)
    ticks = [start + timedelta(minutes=30 * half) for half in range(4 * 24)]
    hits = [moment for moment in ticks if window_at(digest, zone, moment).window == date]
    assert hits[0].strftime("%H:%M") == due
    assert hits[-1] - hits[0] < timedelta(hours=1)


@given(
    zone=st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "UTC"]),
    hour=st.integers(0, 23),
    start=st.datetimes(*(datetime(year, 1, 1) for year in (2009, 2030))),  # noqa: DTZ001,
)
def test_hourly_ticks_meet_every_local_day_once(zone: str, hour: int, start: datetime) -> None:
    first = start.replace(minute=0, second=0, microsecond=0, tzinfo=timezone.utc)
    digest = DigestConfig("d", "s", 1, hour=hour)
    ticks = [first + timedelta(hours=hours) for hours in range(24 * 4)]
    windows = [window for moment in ticks if (window := window_at(digest, zone, moment).window)]
    assert len(windows) == len(set(windows))
    local = {moment.astimezone(ZoneInfo(zone)).date().isoformat() for moment in ticks[24:-24]}
    inner = sorted(local)[1:-1]
    assert set(inner) <= set(windows) | {"2011-12-30"}  # the day that Samoa left out


def test_quiet_hours_keep_silent(runtime: Runtime) -> None:
    digest = DigestConfig("d", "s", 1, quiet_hours=(22, 7))
    silent = [
        hour
        for hour in range(24)
        if window_at(digest, None, datetime(2026, 5, 1, hour, tzinfo=timezone.utc)).why
    ]
    assert silent == [0, 1, 2, 3, 4, 5, 6, 22, 23]
    noon = DigestConfig("d", "s", 1, quiet_hours=(12, 14))
    assert window_at(noon, None, datetime(2026, 5, 1, 13, tzinfo=timezone.utc)).why == "quiet_hours"


def test_zone_that_is_no_longer_known_is_the_digests_own() -> None:
    digest = DigestConfig("d", "s", 1, hour=9, time_zone="Asia/Singapore")
    assert (
        window_at(digest, "Mars/Olympus", parse_scheduled_time("2026-05-01T01:00:00Z")).window == "2026-05-01"
    )


def test_plan_says_who_gets_what_and_who_does_not_and_why(
    runtime: Runtime, ses: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    ses.add_fault("FailedOperation.EmailAddrInBlacklist")
    deliver(email(to="gone@customer.example"))
    take(runtime, item(1, "sent@customer.example"))
    tick()
    ses.add_fault("reset-before")
    take(runtime, item(1, "begun@customer.example"))
    tick("2026-05-01T08:00:00Z")
    take(runtime, item(1), item(2), item(1, "gone@customer.example"), item(2, "sent@customer.example"))
    planned = {one.address.partition("@")[0]: one for one in plan("daily", NINE, runtime)}
    assert {name: one.why for name, one in planned.items()} == {
        "ann": "send",
        "begun": "finish",
        "gone": "suppressed",
        "sent": "already_sent",
    }
    assert (planned["ann"].items, planned["ann"].window) == (2, NINE)
    assert tick(job="plan") == {"send": 1, "finish": 1, "suppressed": 1, "already_sent": 1}
    assert command_line.main(["digest", "plan", "daily", "--at", NINE]) == 0
    output = capsys.readouterr().out
    assert "ann@customer.example" in output
    assert output.endswith("2 to send, 2 skipped\n")
    assert len(ses.inbox()) == 1


def test_plan_of_another_hour_skips(runtime: Runtime) -> None:
    take(runtime, item(1), digest="morning")
    assert tick("2026-05-01T05:00:00Z", "morning", "plan") == {"not_its_hour": 1}
    assert tick("2026-05-01T15:00:00Z", "morning", "plan") == {"quiet_hours": 1}


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        ({"digest": "nightly", "scheduled_time": NINE}, "/digest"),
        ({"digest": 7, "scheduled_time": NINE}, "/digest"),
        ({"digest": "daily"}, "/scheduled_time"),
        ({"digest": "daily", "scheduled_time": "2026-05-01T09:00:00"}, "/scheduled_time"),
        ({"digest": "daily", "scheduled_time": "0001-01-01T00:00:00+14:00"}, "/scheduled_time"),
    ],
)
def test_wrong_tick_is_answered_and_changes_nothing(
    runtime: Runtime, event: dict[str, Any], pointer: str
) -> None:
    answer = handle({"job": "digest", **event}, LambdaContext())
    assert [error["pointer"] for error in answer["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("digest", "items", "pointers"),
    [
        ("daily", [item(1), "no object"], ["/1"]),
        ("daily", [{**item(1), "extra": 1}], ["/0/extra"]),
        ("daily", [item(1, "nobody")], ["/0/recipient"]),
        ("daily", [item(1, 7)], ["/0/recipient"]),  # type: ignore[arg-type]
        ("daily", [{**item(1), "item_id": ""}], ["/0/item_id"]),
        ("daily", [{**item(1), "item_id": "x" * 256}], ["/0/item_id"]),
        ("daily", [{**item(1), "item": "text"}], ["/0/item"]),
        ("daily", [{**item(1), "item": {"text": "x" * 20_000}}], ["/0/item"]),
        ("daily", [{**item(1), "item": {"text": "\ud800"}}], ["/0/item/text"]),
        ("daily", [item(1, time_zone="Mars/Olympus")], ["/0/time_zone"]),
        ("daily", [item(1, time_zone="../etc")], ["/0/time_zone"]),
        ("daily", [{**item(1), "digest": "morning"}], ["/0/digest"]),
        ("nightly", [item(1)], ["/0/digest"]),
        (None, [item(1)], ["/0/digest"]),
        ("daily", [{}], ["/0/recipient", "/0/item_id", "/0/item"]),
        ("daily", [item(number) for number in range(101)], [""]),
    ],
)
def test_wrong_item_is_refused_with_its_place_and_none_is_kept(
    runtime: Runtime, digest: str | None, items: list[Any], pointers: list[str]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        take_items(digest, items, runtime)
    assert [error.pointer for error in caught.value.errors] == pointers
    assert list(plan("daily", NINE, runtime)) == []


def test_items_of_a_queue_name_their_digests(runtime: Runtime, ses: Emulator) -> None:
    taken = take_items(None, [item(1, digest="daily"), item(1, digest="morning")], runtime)
    assert taken == (2, 0)


def test_tables_of_the_file_are_digests(runtime: Runtime) -> None:
    assert set(runtime.config.digests) == {"daily", "morning", "broken"}
    assert runtime.config.digests["morning"].quiet_hours == (22, 7)
    assert runtime.config.digests["daily"].email == {"from": "Shop <digest@mail.shop.example>"}


@pytest.mark.parametrize(
    ("tables", "setting"),
    [
        ("text", "[digests]"),
        ({"Daily News": BASE}, "[digests.Daily News]"),
        ({"d": 7}, "[digests.d]"),
        ({"d": {"subject": "x"}}, "[digests.d] template_id"),
        ({"d": {"template_id": 1}}, "[digests.d] subject"),
        ({"d": {**BASE, "colour": "red"}}, "[digests.d] colour"),
        ({"d": {**BASE, "subject": ""}}, "[digests.d] subject"),
        ({"d": {**BASE, "template_id": True}}, "[digests.d] template_id"),
        ({"d": {**BASE, "data": {"x": 1}}}, "[digests.d] data"),
        ({"d": {**BASE, "max_items": 0}}, "[digests.d] max_items"),
        ({"d": {**BASE, "order": "random"}}, "[digests.d] order"),
        ({"d": {**BASE, "group_by": "]["}}, "[digests.d] group_by"),
        ({"d": {**BASE, "hour": 24}}, "[digests.d] hour"),
        ({"d": {**BASE, "time_zone": "Mars/Olympus"}}, "[digests.d] time_zone"),
        ({"d": {**BASE, "quiet_hours": [7]}}, "[digests.d] quiet_hours"),
        ({"d": {**BASE, "keep": 0}}, "[digests.d] keep"),
        ({"d": {**BASE, "ttl_days": 91}}, "[digests.d] ttl_days"),
        ({"d": {**BASE, "escape": 1}}, "[digests.d] escape"),
        ({"d": {**BASE, "email": "x"}}, "[digests.d] email"),
        ({"d": {"subject": "x", "template_id": 1, "email": []}}, "[digests.d] email"),
        ({"d": {**BASE, "email": {"to": "a@b.example"}}}, "[digests.d] email.to"),
        ({"d": {**BASE, "from": "nobody"}}, "[digests.d] from"),
    ],
)
def test_wrong_table_is_named_with_its_key(tables: Any, setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.check({"digests": tables})
    assert caught.value.setting == f"mailer.toml {setting}"


def test_digest_takes_the_other_fields_of_an_email() -> None:
    config = Config.check(
        {
            "defaults": {"from": "a@mail.example", "reply_to": "help@mail.example"},
            "digests": {"d": {"subject": "s", "template_id": 1, "email": {"unsubscribe": "english"}}},
        }
    )
    request = config.digests["d"].request("b@customer.example", "News", {"x": "y"}, config.defaults)
    assert (request.sender, request.reply_to, request.unsubscribe) == (
        "a@mail.example",
        "help@mail.example",
        "1",
    )


def test_groups_gather_the_items_by_what_an_expression_finds() -> None:
    digest = DigestConfig(
        "d",
        "{{ groups | length }} projects\n for you",
        1,
        {"list": "{% for g in groups %}{{ g.name }}: {{ g['items'] | length }}. {% endfor %}"},
        group_by="project.name",
    )
    items = [{"project": {"name": name}} for name in ("a", "b", "a")] + [{}]
    words = render(digest, items, 4, "ann@customer.example")
    assert words.subject == "3 projects for you"
    assert words.data == {"list": "a: 2. b: 1. None: 1. "}
    broken = DigestConfig("d", "s", 1, group_by="length(@.n)")
    with pytest.raises(RenderFailed, match="group_by"):
        render(broken, [{"n": 1}], 1, "ann@customer.example")


def test_values_are_escaped_for_html_unless_told_otherwise() -> None:
    data = {"x": "<b>{{ items[0].title }}</b>"}
    items = [{"title": "<script>"}]
    assert render(DigestConfig("d", "s", 1, data), items, 1, "-").data == {"x": "<b>&lt;script&gt;</b>"}
    plain = DigestConfig("d", "{{ items[0].title }}", 1, data, escape=False)
    assert render(plain, items, 1, "-").data == {"x": "<b><script></b>"}
    assert render(plain, items, 1, "-").subject == "<script>"


@pytest.mark.parametrize(
    "expression",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ items.append(1) }}",
        "{{ range(10000000) | length }}",
        "{{ items[0].missing }}",
        "{{ 1 / 0 }}",
        "{% for item in total %}{% endfor %}",
    ],
)
def test_expression_that_does_not_fit_or_reaches_out_fails(expression: str) -> None:
    with pytest.raises(RenderFailed, match="subject"):
        render(DigestConfig("d", expression, 1), [{}], 1, "-")


@pytest.mark.parametrize(
    ("expression", "rule"),
    [
        ("{{ total", "is no Jinja2 expression"),
        ("{{ total | nonsense }}", "is no Jinja2 expression"),
        ("{{ totals }}", "knows no totals"),
        ("{{ 1 / 0 }}", "cannot be rendered"),
    ],
)
def test_check_finds_a_bad_expression(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], expression: str, rule: str
) -> None:
    with pytest.raises(ConfigurationError, match=rule) as caught:
        check(DigestConfig("daily", "s", 1, {"list": expression}))
    assert caught.value.setting == "mailer.toml [digests.daily] data.list"
    path = tmp_path / "mailer.toml"
    path.write_text(f"[digests.d]\nfrom='a@mail.example'\ntemplate_id=1\nsubject={json.dumps(expression)}")
    assert command_line.main(["digest", "check", "--config", str(path)]) == 1
    assert rule in capsys.readouterr().err


def test_check_passes_the_project_s_own_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(__file__).parents[1] / "mailer.toml"
    monkeypatch.setattr(sys, "argv", ["mailer", "digest", "check", "--config", str(path)])
    monkeypatch.delitem(sys.modules, "mailer.__main__")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("mailer", run_name="__main__")
    assert ended.value.code == 0
    assert "daily" in capsys.readouterr().out


def test_digest_of_many_recipients_passes_every_page(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_run, "PAGE", 3)
    ses.add_template(Template(100092, "digest", text="{{list}}"))
    take(runtime, *(item(number, f"r{number}@customer.example") for number in range(10)))
    assert tick() == {"accepted": 10}
    assert len(ses.inbox()) == 10
