"""What a caller is told of an email for which no call was made, and what is logged of one that was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import email
from mailer.delivery import report
from mailer.delivery.attempts import record_of
from mailer.delivery.not_admitted import outcome_without_call
from mailer.delivery.outcome import Disposition, Outcome
from mailer.delivery.reconcile import resolve
from mailer.email.identity import Key, KeyKind
from mailer.errors import FieldError, InvalidRequest, StoreUnavailable
from mailer.ledger import Admission, Attempt, Verdict
from mailer.ledger.record import Record, State
from mailer.ses.error_table import Action, rule_for
from promise_steps import admitted, email_id, expire_lease, field

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

ATTEMPT = Attempt("e" * 32, email(), "http")
ID = ATTEMPT.smtp_message_id


def record(state: State, **fields: Any) -> Record:
    return Record(id=ATTEMPT.id, smtp_message_id=ID, state=state, **fields)


def not_sent(disposition: Disposition, code: str, action: Action, retry_after: float) -> Outcome:
    rule = rule_for(code)
    return Outcome(
        disposition,
        ID,
        State.FAILED,
        code=code,
        action=action,
        retry_after=retry_after,
        detail=f"{rule.why}; {rule.hint}",
    )


@pytest.mark.parametrize(
    ("admission", "outcome"),
    [
        (
            Admission(Verdict.RATE_LIMITED, code="Ledger.RateLimited", wait=0.05),
            not_sent(Disposition.RETRY_LATER, "Ledger.RateLimited", Action.RETRY, 1.0),
        ),
        (
            Admission(Verdict.RATE_LIMITED, wait=1.5),
            not_sent(Disposition.RETRY_LATER, "Ledger.RateLimited", Action.RETRY, 1.5),
        ),
        (
            Admission(Verdict.HALTED, code="FailedOperation.InsufficientBalance", wait=60.0),
            not_sent(Disposition.HALTED, "FailedOperation.InsufficientBalance", Action.HALT, 60.0),
        ),
        (
            Admission(Verdict.BACKLOG_FULL, code="Ledger.BacklogFull", wait=60.0),
            not_sent(Disposition.RETRY_LATER, "Ledger.BacklogFull", Action.RETRY, 60.0),
        ),
        (
            Admission(Verdict.MISMATCH, record(State.ACCEPTED, ses_message_id="m-1", request_id="r-1")),
            Outcome(
                Disposition.KEY_REUSED,
                ID,
                State.ACCEPTED,
                code="IdempotencyKeyReused",
                action=Action.REJECT,
                ses_message_id="m-1",
                request_id="r-1",
                detail="this idempotency key already belongs to another request",
            ),
        ),
        (
            Admission(Verdict.DUPLICATE, record(State.SENDING, code="FailedOperation.TemporaryBlocked")),
            Outcome(
                Disposition.IN_FLIGHT,
                ID,
                State.SENDING,
                code="InFlight",
                retry_after=5.0,
                replayed=True,
                detail="this email is being sent right now",
            ),
        ),
        (
            Admission(Verdict.REJECTED, record(State.EXPIRED, history=[{"state": "expired"}])),
            Outcome(Disposition.REFUSED, ID, State.EXPIRED, code="Expired", pointer="/expires_at"),
        ),
    ],
    ids=["rate limited", "no code", "halted", "backlog full", "key reused", "in flight", "expired"],
)
def test_email_that_was_not_admitted_says_why(admission: Admission, outcome: Outcome) -> None:
    assert outcome_without_call(ATTEMPT, admission) == outcome


def test_outcome_that_the_store_did_not_take_is_logged(log: io.StringIO) -> None:
    outcome = Outcome(Disposition.ACCEPTED, ID, State.ACCEPTED, ses_message_id="m-1", request_id="r-1")
    report.settle_failed(ATTEMPT, outcome, StoreUnavailable("ConnectionError"))
    report.accepted_twice(ATTEMPT, outcome, record(State.ACCEPTED, ses_message_id="m-2"))
    common = {
        "level": "ERROR",
        "id": ID,
        "trigger": "http",
        "state": "accepted",
        "ses_message_id": "m-1",
        "request_id": "r-1",
    }
    failed, twice = map(json.loads, log.getvalue().splitlines())
    assert failed.items() >= {**common, "message": "email: outcome not recorded"}.items()
    assert failed["error"] == str(StoreUnavailable("ConnectionError"))
    assert (
        twice.items()
        >= {**common, "message": "email: accepted twice", "record_ses_message_id": "m-2"}.items()
    )


def test_platforms_key_finds_the_record_of_either_version(runtime: Runtime) -> None:
    account = runtime.settings.account
    assert record_of("sqs:m-1", runtime) is None
    new = Attempt(Key("sqs:m-1", KeyKind.PLATFORM).email_id(account), email(), "sqs", namespace=None)
    runtime.ledger.admit(new)
    found = record_of("sqs:m-1", runtime)
    assert found
    assert found.id == new.id

    admitted(runtime, "sqs:m-2")  # under a caller's key with the same text
    assert record_of("sqs:m-2", runtime) is None
    store = runtime.ledger.store
    store.client.hdel(store.key("email", email_id(runtime, "sqs:m-2")), "namespace")
    old = record_of("sqs:m-2", runtime)
    assert old
    assert old.id == email_id(runtime, "sqs:m-2")


def test_operator_can_settle_only_what_is_unknown(runtime: Runtime, ses: Emulator) -> None:
    with pytest.raises(InvalidRequest) as caught:
        resolve(email_id(runtime), "accepted", runtime)
    assert caught.value.errors == (FieldError("", "no email with this id is unknown"),)
    admitted(runtime)
    expire_lease(runtime)
    outcome = resolve(email_id(runtime), "accepted", runtime)
    assert (outcome.state, outcome.replayed) == (State.ACCEPTED, False)


def test_operators_resend_goes_out_under_the_stored_key(
    runtime: Runtime, ses: Emulator, log: io.StringIO
) -> None:
    one, _ = admitted(runtime)
    expire_lease(runtime)
    kept = [field(runtime, name) for name in ("fingerprint", "namespace", "promised")]
    outcome = resolve(email_id(runtime), "resend", runtime)
    assert (outcome.state, outcome.id) == (State.ACCEPTED, one.smtp_message_id)
    assert [field(runtime, name) for name in ("fingerprint", "namespace")] == kept[:2]
    assert len(ses.inbox()) == 1
    assert json.loads(log.getvalue().splitlines()[-1])["trigger"] == "operator"
