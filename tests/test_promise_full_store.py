"""A full store lets go what is in it, and nothing in it grows without bound."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from factories import address_hash, email
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver, deliver_stored
from mailer.delivery.outcome import Disposition
from mailer.delivery.reconcile import resolve
from mailer.delivery.sweep import sweep
from mailer.errors import StoreUnavailable
from mailer.ledger import CallResult, DeferPolicy, Verdict
from mailer.ledger.record import State
from mailer.ledger.unknown import UnknownLedger
from promise_steps import (
    UNKNOWN,
    UNSENT,
    admitted,
    attempt,
    email_id,
    everything_is_due,
    expire_lease,
    failure,
    field,
    in_an_hour,
    record_of,
    score,
    send,
    sweep_all,
)
from store_faults import full_store
from stored_times import make_due

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime


pytestmark = pytest.mark.unlimited_status_queries


# A full store lets go what is in it.


def test_full_store_still_drains(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault(UNSENT)
    deliver(email(subject="Deferred"), key="deferred")
    soon = datetime.now(timezone.utc) + timedelta(seconds=0.2)
    assert deliver(email(send_at=soon.isoformat()), key="scheduled").state is State.SCHEDULED
    time.sleep(0.25)
    ses.add_fault("reset-after")
    deliver(email(subject="Unknown", to="bob@customer.example"), key="unknown")
    ses.add_fault("reset-before")
    deliver(email(subject="Resent", to="eve@customer.example"), key="resent")
    one, admission = admitted(runtime, key="in flight")
    admitted(runtime, key="lapsed", to="joe@customer.example")
    expire_lease(runtime, "lapsed")
    everything_is_due(runtime)
    with full_store(runtime):
        with pytest.raises(StoreUnavailable):
            deliver(email(), key="new")
        runtime.ledger.settle(one, admission, CallResult(State.ACCEPTED, ses_message_id="m"))
        assert sweep("test", Deadline(20), runtime) == {"accepted": 4, "found": 1, "resend": 2}
    for key in ("deferred", "scheduled", "unknown", "resent", "in flight", "lapsed"):
        assert record_of(runtime, key).state is State.ACCEPTED, key
    assert len(ses.inbox()) == 5


def test_operator_and_dead_letters_of_the_sweep_work_in_a_full_store(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("reset-before")
    send(runtime)
    ses.add_fault(UNSENT)
    deliver(email(), key="order-2")
    make_due(runtime, email_id(runtime, "order-2"))
    ses.add_fault("FailedOperation.WrongContentJson")
    with full_store(runtime):
        assert resolve(email_id(runtime), "failed", runtime).state is State.FAILED
        assert sweep("test", Deadline(5), runtime) == {"refused": 1}
    assert len(runtime.ledger.dead_letters()) == 2


def test_unreadable_email_is_postponed_in_a_full_store(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault(UNSENT)
    send(runtime)
    store = runtime.ledger.store
    store.client.hset(store.key("email", email_id(runtime)), "body", "{}")
    everything_is_due(runtime)
    with full_store(runtime):
        assert sweep("test", Deadline(5), runtime) == {"unreadable": 1}


def test_status_query_is_taken_and_given_back_in_a_full_store(runtime: Runtime) -> None:
    unknown = UnknownLedger(runtime.ledger.store)
    with full_store(runtime):
        assert unknown.acquire_query_slot() == 0
        assert unknown.acquire_query_slot() > 0
        unknown.release_query_slot()


# The backlog is bounded, and so is what is scheduled.


def test_scheduled_emails_have_a_bound_of_their_own(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.ledger, "_backlog_max", 1)
    assert deliver(email(send_at=in_an_hour()), key="order-1").state is State.SCHEDULED
    second = deliver(email(send_at=in_an_hour()), key="order-2", defer=DeferPolicy.ALWAYS)
    assert (second.disposition, second.code) == (Disposition.RETRY_LATER, "Ledger.BacklogFull")
    assert second.retry_after == 60
    assert runtime.ledger.get(email_id(runtime, "order-2")) is None
    ses.add_fault(UNSENT, times=None)
    assert deliver(email(), key="order-3").state is State.DEFERRED
    assert deliver(email(), key="order-4").state is State.FAILED
    store = runtime.ledger.store
    assert (store.client.zcard(store.key("due")), store.client.zcard(store.key("scheduled"))) == (2, 1)


def test_settlement_defers_no_more_than_the_backlog_holds(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.ledger, "_backlog_max", 0)
    ses.add_fault(UNSENT, times=None)
    outcome = send(runtime)
    assert (outcome.disposition, outcome.state, outcome.code) == (
        Disposition.RETRY_LATER,
        State.FAILED,
        UNSENT,
    )
    assert record_of(runtime).state is State.FAILED
    assert score(runtime, "due") is None


def test_email_that_somebody_was_told_is_kept_is_deferred_in_a_full_backlog(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses.add_fault(UNSENT, times=None)
    send(runtime)
    monkeypatch.setattr(runtime.ledger, "_backlog_max", 0)
    assert sweep_all(runtime) == {"deferred": 1}
    assert record_of(runtime).attempts == 2


def test_resumed_email_needs_no_room_in_the_backlog(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A halt, a paused domain and the recipient's hour defer it again, however full the backlog is."""
    ses.add_fault(UNSENT)
    send(runtime)
    monkeypatch.setattr(runtime.ledger, "_backlog_max", 1)
    store = runtime.ledger.store
    store.client.set(store.key("blocked", "customer.example"), "FailedOperation.TemporaryBlocked", px=60_000)
    assert sweep_all(runtime) == {"deferred": 1}
    assert record_of(runtime).code == "FailedOperation.TemporaryBlocked"
    store.client.delete(store.key("blocked", "customer.example"))
    ses.add_fault("FailedOperation.InsufficientBalance")
    deliver(email(subject="Halts the account"), key="order-2")
    assert sweep_all(runtime) == {"deferred": 1}
    assert record_of(runtime).code == "FailedOperation.InsufficientBalance"


def test_email_is_not_resumed_before_it_is_due(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault(UNSENT)
    send(runtime)
    outcome = deliver_stored(
        attempt(runtime, stored=True), State.DEFERRED, deadline=Deadline(5), runtime=runtime
    )
    assert (outcome.state, outcome.replayed) == (State.DEFERRED, True)
    assert len(ses.calls()) == 1


def test_due_email_for_which_no_time_is_left_is_told_to_be_kept(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault(UNSENT)
    send(runtime)
    make_due(runtime, email_id(runtime))
    outcome = deliver_stored(
        attempt(runtime, stored=True), State.DEFERRED, deadline=Deadline(0), runtime=runtime
    )
    assert (outcome.state, outcome.disposition) == (State.DEFERRED, Disposition.PENDING)
    assert len(ses.calls()) == 1


# Indexes agree with the records.


def test_id_without_a_record_leaves_every_index(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault(UNSENT)
    send(runtime)
    deliver(email(send_at=in_an_hour()), key="order-2")
    ses.add_fault("reset-after")
    deliver(email(), key="order-3")
    store = runtime.ledger.store
    for key in ("order-1", "order-2", "order-3"):
        store.client.delete(store.key("email", email_id(runtime, key)))
    assert sweep_all(runtime) == {"gone": 2}
    for index in ("due", "scheduled", "open"):
        assert store.client.zcard(store.key(index)) == 0


def test_email_that_is_being_sent_stays_under_watch_whatever_an_old_sweep_found(runtime: Runtime) -> None:
    """One sweep could not ask SES; meanwhile another one has allowed a resend, and its worker dies."""
    one, admission = admitted(runtime)
    runtime.ledger.settle(one, admission, UNKNOWN)
    unknown = UnknownLedger(runtime.ledger.store)
    unknown.resolve(one.id, 1)
    assert runtime.ledger.admit(attempt(runtime, stored=True), from_state=State.UNKNOWN).verdict is (
        Verdict.SEND
    )
    unknown.postpone(one.id, 900)
    assert score(runtime, "open") == float(field(runtime, "lease_until") or 0)


def test_final_record_in_an_index_is_not_looked_at_again(runtime: Runtime) -> None:
    outcome = send(runtime)
    store = runtime.ledger.store
    store.client.zadd(store.key("open"), {outcome.id.partition("@")[0]: 1})
    assert sweep_all(runtime) == {}
    assert store.client.zcard(store.key("open")) == 0


# Every key has a life or a cap.


def test_every_key_has_a_life_once_its_emails_are_final(runtime: Runtime, ses: Emulator) -> None:
    for number, code in enumerate(
        ["FailedOperation.WrongContentJson", "FailedOperation.EmailAddrInBlacklist", "RequestLimitExceeded"]
    ):
        ses.add_fault(code)
        deliver(email(to=f"r{number}@customer.example"), deadline=Deadline(6))
    ses.add_fault("FailedOperation.TemporaryBlocked")
    deliver(email(to="x@blocked.example"), key="order-2")
    ses.add_fault("FailedOperation.NotAuthenticatedSender")
    deliver(email(sender="other@mail.shop.example"))
    one, admission = admitted(runtime)
    runtime.ledger.settle(one, admission, UNKNOWN)
    resolve(one.id, "accepted", runtime)
    store = runtime.ledger.store
    store.client.delete(store.key("blocked", "blocked.example"))
    assert sweep_all(runtime) == {"accepted": 1}
    endless = {key for key in store.client.keys(store.key("*")) if store.client.pttl(key) == -1}
    assert endless == set()


def test_longer_suppression_is_not_shortened_by_a_later_failure(runtime: Runtime, ses: Emulator) -> None:
    one, admission = admitted(runtime)
    store = runtime.ledger.store
    key = store.key("suppressed", address_hash("ann@customer.example"))
    store.client.set(key, "Ledger.SpamReport")
    runtime.ledger.settle(one, admission, failure(State.REFUSED, "FailedOperation.EmailAddrInBlacklist"))
    assert (store.client.get(key), store.client.pttl(key)) == ("Ledger.SpamReport", -1)
