"""One JSON line per outcome; never an address, a subject, template data, a secret or a raw event."""

from __future__ import annotations

import json
import os
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailer.errors import ConfigurationError

from .log_fields import key_for_log, pointer_for_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_lambda_powertools import Logger

    from mailer.errors import MailerError
    from mailer.ses.events import SesEvent

MAX_LINE_BYTES = 16_000  # the platforms' own fields of a line come on top
_CUT_CHARACTERS = 300


def service() -> str:
    """Return the name of the service in logs and metrics: `mailer-STAGE` where it is deployed."""
    return os.environ.get("POWERTOOLS_SERVICE_NAME", "mailer")


@lru_cache(maxsize=1)
def logger() -> Logger:
    """Return the process's logger."""
    from aws_lambda_powertools import Logger

    return Logger(service=service(), json_serializer=_line)


def _line(fields: dict[str, Any]) -> str:
    """Return a line as JSON; where it is too long, its longer values are cut."""
    line = _json(fields)
    return line if len(line) <= MAX_LINE_BYTES else _json({name: _cut(fields[name]) for name in fields})


def _cut(value: object) -> object:
    text = _json(value)
    return value if len(text) <= _CUT_CHARACTERS else text[:_CUT_CHARACTERS] + "…"


def _json(value: object) -> str:
    return json.dumps(value, default=str, separators=(",", ":"))  # ASCII: as many bytes as characters


def refused(trigger: str, error: MailerError, **fields: object) -> None:
    """Log that an event, or a part of it, was refused before it became an email.

    The `key` among `fields` is a message's; a wrong setting is named with its rule.
    """
    errors = getattr(error, "errors", ())
    if isinstance(error, ConfigurationError):
        fields = {"setting": error.setting, "rule": error.rule, **fields}
    if isinstance(fields.get("key"), str):
        fields["key"] = key_for_log(str(fields["key"]))
    logger().warning(
        "event refused",
        extra={
            "trigger": trigger,
            "code": error.code,
            "pointers": [pointer_for_log(field.pointer) for field in errors],
            "rules": getattr(error, "total", None),
            **fields,
        },
    )


def more_refused(trigger: str, codes: dict[str, int]) -> None:
    """Log how many more messages of a batch were refused than have lines of their own, by code."""
    logger().warning("more messages refused", extra={"trigger": trigger, "codes": codes})


def ignored(trigger: str, email_id: str | None, tables: Sequence[str]) -> None:
    """Log that the `when` of each of these tables of mailer.toml leaves a message out."""
    fields = {"trigger": trigger, "id": email_id, "tables": list(tables), "state": "ignored"}
    logger().info("message ignored", extra=fields)


def set_caller(name: str | None) -> None:
    """Add the name of the caller's key to every line of this invocation; None removes it."""
    if name is None:
        logger().remove_keys(["caller"])
    else:
        logger().append_keys(caller=name)


def ses_event(trigger: str, email_id: str | None, event: SesEvent, verdict: str) -> None:
    """Log an SES callback event and its effect; one that is not about us is a warning."""
    fields = {
        "trigger": trigger,
        "id": email_id,
        "event": event.name,
        "recipients": [event.recipient],
        "code": event.code,
        "verdict": verdict,
    }
    log = logger()
    (log.warning if verdict == "foreign" else log.info)("event of SES", extra=fields)


def unexpected(trigger: str, error: Exception, **fields: object) -> None:
    """Log an unexpected error's type and code locations, not its message, which may hold personal data."""
    frames = traceback.extract_tb(error.__traceback__)
    logger().error(
        "unexpected error",
        extra={
            "trigger": trigger,
            "error": type(error).__name__,
            "at": [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames],
            **fields,
        },
    )


def job_done(trigger: str, name: str, counts: dict[str, object]) -> None:
    """Log the counts of a scheduled job."""
    logger().info("job", extra={"trigger": trigger, "job": name, "counts": counts})


def reconciled(smtp_message_id: str, decision: str) -> None:
    """Log what reconciliation decided on one email; one that needs an operator is a warning."""
    fields = {"id": smtp_message_id, "decision": decision}
    log = logger()
    warns = decision in {"needs_operator", "ambiguous", "exhausted"}
    (log.warning if warns else log.info)("reconciled", extra=fields)


def status_query_failed(error: Exception) -> None:
    """Log that a status query failed; unknown emails stay as they are."""
    logger().warning("status query failed", extra={"code": getattr(error, "code", type(error).__name__)})


def digest_failed(digest: str, recipient: str, error: Exception) -> None:
    """Log that a digest could not be rendered for a recipient; `recipient` is the address's hash."""
    logger().error(
        "digest cannot be rendered",
        extra={
            "digest": digest,
            "recipient": recipient,
            "error": type(error).__name__,
            "key": getattr(error, "key", None),
            "pointers": [pointer_for_log(field.pointer) for field in getattr(error, "errors", ())],
        },
    )
