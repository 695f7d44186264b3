"""A store that fails over and forgets loses no email and has none sent twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factories import LambdaContext, address_hash, email
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition
from mailer.delivery.sweep import sweep
from mailer.ledger import Admission, CallResult, Verdict
from mailer.ledger.record import State
from mailer.ses.events import SesEvent
from mailer.triggers.schedule import handle
from promise_steps import (
    TRANSIENT,
    UNKNOWN,
    UNSENT,
    admitted,
    attempt,
    email_id,
    failure,
    field,
    record_of,
    score,
    send,
    sweep_all,
)
from store_faults import Replica, around_call
from stored_times import make_due

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

pytestmark = pytest.mark.unlimited_status_queries


# The store forgets the admission while the worker makes its call.


def test_acceptance_that_the_store_forgot_to_expect_is_recorded(runtime: Runtime, ses: Emulator) -> None:
    replica = Replica(runtime)
    with around_call(runtime, after=replica.fall_over):
        first = send(runtime)
    second = send(runtime)
    assert (first.state, second.state, second.replayed) == (State.ACCEPTED, State.ACCEPTED, True)
    assert second.ses_message_id == first.ses_message_id
    assert len(ses.calls()) == 1
    record = record_of(runtime)
    assert [note["state"] for note in record.history] == ["sending", "accepted"]
    assert (record.attempts, field(runtime, "body")) == (1, None)


def test_complaint_about_an_acceptance_that_the_store_forgot_to_expect_is_believed(
    runtime: Runtime, ses: Emulator
) -> None:
    replica = Replica(runtime)
    with around_call(runtime, after=replica.fall_over):
        outcome = send(runtime)
    document = {"event": "spamreport", "email": "ann@customer.example", "bulkId": outcome.ses_message_id}
    assert runtime.events.record(SesEvent.parse(document, address_hash)) == (email_id(runtime), "recorded")
    assert deliver(email(), key="order-2", runtime=runtime).code == "Ledger.SpamReport"


def test_doubt_that_the_store_forgot_to_expect_is_reconciled(runtime: Runtime, ses: Emulator) -> None:
    replica = Replica(runtime)
    ses.add_fault("reset-after")
    with around_call(runtime, after=replica.fall_over):
        assert send(runtime).disposition is Disposition.PENDING
    assert send(runtime).state is State.UNKNOWN
    assert sweep_all(runtime) == {"found": 1}
    assert record_of(runtime).state is State.ACCEPTED
    assert len(ses.calls()) == 1


def test_doubt_that_the_store_forgot_is_sent_again_where_ses_has_no_trace(
    runtime: Runtime, ses: Emulator
) -> None:
    replica = Replica(runtime)
    ses.add_fault("reset-before")
    with around_call(runtime, after=replica.fall_over):
        send(runtime)
    assert sweep_all(runtime) == {"resend": 1, "accepted": 1}
    assert len(ses.inbox()) == 1


def test_deferral_that_the_store_forgot_to_expect_is_kept_and_sent(runtime: Runtime, ses: Emulator) -> None:
    replica = Replica(runtime)
    ses.add_fault(UNSENT)
    with around_call(runtime, after=replica.fall_over):
        outcome = send(runtime)
    assert outcome.state is record_of(runtime).state is State.DEFERRED
    assert sweep_all(runtime) == {"accepted": 1}


def test_failure_that_the_store_forgot_leaves_the_key_free(runtime: Runtime, ses: Emulator) -> None:
    replica = Replica(runtime)
    ses.add_fault(TRANSIENT, times=None)
    with around_call(runtime, after=replica.fall_over):
        outcome = send(runtime, seconds=1.7)
    assert (outcome.disposition, record_of(runtime).state) == (Disposition.RETRY_LATER, State.FAILED)
    ses.faults.clear()
    assert send(runtime).state is State.ACCEPTED


@pytest.mark.parametrize("code", [TRANSIENT, UNSENT])
def test_stored_email_that_the_store_forgot_during_the_sweep_is_kept(
    runtime: Runtime, ses: Emulator, code: str
) -> None:
    empty = Replica(runtime)
    ses.add_fault(UNSENT)
    send(runtime)
    make_due(runtime, email_id(runtime))
    ses.add_fault(code, times=None)
    with around_call(runtime, after=empty.fall_over):
        assert handle({"job": "sweep"}, LambdaContext(2.2))["deferred"] == 1
    ses.faults.clear()
    assert sweep_all(runtime) == {"accepted": 1}


def test_settlement_of_a_forgotten_attempt_may_be_repeated(runtime: Runtime) -> None:
    replica = Replica(runtime)
    one, admission = admitted(runtime)
    replica.fall_over()
    result = failure(State.REFUSED, "FailedOperation.WrongContentJson")
    first = runtime.ledger.settle(one, admission, result)
    second = runtime.ledger.settle(one, admission, result)
    assert first.record.state is second.record.state is State.REFUSED
    assert first.record.history == second.record.history
    assert first.record.attempts == second.record.attempts == 1


# The store falls back to an older record of the same email.


def test_acceptance_counts_where_the_record_is_older_than_the_attempt(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault(UNSENT)
    send(runtime)
    make_due(runtime, email_id(runtime))
    replica = Replica(runtime)
    with around_call(runtime, after=replica.fall_over):
        assert sweep("test", Deadline(5), runtime) == {"accepted": 1}
    assert record_of(runtime).state is State.ACCEPTED
    assert sweep_all(runtime) == {}
    assert len(ses.inbox()) == 1


def test_doubt_counts_where_the_record_is_older_than_the_attempt(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault(UNSENT)
    send(runtime)
    make_due(runtime, email_id(runtime))
    replica = Replica(runtime)
    ses.add_fault("reset-after")
    with around_call(runtime, after=replica.fall_over):
        assert sweep("test", Deadline(5), runtime) == {"unknown": 1}
    assert record_of(runtime).state is State.UNKNOWN
    assert score(runtime, "due") is None
    assert sweep_all(runtime) == {"found": 1}
    assert len(ses.inbox()) == 1


def test_doubt_about_a_forgotten_attempt_outweighs_the_certainty_about_another(runtime: Runtime) -> None:
    """Two workers were given the same attempt's number: the first may have sent the email."""
    replica = Replica(runtime)
    first, first_admission = admitted(runtime)
    replica.fall_over()
    second, second_admission = admitted(runtime)
    runtime.ledger.settle(first, first_admission, UNKNOWN)
    assert record_of(runtime).state is State.SENDING
    settlement = runtime.ledger.settle(second, second_admission, failure(State.FAILED, TRANSIENT))
    assert settlement.record.state is State.UNKNOWN
    assert runtime.ledger.admit(attempt(runtime)).verdict is Verdict.DUPLICATE


def test_doubt_about_a_forgotten_attempt_counts_after_another_has_failed(runtime: Runtime) -> None:
    replica = Replica(runtime)
    first, first_admission = admitted(runtime)
    replica.fall_over()
    second, second_admission = admitted(runtime)
    runtime.ledger.settle(second, second_admission, failure(State.FAILED, TRANSIENT))
    assert runtime.ledger.settle(first, first_admission, UNKNOWN).record.state is State.UNKNOWN
    assert runtime.ledger.admit(attempt(runtime)).verdict is Verdict.DUPLICATE
    assert field(runtime, "body")


def test_acceptance_of_a_forgotten_attempt_counts_after_another_has_failed(runtime: Runtime) -> None:
    replica = Replica(runtime)
    first, first_admission = admitted(runtime)
    replica.fall_over()
    second, second_admission = admitted(runtime)
    runtime.ledger.settle(second, second_admission, failure(State.FAILED, TRANSIENT))
    accepted = CallResult(State.ACCEPTED, ses_message_id="m-1")
    assert runtime.ledger.settle(first, first_admission, accepted).own
    assert record_of(runtime).state is State.ACCEPTED
    assert runtime.ledger.admit(attempt(runtime)).verdict is Verdict.DUPLICATE


def test_forgotten_attempt_is_looked_for_at_ses_by_its_own_time(runtime: Runtime, ses: Emulator) -> None:
    """It counts as an attempt of the request that the record now holds, whatever its number was."""
    replica = Replica(runtime)
    first, first_admission = admitted(runtime)
    replica.fall_over()
    for _ in range(2):
        other, other_admission = admitted(runtime)
        runtime.ledger.settle(other, other_admission, failure(State.FAILED, TRANSIENT))
    last, last_admission = admitted(runtime)
    runtime.ses.send(first.request, first.smtp_message_id, 5)
    runtime.ledger.settle(first, first_admission, UNKNOWN)
    runtime.ledger.settle(last, last_admission, failure(State.FAILED, TRANSIENT))
    assert sweep_all(runtime) == {"found": 1}
    assert len(ses.inbox()) == 1


def test_certainty_about_a_forgotten_attempt_leaves_the_older_record_as_it_is(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault(UNSENT)
    send(runtime)
    make_due(runtime, email_id(runtime))
    replica = Replica(runtime)
    ses.add_fault("FailedOperation.WrongContentJson")
    with around_call(runtime, after=replica.fall_over):
        assert sweep("test", Deadline(5), runtime) == {"deferred": 1, "accepted": 1}
    assert [call.outcome for call in ses.calls()][1:] == ["FailedOperation.WrongContentJson", "accepted"]
    assert runtime.ledger.dead_letters() == []


def test_doubt_about_a_forgotten_attempt_ends_with_its_acceptance(runtime: Runtime) -> None:
    replica = Replica(runtime)
    first, first_admission = admitted(runtime)
    replica.fall_over()
    second, second_admission = admitted(runtime)
    runtime.ledger.settle(second, second_admission, CallResult(State.ACCEPTED, ses_message_id="m-2"))
    assert runtime.ledger.settle(first, first_admission, UNKNOWN).record.state is State.ACCEPTED


def test_acceptance_of_a_forgotten_attempt_counts_while_the_key_is_used_anew(runtime: Runtime) -> None:
    replica = Replica(runtime)
    first, first_admission = admitted(runtime)
    replica.fall_over()
    second, second_admission = admitted(runtime)
    runtime.ledger.settle(second, second_admission, failure(State.FAILED, TRANSIENT))
    third, third_admission = admitted(runtime)
    accepted = CallResult(State.ACCEPTED, ses_message_id="m-1")
    assert runtime.ledger.settle(first, first_admission, accepted).own
    result = runtime.ledger.settle(third, third_admission, failure(State.FAILED, TRANSIENT))
    assert result.record.state is State.ACCEPTED


def test_only_an_admitted_attempt_is_settled(runtime: Runtime) -> None:
    with pytest.raises(ValueError, match="admitted"):
        runtime.ledger.settle(attempt(runtime), Admission(Verdict.HALTED), UNKNOWN)
