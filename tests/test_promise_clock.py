"""Clocks that differ, and times that are long past, send nothing twice and let nothing starve."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from factories import SECRET, email
from local.ses_emulator import Emulator
from mailer import clock
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver
from mailer.delivery.reconcile import SES_TIME_ZONE, reconcile, resolve
from mailer.delivery.sweep import sweep
from mailer.errors import InvalidRequest
from mailer.ledger import Attempt, CallResult, Verdict
from mailer.ledger.record import State
from mailer.ledger.unknown import Decision, UnknownLedger, acceptance_windows
from mailer.runtime import Runtime
from promise_steps import (
    UNKNOWN,
    UNSENT,
    admitted,
    attempt,
    email_id,
    expire_lease,
    field,
    record_of,
    score,
    send,
    sweep_all,
)
from store_faults import with_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unlimited_status_queries

DAY_MS = 86_400_000


@pytest.fixture
def offset() -> float:
    """How many seconds SES's clock is ahead of everybody else's."""
    return 0.0


@pytest.fixture
def ses(offset: float) -> Iterator[Emulator]:
    with Emulator(credentials=dict([SECRET]), status_rate=0, clock_offset=offset) as emulator:
        yield emulator


def in_another_process(runtime: Runtime) -> Runtime:
    """Return a runtime that has not heard of SES's clock yet."""
    from mailer import runtime as module

    module._build.cache_clear()
    return Runtime.current()


def shift(runtime: Runtime, seconds: float, key: str = "order-1") -> None:
    """Let an email have been asked for that much earlier, all its attempts too."""
    store, by = runtime.ledger.store, int(seconds * 1000)
    name = store.key("email", email_id(runtime, key))
    record = store.client.hgetall(name)
    history = [{**note, "at": note["at"] - by} for note in json.loads(record["history"])]
    times = {field: int(record[field]) - by for field in ("created_at", "sent_at") if field in record}
    store.client.hset(name, mapping={**times, "history": json.dumps(history)})


# SES's clock differs from the store's.


@pytest.mark.parametrize("offset", [-298.0, -60.0, -7.0, 7.0, 60.0, 298.0])
@pytest.mark.parametrize("fresh", [False, True], ids=["same process", "another process"])
def test_row_of_an_email_is_found_however_the_clocks_differ(
    runtime: Runtime, ses: Emulator, *, fresh: bool
) -> None:
    ses.add_fault("reset-after")
    assert send(runtime).state is State.UNKNOWN
    sweeper = in_another_process(runtime) if fresh else runtime
    assert sweep_all(sweeper) == {"found": 1}
    assert record_of(runtime).ses_message_id == ses.inbox()[0].ses_message_id
    assert len(ses.calls()) == 1


@pytest.mark.parametrize("offset", [-298.0, -7.0, 298.0])
def test_email_without_a_row_is_sent_again_however_the_clocks_differ(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("reset-before")
    send(runtime)
    assert sweep_all(runtime) == {"resend": 1, "accepted": 1}
    assert len(ses.inbox()) == 1


@pytest.mark.parametrize("offset", [-60.0])
def test_offset_of_the_clocks_is_kept_with_each_attempt(runtime: Runtime, ses: Emulator) -> None:
    deliver(email(subject="By which SES's clock is measured"))
    deliver(email(subject="Measured"), key="order-1")
    sending = record_of(runtime).history[0]
    assert abs(sending["clock_offset"] + 60_000) < 1500
    assert runtime.clock_offset is not None
    assert abs(runtime.clock_offset + 60_000) < 1500


@pytest.mark.parametrize("seconds", [0.5, 22.4, -22.4])
def test_offset_of_a_store_whose_clock_was_set_since_is_not_believed(
    runtime: Runtime, ses: Emulator, seconds: float
) -> None:
    """The attempt would be looked for at a time when it was not sent, and be sent again."""
    deliver(email(subject="By which the clocks are measured"))
    clocked, store = with_clock(runtime, runtime.ledger.store.now() + int(seconds * 1000))
    ses.add_fault("reset-after")
    deliver(email(), key="order-1", runtime=clocked)
    sending = record_of(clocked).history[0]
    assert abs(sending["clock_offset"] + seconds * 1000) < 1500
    store.close()


@pytest.mark.parametrize(("ahead", "kept"), [(0, 5), (2000, 5), (-2000, 5), (2001, None), (-2001, None)])
def test_offset_is_kept_where_the_store_shows_what_it_was_measured_by(
    runtime: Runtime, ahead: int, kept: int | None
) -> None:
    clocked, store = with_clock(runtime, 1_000_000)
    one = attempt(clocked)
    admission = clocked.ledger.admit(one, clock_offset=5, store_time=1_000_000 + ahead)
    assert admission.record
    assert admission.record.history[0].get("clock_offset") == kept
    store.close()


def test_row_from_before_the_clock_was_set_forbids_a_resend(runtime: Runtime, ses: Emulator) -> None:
    """Nobody knows how far SES's clock was off when the email was sent: a near row is not ignored."""
    ses.add_fault("reset-after")
    send(runtime)
    shift(runtime, -200)
    assert sweep_all(runtime) == {"ambiguous": 1}
    assert len(ses.inbox()) == 1


@pytest.mark.parametrize("measured", [True, False])
def test_row_that_another_email_explains_forbids_a_resend_only_where_the_clock_was_unknown(
    runtime: Runtime, ses: Emulator, *, measured: bool
) -> None:
    if measured:
        deliver(email(to="bob@customer.example"), key="order-0")
    ses.add_fault("reset-before")
    send(runtime)
    shift(runtime, 200)
    ses.add_fault("reset-after")
    deliver(email(), key="order-2")
    if measured:
        counts = Counter(sweep_all(runtime))
        counts.update(
            sweep_all(runtime)
        )  # the first may look while order-1 is being sent again, and cannot tell
        assert (counts["resend"], counts["accepted"], counts["found"]) == (1, 1, 1)
        assert len(ses.inbox()) == 3
    else:
        assert sweep_all(runtime) == {"ambiguous": 2}
        assert len(ses.inbox()) == 1


def test_offset_that_an_answer_tells_is_kept_with_its_attempt(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("InternalError")
    send(runtime)
    sending, unknown = record_of(runtime).history
    assert abs(sending["clock_offset"]) < 1500
    assert "clock_offset" not in unknown
    ses.add_fault("reset-before")
    deliver(email(), key="order-2", deadline=Deadline(5))
    before, _ = record_of(runtime, "order-2").history
    assert abs(before["clock_offset"]) < 1500


def test_window_holds_every_offset_that_was_measured() -> None:
    history = [{"state": "sending", "at": 1_000_000, "attempt": 1, "clock_offset": -7000}]
    assert acceptance_windows(history) == [(988_000, 1_088_000)]
    assert acceptance_windows(history, 10_000) == [(988_000, 1_105_000)]
    unmeasured = [{"state": "sending", "at": 1_000_000}]
    assert acceptance_windows(unmeasured) == [(995_000, 1_095_000)]
    assert acceptance_windows(unmeasured, possible=True) == [(700_000, 1_390_000)]
    assert acceptance_windows(unmeasured, 10_000, possible=True) == [(710_000, 1_400_000)]
    assert acceptance_windows(history, possible=True) == acceptance_windows(history)


def test_response_without_a_date_measures_nothing(runtime: Runtime) -> None:
    for header in (None, "", "yesterday", "Tue, 24 Nov 2026 19:16:30 -0000"):
        runtime.ses._read_date(header, clock.Moment())
        assert runtime.ses.clock_offset is None
    assert runtime.clock_offset is None


def test_days_are_asked_for_by_the_clock_that_the_attempts_were_measured_by(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process's own clock is a day behind, as after a long freeze."""
    ses.add_fault("reset-after")
    send(runtime)
    asked: list[str] = []
    call = runtime.ses.call

    def ask(action: str, parameters: dict[str, Any], seconds: float) -> dict[str, Any]:
        asked.append(parameters.get("RequestDate", ""))
        return call(action, parameters, seconds)

    monkeypatch.setattr(runtime.ses, "call", ask)
    monkeypatch.setattr("mailer.delivery.reconcile.clock.now", lambda: time.time() - 86_400)
    assert sweep_all(runtime) == {"found": 1}
    today = datetime.now(SES_TIME_ZONE).date().isoformat()
    assert today in asked


def test_rows_of_both_days_around_midnight_count(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is of the day before; the day after has none."""
    ses.add_fault("reset-after")
    send(runtime)
    midnight = datetime.now(SES_TIME_ZONE).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    [row] = ses.mailbox.records()
    earlier = time.time() - (midnight - 10)
    shift(runtime, earlier)
    monkeypatch.setattr(row, "requested", midnight - 9)
    assert sweep_all(runtime) == {"found": 1}


# Leases and grace times, to the millisecond.


@pytest.mark.parametrize(("late", "state"), [(-1, State.SENDING), (0, State.UNKNOWN), (1, State.UNKNOWN)])
def test_lease_is_over_at_its_end(runtime: Runtime, late: int, state: State) -> None:
    clocked, store = with_clock(runtime, 1_000_000)
    admitted(clocked)
    store.set_clock(1_030_000 + late)
    assert record_of(clocked).state is state
    store.close()


def test_email_is_unknown_since_its_lease_ended_whenever_that_is_noticed(runtime: Runtime) -> None:
    clocked, store = with_clock(runtime, 1_000_000)
    admitted(clocked)
    store.set_clock(1_500_000)
    assert record_of(clocked).state is State.UNKNOWN
    assert score(clocked, "open") == 1_030_000
    store.close()


def test_email_is_due_at_its_time_and_not_before(runtime: Runtime) -> None:
    clocked, store = with_clock(runtime, 1_000_000)
    one, admission = admitted(clocked)
    clocked.ledger.settle(one, admission, CallResult(State.DEFERRED, code=UNSENT, delay=60.0))
    resumed = Attempt(one.id, one.request, "test", stored=True)
    store.set_clock(1_059_999)
    assert clocked.ledger.due(10) == []
    assert clocked.ledger.admit(resumed, from_state=State.DEFERRED).verdict is Verdict.DUPLICATE
    store.set_clock(1_060_000)
    assert clocked.ledger.due(10) == [one.id]
    assert clocked.ledger.admit(resumed, from_state=State.DEFERRED).verdict is Verdict.SEND
    store.close()


def test_sweep_that_saw_an_email_before_it_was_deferred_does_not_postpone_it(runtime: Runtime) -> None:
    clocked, store = with_clock(runtime, 1_000_000)
    one, admission = admitted(clocked)
    clocked.ledger.settle(one, admission, CallResult(State.DEFERRED, code=UNSENT, delay=3600.0))
    unknown = UnknownLedger(store)
    for now, due in ((1_000_000, 4_600_000), (4_599_999, 4_600_000), (4_600_000, 4_660_000)):
        store.set_clock(now)
        unknown.postpone(one.id, 900)
        assert score(clocked, "due") == due
    store.close()


def test_claimed_email_is_due_again_a_minute_later(runtime: Runtime) -> None:
    clocked, store = with_clock(runtime, 1_000_000)
    one, admission = admitted(clocked)
    clocked.ledger.settle(one, admission, CallResult(State.DEFERRED, code=UNSENT))
    assert clocked.ledger.due(10) == [one.id]
    store.set_clock(1_059_999)
    assert clocked.ledger.due(10) == []
    store.set_clock(1_060_000)
    assert clocked.ledger.due(10) == [one.id]
    store.close()


def test_allowed_resend_does_not_begin_the_grace_time_again(runtime: Runtime) -> None:
    """The sweep that was allowed to send it may die: the next one finds it at once."""
    one, admission = admitted(runtime)
    runtime.ledger.settle(one, admission, UNKNOWN)
    runtime.ledger.store.client.zadd(runtime.ledger.store.key("open"), {one.id: 1234})
    assert UnknownLedger(runtime.ledger.store).resolve(one.id, 1) is Decision.RESEND
    assert score(runtime, "open") == 1234


def test_findings_about_an_earlier_attempt_are_void(runtime: Runtime) -> None:
    one, admission = admitted(runtime)
    runtime.ledger.settle(one, admission, UNKNOWN)
    unknown = UnknownLedger(runtime.ledger.store)
    assert unknown.resolve(one.id, 1) is Decision.RESEND
    again = attempt(runtime, stored=True)
    second = runtime.ledger.admit(again, from_state=State.UNKNOWN)
    assert unknown.resolve(one.id, 1) is Decision.SUPERSEDED
    runtime.ledger.settle(again, second, UNKNOWN)
    assert unknown.resolve(one.id, 1) is Decision.SUPERSEDED
    assert record_of(runtime).history[-1]["state"] == "unknown"
    assert field(runtime, "resend_allowed_at") is None
    assert unknown.resolve(one.id, 2) is Decision.RESEND


# What is old does not starve what is newer.


def held(runtime: Runtime, ses: Emulator, key: str) -> None:
    ses.add_fault("reset-before")
    outcome = deliver(email(on_unknown="hold", to=f"{key}@customer.example"), key=key)
    assert outcome.state is State.UNKNOWN


def test_old_unknowns_leave_the_status_queries_to_newer_ones(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.delivery.reconcile.MAX_PER_RUN", 5)
    for number in range(5):
        held(runtime, ses, f"old-{number}")
        shift(runtime, 20 * 86_400, f"old-{number}")
    assert sweep_all(runtime) == {"needs_operator": 5}
    ses.add_fault("reset-after")
    send(runtime)
    store = runtime.ledger.store
    now = store.now()
    for number in range(5):  # they are looked at again as late as after a day
        assert (score(runtime, "open", f"old-{number}") or 0) > now + DAY_MS - 60_000
    store.client.zadd(store.key("open"), {email_id(runtime): now - 3_600_000})
    assert sweep("test", Deadline(20), runtime) == {"found": 1}


@pytest.mark.parametrize("days", [29, 31])
def test_unknown_email_is_left_to_an_operator_after_the_retention(
    runtime: Runtime, ses: Emulator, days: int
) -> None:
    held(runtime, ses, "order-1")
    shift(runtime, days * 86_400)
    store = runtime.ledger.store
    sweep_all(runtime)
    letters = [json.loads(letter["reason"]) for letter in runtime.ledger.dead_letters()]
    record = record_of(runtime)
    assert record.state is State.UNKNOWN
    if days < 30:
        assert (letters, score(runtime, "open") is None) == ([], False)
        return
    assert [letter["code"] for letter in letters] == ["Ledger.Unresolved"]
    assert record.code == "Ledger.Unresolved"
    assert score(runtime, "open") is None
    assert sweep_all(runtime) == {}
    assert store.client.ttl(store.key("email", email_id(runtime))) > 29 * 86_400
    assert len(runtime.ledger.dead_letters()) == 1


def test_held_email_is_left_to_an_operator_though_ses_can_still_be_asked(
    runtime: Runtime, ses: Emulator
) -> None:
    held(runtime, ses, "order-1")
    shift(runtime, 30 * 86_400)
    unknown = UnknownLedger(runtime.ledger.store)
    assert unknown.resolve(email_id(runtime), 1, hold=True) is Decision.NEEDS_OPERATOR
    assert record_of(runtime).code == "Ledger.Unresolved"
    assert score(runtime, "open") is None
    assert len(runtime.ledger.dead_letters()) == 1


@pytest.mark.parametrize(("decision", "state"), [("failed", "failed"), ("resend", "accepted")])
def test_operator_still_decides_on_what_was_left_to_them(
    runtime: Runtime, ses: Emulator, decision: str, state: str
) -> None:
    held(runtime, ses, "order-1")
    shift(runtime, 31 * 86_400)
    sweep_all(runtime)
    assert resolve(email_id(runtime), decision, runtime).state.value == state
    assert len(ses.inbox()) == (state == "accepted")
    store = runtime.ledger.store
    assert store.client.ttl(store.key("email", email_id(runtime))) > 29 * 86_400


def test_email_that_ses_cannot_be_asked_about_is_looked_at_ever_less_often(
    runtime: Runtime, ses: Emulator
) -> None:
    grace = runtime.settings.unknown_grace * 1000
    waits = []
    for age in (0, 8 * 3600, 16 * 3600):
        ses.add_fault("reset-before")
        key = f"order-{age}"
        deliver(email(to=f"a{age}@customer.example"), key=key)
        shift(runtime, age, key)
        ses.add_fault("InternalError", action="GetSendEmailStatus")
        store = runtime.ledger.store
        store.client.zadd(store.key("open"), {email_id(runtime, key): 1})
        now = store.now()
        assert sweep("test", Deadline(20), runtime) == {"undecided": 1}
        waits.append(round(((score(runtime, "open", key) or 0) + grace - now) / 1000 / 60))
    assert waits == [1, 60, 120]


def test_email_that_no_version_reads_ends_with_a_dead_letter_after_the_retention(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault(UNSENT)
    send(runtime)
    store = runtime.ledger.store
    name = store.key("email", email_id(runtime))
    store.client.hset(name, "body", '{"of": "another version"}')
    for days, state in ((29, State.DEFERRED), (31, State.FAILED)):
        past = store.now() - days * DAY_MS
        store.client.hset(name, "due_at", past)
        store.client.zadd(store.key("due"), {email_id(runtime): past})
        assert sweep("test", Deadline(5), runtime) == {"unreadable": 1}
        assert record_of(runtime).state is state
    assert record_of(runtime).code == "Ledger.Unreadable"
    [letter] = runtime.ledger.dead_letters()
    assert letter["body"] == '{"of": "another version"}'


def test_email_scheduled_long_ago_is_waited_for_from_when_it_was_due(runtime: Runtime, ses: Emulator) -> None:
    later = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
    deliver(email(send_at=later), key="order-1")
    store = runtime.ledger.store
    name = store.key("email", email_id(runtime))
    store.client.hset(name, mapping={"body": "{}", "created_at": store.now() - 40 * DAY_MS})
    assert sweep_all(runtime) == {"unreadable": 1}
    assert record_of(runtime).state is State.SCHEDULED


def test_unreadable_unknown_email_is_left_to_an_operator_after_the_retention(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault("reset-before")
    send(runtime)
    store = runtime.ledger.store
    store.client.hset(store.key("email", email_id(runtime)), "body", "{}")
    shift(runtime, 31 * 86_400)
    assert sweep_all(runtime) == {"undecided": 1}
    assert record_of(runtime).code == "Ledger.Unresolved"
    assert len(runtime.ledger.dead_letters()) == 1
    with pytest.raises(InvalidRequest):
        resolve(email_id(runtime), "resend", runtime)
    assert field(runtime, "resend_allowed_at") is None
    assert resolve(email_id(runtime), "failed", runtime).state is State.FAILED


def test_lapsed_lease_is_reconciled_only_after_the_grace_time(runtime: Runtime, ses: Emulator) -> None:
    admitted(runtime)
    expire_lease(runtime)
    assert record_of(runtime).state is State.UNKNOWN
    store = runtime.ledger.store
    store.client.zadd(store.key("open"), {email_id(runtime): store.now() - 899_000})
    assert list(reconcile(Deadline(5), runtime)) == []
    store.client.zadd(store.key("open"), {email_id(runtime): store.now() - 901_000})
    assert [decision for _, decision in reconcile(Deadline(5), runtime)] == [Decision.RESEND]
