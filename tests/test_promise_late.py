"""What is learnt late, and how emails end: never without a word."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from factories import email
from mailer.deadline import Deadline
from mailer.delivery.attempts import stored_attempt
from mailer.delivery.deliver import deliver, deliver_stored
from mailer.delivery.outcome import Disposition
from mailer.delivery.reconcile import resolve
from mailer.delivery.sweep import sweep
from mailer.errors import StoreUnavailable
from mailer.ledger import Attempt, CallResult, Verdict
from mailer.ledger.record import State
from mailer.ledger.unknown import UnknownLedger
from promise_steps import (
    TRANSIENT,
    UNKNOWN,
    UNSENT,
    admitted,
    attempt,
    email_id,
    expire_lease,
    failure,
    lose_replies,
    record_of,
    send,
    sweep_all,
)
from store_faults import around_call
from stored_times import end_halts, make_due

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime


pytestmark = pytest.mark.unlimited_status_queries


# What is learnt late, about an email that somebody was told is kept.


@pytest.mark.parametrize("code", ["Transport.NotStarted", "Transport.NameResolution", TRANSIENT])
def test_email_that_somebody_was_told_is_kept_is_put_back_when_it_was_not_sent(
    runtime: Runtime, ses: Emulator, code: str
) -> None:
    one, admission = admitted(runtime)
    expire_lease(runtime)
    told = send(runtime)
    assert (told.state, told.disposition) == (State.UNKNOWN, Disposition.PENDING)
    settlement = runtime.ledger.settle(one, admission, failure(State.FAILED, code))
    assert settlement.record.state is State.DEFERRED
    assert sweep_all(runtime) == {"accepted": 1}
    assert len(ses.inbox()) == 1


def test_email_that_nobody_was_told_is_kept_ends_when_it_was_not_sent(runtime: Runtime) -> None:
    one, admission = admitted(runtime)
    expire_lease(runtime)
    assert record_of(runtime).state is State.UNKNOWN
    settlement = runtime.ledger.settle(one, admission, failure(State.FAILED, TRANSIENT))
    assert settlement.record.state is State.FAILED
    assert runtime.ledger.dead_letters() == []


def test_email_that_somebody_was_told_is_kept_is_refused_with_a_dead_letter(runtime: Runtime) -> None:
    one, admission = admitted(runtime)
    expire_lease(runtime)
    send(runtime)
    code = "FailedOperation.WrongContentJson"
    runtime.ledger.settle(one, admission, failure(State.REFUSED, code, detail="wrong; correct it"))
    [letter] = runtime.ledger.dead_letters()
    reason = json.loads(letter["reason"])
    assert (reason["state"], reason["code"], reason["detail"]) == ("refused", code, "wrong; correct it")
    assert reason["history"] == record_of(runtime).history
    assert json.loads(letter["body"])["to"] == ["ann@customer.example"]


def test_worker_that_stalls_tells_what_the_record_says(runtime: Runtime, ses: Emulator) -> None:
    """Its lease ends during the call, a redelivery is told that the email is kept, then the call fails."""
    ses.add_fault(TRANSIENT)

    def stall() -> None:
        expire_lease(runtime)
        assert deliver(email(), key="order-1").state is State.UNKNOWN

    with around_call(runtime, before=stall):
        outcome = send(runtime, seconds=1.7)
    assert (outcome.state, outcome.disposition) == (State.DEFERRED, Disposition.PENDING)
    assert outcome.code == TRANSIENT
    assert outcome.retry_after is not None


def test_worker_whose_email_another_one_sends_meanwhile_says_so(runtime: Runtime, ses: Emulator) -> None:
    one = attempt(runtime)
    ses.add_fault(TRANSIENT)

    def stall() -> None:
        expire_lease(runtime)
        UnknownLedger(runtime.ledger.store).resolve(record_of(runtime).id, 1, operator="resend")
        again = Attempt(one.id, one.request, "sweep", stored=True)
        assert runtime.ledger.admit(again, from_state=State.UNKNOWN).verdict is Verdict.SEND

    with around_call(runtime, before=stall):
        outcome = send(runtime, seconds=1.7)
    assert (outcome.state, outcome.disposition) == (State.SENDING, Disposition.IN_FLIGHT)
    assert outcome.retry_after


def test_late_acceptance_counts_after_the_sweep_has_deferred_the_email(
    runtime: Runtime, ses: Emulator
) -> None:
    """SES's list lagged: a resend was allowed and met a halt, and then the first worker's receipt comes."""
    one, admission = admitted(runtime)
    expire_lease(runtime)
    assert record_of(runtime).state is State.UNKNOWN
    ses.add_fault("FailedOperation.InsufficientBalance")
    deliver(email(subject="Halts the account"))
    assert sweep_all(runtime) == {"resend": 1, "deferred": 1}
    runtime.ledger.settle(one, admission, CallResult(State.ACCEPTED, ses_message_id="m-1"))
    assert record_of(runtime).state is State.ACCEPTED
    end_halts(runtime)
    assert sweep_all(runtime) == {}
    assert ses.inbox() == []


def test_late_acceptance_counts_after_the_email_has_expired_without_a_trace(runtime: Runtime) -> None:
    one, admission = admitted(runtime)
    expire_lease(runtime)
    record = record_of(runtime)
    UnknownLedger(runtime.ledger.store).resolve(one.id, record.attempts, operator="resend")
    past = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    expired = attempt(runtime, stored=True, expires_at=past)
    assert runtime.ledger.admit(expired, from_state=State.UNKNOWN).verdict is Verdict.REJECTED
    runtime.ledger.settle(one, admission, CallResult(State.ACCEPTED, ses_message_id="m-1"))
    assert record_of(runtime).state is State.ACCEPTED


def test_late_acceptance_of_an_earlier_request_does_not_settle_the_next_one(runtime: Runtime) -> None:
    one, admission = admitted(runtime)
    expire_lease(runtime)
    resolve(one.id, "failed", runtime)
    next_one, _ = admitted(runtime, subject="Corrected")
    settlement = runtime.ledger.settle(one, admission, CallResult(State.ACCEPTED, ses_message_id="m-1"))
    assert not settlement.own
    assert record_of(runtime).state is State.SENDING
    assert runtime.ledger.store.client.get(runtime.ledger.store.key("message", "m-1")) == next_one.id


@pytest.mark.parametrize(
    ("code", "disposition"),
    [
        ("FailedOperation.InsufficientBalance", Disposition.KEY_REUSED),
        ("FailedOperation.WrongContentJson", Disposition.REFUSED),
    ],
)
def test_worker_whose_key_belongs_to_another_request_is_not_told_of_that_one(
    runtime: Runtime,
    ses: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    disposition: Disposition,
) -> None:
    """Its settlement was carried out, and the reply lost; before it is repeated the key is used again."""
    settle, replies = runtime.ledger.settle, iter([True])

    def lost_once(*arguments: Any) -> Any:
        settlement = settle(*arguments)
        if next(replies, False):
            end_halts(runtime)
            corrected = email(subject="Corrected")
            runtime.ledger.admit(
                Attempt(email_id(runtime), corrected, "test", corrected.content_fingerprint())
            )
            expire_lease(runtime)
            raise StoreUnavailable("TimeoutError")
        return settlement

    monkeypatch.setattr(runtime.ledger, "settle", lost_once)
    ses.add_fault(code)
    outcome = deliver(email(), key="order-1", deadline=Deadline(3))
    assert outcome.disposition is disposition
    assert record_of(runtime).state is State.UNKNOWN


# Ends and dead letters are one step.


@pytest.mark.parametrize(
    ("code", "state"), [("FailedOperation.WrongContentJson", State.REFUSED), (UNSENT, State.FAILED)]
)
def test_sweep_that_dies_with_the_settlement_leaves_the_dead_letter(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, code: str, state: State
) -> None:
    monkeypatch.setattr("mailer.delivery.deliver.MAX_ATTEMPTS", 2)
    ses.add_fault(UNSENT)
    send(runtime)
    make_due(runtime, email_id(runtime))
    ses.add_fault(code)
    lose_replies(runtime, "_settle", monkeypatch)
    with pytest.raises(StoreUnavailable):
        deliver_stored(attempt(runtime, stored=True), State.DEFERRED, deadline=Deadline(1.6), runtime=runtime)
    monkeypatch.undo()
    assert record_of(runtime).state is state
    [letter] = runtime.ledger.dead_letters()
    assert json.loads(letter["reason"])["code"] == code
    assert sweep_all(runtime) == {}
    assert len(runtime.ledger.dead_letters()) == 1


def test_sweep_that_dies_with_the_admission_leaves_the_dead_letter_of_an_expired_email(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses.add_fault(UNSENT)
    send(runtime)
    make_due(runtime, email_id(runtime))
    past = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    lose_replies(runtime, "_resume", monkeypatch)
    expired = attempt(runtime, stored=True, expires_at=past)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            runtime.ledger.admit(expired, from_state=State.DEFERRED)
    assert record_of(runtime).state is State.EXPIRED
    [letter] = runtime.ledger.dead_letters()
    assert json.loads(letter["reason"])["state"] == "expired"


def test_reconciliation_that_dies_with_its_decision_leaves_the_dead_letter(runtime: Runtime) -> None:
    one, admission = admitted(runtime)
    runtime.ledger.settle(one, admission, UNKNOWN)
    unknown = UnknownLedger(runtime.ledger.store)
    unknown.resolve(one.id, 1, exhausted=True)  # and nothing more is done about it
    assert record_of(runtime).code == "Ledger.AttemptsExhausted"
    [letter] = runtime.ledger.dead_letters()
    assert json.loads(letter["reason"])["history"][-1]["evidence"] == "no-trace"
    unknown.resolve(one.id, 1, exhausted=True)
    assert len(runtime.ledger.dead_letters()) == 1


def test_second_email_under_a_key_has_a_dead_letter_of_its_own(runtime: Runtime, ses: Emulator) -> None:
    for subject in ("First", "Second"):
        ses.add_fault(UNSENT)
        deliver(email(subject=subject), key="order-1")
        make_due(runtime, email_id(runtime))
        ses.add_fault("FailedOperation.WrongContentJson")
        assert sweep("test", Deadline(5), runtime) == {"refused": 1}
    letters = runtime.ledger.dead_letters()
    assert [json.loads(letter["body"])["subject"] for letter in letters] == ["First", "Second"]


def test_same_platform_message_with_another_body_has_a_dead_letter_of_its_own(runtime: Runtime) -> None:
    assert runtime.ledger.dead_letter("sqs:1", {"code": "InvalidRequest"}, "one")
    assert runtime.ledger.dead_letter("sqs:1", {"code": "InvalidRequest"}, "two")
    assert not runtime.ledger.dead_letter("sqs:1", {"code": "InvalidRequest"}, "two")


def test_email_refused_at_once_has_no_dead_letter_of_the_ledger(runtime: Runtime, ses: Emulator) -> None:
    """Its caller is told, and a platform's trigger writes the dead letter itself."""
    ses.add_fault("FailedOperation.WrongContentJson")
    assert send(runtime).state is State.REFUSED
    past = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    assert deliver(email(expires_at=past), key="order-2").state is State.EXPIRED
    assert runtime.ledger.dead_letters() == []


def test_email_that_somebody_else_has_settled_gets_no_dead_letter_from_the_sweep(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault(UNSENT)
    send(runtime)
    make_due(runtime, email_id(runtime))
    ses.add_fault("FailedOperation.WrongContentJson")
    one = attempt(runtime, stored=True)
    for _ in range(2):
        deliver_stored(one, State.DEFERRED, deadline=Deadline(5), runtime=runtime)
    assert len(runtime.ledger.dead_letters()) == 1
    assert len(ses.calls()) == 2


def test_request_that_was_read_is_not_sent_once_the_key_has_another(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault(UNSENT)
    assert deliver(email(subject="Old"), key="order-1").state is State.DEFERRED
    stored = runtime.ledger.stored_request(email_id(runtime))
    assert stored
    make_due(runtime, email_id(runtime))
    one, admission = admitted(runtime, from_state=State.DEFERRED)
    runtime.ledger.settle(one, admission, failure(State.REFUSED))
    ses.add_fault(UNSENT)
    assert deliver(email(subject="New"), key="order-1").state is State.DEFERRED
    make_due(runtime, email_id(runtime))

    late = stored_attempt(email_id(runtime), stored, "schedule")
    assert runtime.ledger.admit(late, from_state=stored.state).verdict is Verdict.DUPLICATE
    assert sweep_all(runtime) == {"accepted": 1}
    assert [mail.subject for mail in ses.inbox()] == ["New"]
