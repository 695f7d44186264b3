"""The outcome of an email for which no call was made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailer.ledger import Admission, Verdict
from mailer.ledger.record import State
from mailer.ses.error_table import Action, rule_for

from .outcome import Disposition, Outcome

if TYPE_CHECKING:
    from mailer.ledger import Attempt

IN_FLIGHT_RETRY = 5.0  # seconds


def outcome_without_call(attempt: Attempt, admission: Admission) -> Outcome:
    """Return the outcome of an email that was not admitted."""
    record = admission.record
    if record is None:
        code = admission.code or "Ledger.RateLimited"
        rule = rule_for(code)
        halted = admission.verdict is Verdict.HALTED
        return Outcome(
            Disposition.HALTED if halted else Disposition.RETRY_LATER,
            attempt.smtp_message_id,
            State.FAILED,
            code=code,
            action=Action.HALT if halted else Action.RETRY,
            retry_after=max(admission.wait, 1.0),
            detail=f"{rule.why}; {rule.hint}",
        )
    outcome = Outcome.of_record(record, replayed=admission.verdict is Verdict.DUPLICATE)
    if admission.verdict is Verdict.MISMATCH:
        return replace(
            outcome,
            disposition=Disposition.KEY_REUSED,
            code="IdempotencyKeyReused",
            action=Action.REJECT,
            detail="this idempotency key already belongs to another request",
        )
    if outcome.disposition is Disposition.IN_FLIGHT:
        return replace(in_flight(outcome), detail="this email is being sent right now")
    if admission.verdict is Verdict.REJECTED:
        return replace(outcome, pointer=_pointer(attempt, admission), code=outcome.code or "Expired")
    return outcome


def in_flight(outcome: Outcome) -> Outcome:
    """Return the outcome of an email that another worker is sending: not that of an earlier attempt."""
    return replace(outcome, code="InFlight", action=None, retry_after=IN_FLIGHT_RETRY)


def _pointer(attempt: Attempt, admission: Admission) -> str:
    """Return the JSON pointer to the field for which the email was rejected."""
    index = admission.record.history[-1].get("recipient") if admission.record else None
    if index is None:
        return "/expires_at"
    pointers = [
        f"/{name}/{position}"
        for name in ("to", "cc", "bcc")
        for position in range(len(getattr(attempt.request, name)))
    ]
    return pointers[int(index)]
