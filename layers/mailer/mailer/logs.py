"""One JSON line per outcome; never an address, a subject, template data, a secret or a raw event."""

from __future__ import annotations

import os
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .actions import Action, is_listed
from .identity import address_hash

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from .callbacks import SesEvent
    from .errors import MailerError
    from .ledger import Entry
    from .outcome import Outcome


def service() -> str:
    """Return the name that logs and metrics go by: `mailer-STAGE` where it is deployed."""
    return os.environ.get("POWERTOOLS_SERVICE_NAME", "mailer")


@lru_cache(maxsize=1)
def logger() -> Logger:
    """Return the process's logger."""
    from aws_lambda_powertools import Logger

    return Logger(service=service())


def outcome(entry: Entry, outcome: Outcome) -> None:
    """Log what became of one email; what someone must look at is a warning or an error."""
    fields = {
        "id": outcome.id,
        "trigger": entry.trigger,
        "state": outcome.state.value,
        "disposition": outcome.disposition.value,
        "code": outcome.code,
        "action": outcome.action.value if outcome.action else None,
        "message_id": outcome.message_id,
        "request_id": outcome.request_id,
        "replayed": outcome.replayed,
        "seconds": None if outcome.seconds is None else round(outcome.seconds, 4),
        "recipients": [address_hash(address) for address in entry.request.recipients],
    }
    log = logger()
    if outcome.action is Action.RECONCILE and outcome.code and not is_listed(outcome.code):
        log.error("email: unlisted code", extra=fields)
    elif outcome.action in {Action.HALT, Action.RECONCILE}:
        log.warning("email", extra=fields)
    else:
        log.info("email", extra=fields)


def unsettled(entry: Entry, outcome: Outcome, error: MailerError) -> None:
    """Log an outcome that the store did not take: its record becomes `unknown` when the lease is over."""
    logger().error(
        "email: outcome not recorded",
        extra={
            "id": outcome.id,
            "trigger": entry.trigger,
            "state": outcome.state.value,
            "code": outcome.code,
            "message_id": outcome.message_id,
            "request_id": outcome.request_id,
            "error": str(error),
        },
    )


def refused(trigger: str, error: MailerError, **fields: object) -> None:
    """Log that an event, or a part of it, was refused before it became an email."""
    errors = getattr(error, "errors", ())
    logger().warning(
        "event refused",
        extra={
            "trigger": trigger,
            "code": error.code,
            "pointers": [field.pointer for field in errors],
            **fields,
        },
    )


def caller(name: str | None) -> None:
    """Put the name of the caller's key into every line of this invocation; None: it has none so far."""
    if name is None:
        logger().remove_keys(["caller"])
    else:
        logger().append_keys(caller=name)


def told(trigger: str, email: str | None, event: SesEvent, verdict: str) -> None:
    """Log what SES told of an email afterwards, and what that did."""
    fields = {
        "trigger": trigger,
        "id": email,
        "event": event.name,
        "recipients": [event.recipient],
        "code": event.code,
        "verdict": verdict,
    }
    logger().info("event of SES", extra=fields)


def unexpected(trigger: str, error: Exception) -> None:
    """Log a defect by its type and place; its message could hold what must not reach a log."""
    places = traceback.extract_tb(error.__traceback__)
    logger().error(
        "unexpected error",
        extra={
            "trigger": trigger,
            "error": type(error).__name__,
            "at": [f"{Path(place.filename).name}:{place.lineno}" for place in places],
        },
    )


def job(trigger: str, name: str, counts: dict[str, object]) -> None:
    """Log what a scheduled job did."""
    logger().info("job", extra={"trigger": trigger, "job": name, "counts": counts})


def reconciled(message_id: str, decision: str) -> None:
    """Log what reconciliation made of one email; one that needs an operator is a warning."""
    fields = {"id": message_id, "decision": decision}
    log = logger()
    (log.warning if decision in {"held", "ambiguous", "given_up"} else log.info)("reconciled", extra=fields)


def status_query_failed(error: Exception) -> None:
    """Log that SES did not say what it has; the emails in doubt stay as they are."""
    logger().warning("status query failed", extra={"code": getattr(error, "code", type(error).__name__)})


def digest_failed(digest: str, recipient: str, error: Exception) -> None:
    """Log that a digest could not be written for a recipient; `recipient` is the address's hash."""
    logger().error(
        "digest cannot be rendered",
        extra={
            "digest": digest,
            "recipient": recipient,
            "error": type(error).__name__,
            "key": getattr(error, "key", None),
            "pointers": [field.pointer for field in getattr(error, "errors", ())],
        },
    )
