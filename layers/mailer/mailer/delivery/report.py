"""The log line and the metrics of one email's outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailer.ledger.record import State
from mailer.ses.error_table import Action, is_listed
from mailer.telemetry import metrics
from mailer.telemetry.logs import logger

from .outcome import Disposition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailer.email.identity import AddressHasher
    from mailer.errors import MailerError
    from mailer.ledger import Attempt
    from mailer.ledger.record import Record

    from .outcome import Outcome

_METRICS = {
    State.ACCEPTED: "Accepted",
    State.REFUSED: "Refused",
    State.UNKNOWN: "Unknown",
    State.DEFERRED: "Deferred",
    State.SCHEDULED: "Deferred",
    State.EXPIRED: "Expired",
    State.FAILED: "Failed",
}


def email_outcome(attempt: Attempt, outcome: Outcome, hasher: AddressHasher) -> None:
    """Log one email's outcome and count it; conditions that need attention are warnings or errors."""
    fields = _fields(attempt, outcome) | {
        "disposition": outcome.disposition.value,
        "action": outcome.action.value if outcome.action else None,
        "replayed": outcome.replayed,
        "seconds": None if outcome.seconds is None else round(outcome.seconds, 4),
        "recipients": [hasher(one) for one in attempt.request.without(outcome.dropped).recipients],
        "dropped": len(outcome.dropped),
    }
    log = logger()
    if outcome.action is Action.RECONCILE and outcome.code and not is_listed(outcome.code):
        log.error("email: unlisted code", extra=fields)
    elif outcome.action in {Action.HALT, Action.RECONCILE}:
        log.warning("email", extra=fields)
    else:
        log.info("email", extra=fields)
    metrics.emit(
        metric_names(outcome),
        trigger=attempt.trigger,
        code=outcome.code if outcome.state is State.REFUSED else None,
        seconds=outcome.seconds,
    )


def metric_names(outcome: Outcome) -> Iterator[str]:
    """Yield the names of the metrics that `outcome` adds one to."""
    if outcome.replayed:
        yield "Replayed"
        return
    if outcome.disposition in {Disposition.IN_FLIGHT, Disposition.KEY_REUSED}:
        yield "Refused"
        return
    yield _METRICS[outcome.state]
    if outcome.action is Action.SUPPRESS:
        yield "Suppressed"
    if outcome.action is Action.HALT:
        yield "Halted"


def settle_failed(attempt: Attempt, outcome: Outcome, error: MailerError) -> None:
    """Log an outcome that the store did not take: its record becomes `unknown` when the lease expires."""
    logger().error("email: outcome not recorded", extra={**_fields(attempt, outcome), "error": str(error)})


def accepted_twice(attempt: Attempt, outcome: Outcome, record: Record) -> None:
    """Log that SES accepted an email for which the record has another acceptance, or another request."""
    logger().error(
        "email: accepted twice",
        extra={**_fields(attempt, outcome), "record_ses_message_id": record.ses_message_id},
    )


def _fields(attempt: Attempt, outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "trigger": attempt.trigger,
        "state": outcome.state.value,
        "code": outcome.code,
        "ses_message_id": outcome.ses_message_id,
        "request_id": outcome.request_id,
    }
