"""Runs of digests: one email per recipient and window, no item lost, none sent twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from digest_runs import NINE, TEN, TOML, add, item, lists, run
from factories import LambdaContext, address_hash, email, scf_context
from local.ses_emulator import Template
from mailer.delivery.deliver import deliver
from mailer.digest import run as digest_run
from mailer.digest.clock import parse_scheduled_time
from mailer.errors import StoreUnavailable
from mailer.ledger.digests import DigestLedger
from mailer.triggers.schedule import handle
from stored_times import end_halts, make_due

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

pytestmark = pytest.mark.usefixtures("digests_toml")


def test_items_of_a_recipient_become_one_email(runtime: Runtime, ses: Emulator) -> None:
    assert add(runtime, *(item(number) for number in range(5))) == (5, 0)
    add(runtime, item(9, "bob@customer.example"))
    assert run() == {"accepted": 2}
    mails = {mail.to[0]: mail for mail in ses.inbox()}
    ann = mails["ann@customer.example"]
    assert ann.sender == "Shop <digest@mail.shop.example>"
    assert ann.subject == "5 updates"
    assert ann.template
    assert ann.template["data"] == {"count": "5", "list": "- News 0;- News 1;- News 2;and 2 more"}
    assert mails["bob@customer.example"].subject == "1 updates"


def test_no_items_is_no_email(runtime: Runtime, ses: Emulator) -> None:
    assert run() == {}
    add(runtime, item(1))
    run()
    assert run(TEN) == {}
    assert len(ses.inbox()) == 1


def test_scf_timer_runs_the_digest_that_its_message_names(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    message = json.dumps({"job": "digest", "digest": "daily"})
    event = {"Type": "Timer", "TriggerName": "d", "Time": NINE, "Message": message}
    assert handle(event, scf_context()) == {"job": "digest", "accepted": 1}


def test_same_run_twice_sends_once_and_leaves_newer_items_to_the_next(
    runtime: Runtime, ses: Emulator
) -> None:
    add(runtime, item(1))
    assert run() == {"accepted": 1}
    add(runtime, item(2))
    assert run() == {"already_sent": 1}
    assert run(TEN) == {"accepted": 1}
    assert run() == {}
    assert lists(ses) == ["- News 1;", "- News 2;"]


def test_run_of_an_earlier_window_than_the_last_sends_nothing(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    assert run(TEN) == {"accepted": 1}
    add(runtime, item(2))
    assert run(NINE) == {"already_sent": 1}
    assert len(ses.inbox()) == 1


def test_only_the_open_window_is_closed(runtime: Runtime, ses: Emulator) -> None:
    digests, ann = DigestLedger(runtime.ledger.store), address_hash("ann@customer.example")
    ses.add_fault("FailedOperation.InvalidTemplateID")
    add(runtime, item(1))
    assert run() == {"refused": 1}
    assert not digests.close("daily", ann, TEN)
    assert not digests.close("daily", ann, TEN, {"code": "Any"})
    assert runtime.ledger.dead_letters() == []
    assert run(TEN) == {"nothing": 1}  # after the window of nine o'clock
    assert not digests.close("daily", ann, NINE)
    assert lists(ses) == ["- News 1;"]


def test_items_that_came_while_the_window_was_open_wait_for_the_next(runtime: Runtime, ses: Emulator) -> None:
    digests, ann = DigestLedger(runtime.ledger.store), address_hash("ann@customer.example")
    ses.add_fault("reset-after")
    add(runtime, item(1))
    assert run() == {"unknown": 1}
    add(runtime, item(2))
    assert digests.close("daily", ann, NINE)
    store = runtime.ledger.store
    assert store.client.ttl(store.key("digest", "daily", "recipient", ann)) == -1
    assert run(TEN) == {"accepted": 1}
    assert lists(ses) == ["- News 1;", "- News 2;"]


def test_simultaneous_runs_send_once(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, *(item(number, f"r{number}@customer.example") for number in range(5)))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run(), range(4)))
    assert sorted(mail.to[0] for mail in ses.inbox()) == [
        f"r{number}@customer.example" for number in range(5)
    ]


def test_items_stay_until_the_email_is_accepted(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    ses.add_fault("reset-before")
    assert run() == {"unknown": 1}
    add(runtime, item(2))
    assert run(TEN) == {"unknown": 1}
    store = runtime.ledger.store
    assert (
        store.client.llen(store.key("digest", "daily", "frozen", address_hash("ann@customer.example"))) == 1
    )
    for one in store.client.zrange(store.key("open"), 0, -1):
        store.client.zadd(store.key("open"), {one: 1})
    handle({"job": "sweep"}, LambdaContext())
    assert run("2026-05-01T11:00:00Z") == {"accepted": 1}
    assert lists(ses) == ["- News 1;", "- News 2;"]


def test_deferred_digest_is_left_to_the_sweep(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    ses.add_fault("ResourceInsufficient")
    assert run() == {"deferred": 1}
    [deferred] = runtime.ledger.store.client.zrange(runtime.ledger.store.key("due"), 0, -1)
    make_due(runtime, deferred)
    assert handle({"job": "sweep"}, LambdaContext()) == {"job": "sweep", "accepted": 1}
    assert run(TEN) == {"nothing": 1}
    assert run(TEN) == {}
    assert len(ses.inbox()) == 1


def test_changed_configuration_does_not_send_a_pending_digest_twice(
    runtime: Runtime, ses: Emulator, digests_toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(runtime, item(1))
    ses.add_fault("reset-after")
    assert run() == {"unknown": 1}
    digests_toml.write_text(TOML.replace("{{ total }} updates", "Changed"))
    monkeypatch.setenv("MAILER_RATE", "19")  # another process, which reads mailer.toml anew
    assert run() == {"unknown": 1}
    assert len(ses.inbox()) == 1


def test_digest_sent_before_a_change_of_the_defaults_is_closed_by_the_next_run(
    runtime: Runtime,
    ses: Emulator,
    digests_toml: Path,
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
) -> None:
    def gone(*_arguments: Any) -> None:
        raise StoreUnavailable("ConnectionError")

    add(runtime, item(1))
    with monkeypatch.context() as store_down:
        store_down.setattr(DigestLedger, "close", gone)
        with pytest.raises(StoreUnavailable):
            run()
    digests_toml.write_text(TOML.replace("[defaults]", "[defaults]\nreply_to = 'help@shop.example'"))
    monkeypatch.setenv("MAILER_RATE", "19")  # another process, which reads mailer.toml anew
    assert run() == {"accepted": 1}
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    emails = [(line["disposition"], line["replayed"]) for line in lines if line["message"] == "email"]
    assert emails == [("accepted", False), ("accepted", True)]
    assert len(ses.inbox()) == 1


def test_suppressed_recipient_is_reported_and_the_items_are_dead_lettered(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault("FailedOperation.EmailAddrInBlacklist")
    deliver(email())
    add(runtime, *(item(number) for number in range(5)))
    assert run() == {"dead_lettered": 1}
    assert run(TEN) == {}
    [letter] = runtime.ledger.dead_letters()
    body = json.loads(letter["body"])
    assert (body["digest"], body["window"], len(body["items"])) == ("daily", NINE, 5)
    assert json.loads(letter["reason"])["code"] == "FailedOperation.EmailAddrInBlacklist"


def test_refused_digest_is_retried_by_the_next_runs_and_then_dead_lettered(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault("FailedOperation.InvalidTemplateID", times=None)
    add(runtime, item(1))
    times = [f"2026-05-01T{hour:02}:00:00Z" for hour in range(5)]
    assert [run(at) for at in times] == [{"refused": 1}] * 4 + [{"dead_lettered": 1}]
    assert len(runtime.ledger.dead_letters()) == 1
    assert run(NINE) == {}


def test_refused_digest_is_sent_once_the_fault_is_fixed(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InvalidTemplateID")
    add(runtime, item(1))
    assert run() == {"refused": 1}
    add(runtime, item(2))
    assert run(TEN) == {"accepted": 1}
    assert lists(ses) == ["- News 1;", "- News 2;"]


def test_halted_digest_is_deferred_while_the_backlog_has_capacity(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.concurrency.WORKERS", 1)
    ses.add_fault("FailedOperation.InsufficientBalance")
    add(runtime, item(1), item(2, "bob@customer.example"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime.ledger, "_backlog_max", 1)
        assert run() == {"deferred": 1, "failed": 1}
    assert ses.inbox() == []
    end_halts(runtime)
    assert run(TEN)["deferred"] == 1


def test_bad_expression_stops_its_own_digest_alone(runtime: Runtime, ses: Emulator, log: io.StringIO) -> None:
    add(runtime, item(1), digest="broken")
    add(runtime, item(1))
    assert run(digest="broken") == {"refused": 1}
    assert run() == {"accepted": 1}
    [line] = [line for line in map(json.loads, log.getvalue().splitlines()) if line["level"] == "ERROR"]
    assert (line["digest"], line["key"], line["error"]) == ("broken", "data.list", "RenderFailed")
    assert "News 1" not in log.getvalue()


def test_run_out_of_time_is_continued_by_the_next_run(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_run, "PAGE", 2)
    add(runtime, *(item(number, f"r{number}@customer.example") for number in range(6)))
    sent = 0

    def slow(*arguments: Any, **options: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == 4:
            options["deadline"]._end = time.monotonic()
        return deliver(*arguments, **{**options, "deadline": None})

    monkeypatch.setattr(digest_run, "deliver", slow)
    monkeypatch.setattr("mailer.concurrency.WORKERS", 1)
    first = run()
    assert first == {"accepted": 4, "unfinished": 2}
    add(runtime, item(99, "r0@customer.example"))
    assert run(TEN)["accepted"] == 3  # the two that were left, and what is new
    assert run(TEN) == {}
    assert len(ses.inbox()) == 7


def test_run_unfinished_for_a_day_is_dropped(runtime: Runtime, ses: Emulator) -> None:
    digests = DigestLedger(runtime.ledger.store)
    digests.begin_run("daily", NINE, parse_scheduled_time(NINE).timestamp())
    later = "2026-05-03T09:00:00Z"
    assert digests.begin_run("daily", later, parse_scheduled_time(later).timestamp()) == [(later, "")]


def test_run_that_is_far_from_this_one_is_dropped(runtime: Runtime) -> None:
    digests, far = DigestLedger(runtime.ledger.store), "2099-05-01T09:00:00Z"
    digests.begin_run("daily", far, parse_scheduled_time(far).timestamp())
    now = parse_scheduled_time(NINE).timestamp()
    assert digests.begin_run("daily", NINE, now) == [(NINE, "")]
    store = runtime.ledger.store
    assert store.client.zrange(store.key("digest", "daily", "runs"), 0, -1) == [NINE]
    assert digests.begin_run("daily", far, parse_scheduled_time(far).timestamp()) == [(far, "")]


def test_what_is_stored_of_unfinished_runs_expires(runtime: Runtime) -> None:
    digests, client = DigestLedger(runtime.ledger.store), runtime.ledger.store.client
    digests.begin_run("daily", NINE, parse_scheduled_time(NINE).timestamp())
    digests.save_cursor("daily", NINE, "0")
    for name in ("runs", "cursors"):
        assert 0 < client.ttl(runtime.ledger.store.key("digest", "daily", name)) <= 2 * 86_400


@pytest.mark.parametrize("point", ["freeze", "settle", "close"])
def test_run_killed_at_any_point_is_continued(runtime: Runtime, ses: Emulator, point: str) -> None:
    add(runtime, *(item(number, f"r{number}@customer.example") for number in range(3)))
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
        run(TEN)
    assert sorted(mail.to[0] for mail in ses.inbox()) == [
        f"r{number}@customer.example" for number in range(3)
    ]
    assert ses.stats()["duplicates"] == 0


def test_digest_of_many_recipients_is_sent_page_by_page(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_run, "PAGE", 3)
    ses.add_template(Template(100092, "digest", text="{{list}}"))
    add(runtime, *(item(number, f"r{number}@customer.example") for number in range(10)))
    assert run() == {"accepted": 10}
    assert len(ses.inbox()) == 10


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
def test_invalid_job_is_answered_with_pointers(runtime: Runtime, event: dict[str, Any], pointer: str) -> None:
    answer = handle({"job": "digest", **event}, LambdaContext())
    assert [error["pointer"] for error in answer["errors"]] == [pointer]
