"""Amazon SQS: a batch of records, answered with the ones that must come again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailer.ledger import Keep
from mailer.outcome import Disposition

from .messages import Fate, Message, Platform, process

if TYPE_CHECKING:
    from mailer.deadline import Deadline
    from mailer.runtime import Runtime

SQS = Platform(
    "sqs",
    Keep.HALTED,
    {
        Disposition.ACCEPTED: Fate.DONE,
        Disposition.KEPT: Fate.DONE,
        Disposition.REFUSED: Fate.RETURN,
        Disposition.NOT_SENT: Fate.RETURN,
        Disposition.HALTED: Fate.RETURN,
        Disposition.IN_FLIGHT: Fate.RETURN,
        Disposition.KEY_REUSED: Fate.RETURN,
    },
)


def is_sqs(event: Any) -> bool:
    """Tell whether `event` is a batch that Lambda polled from SQS."""
    records = event.get("Records") if isinstance(event, dict) else None
    return (
        isinstance(records, list)
        and bool(records)
        and all(
            isinstance(record, dict)
            and record.get("eventSource") == "aws:sqs"
            and isinstance(record.get("messageId"), str)
            for record in records
        )
    )


def handle_sqs(event: dict[str, Any], deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    """Return the partial batch response: the messageId of every record that must come again."""
    messages = {_message(record): record for record in event["Records"]}
    returned = process(SQS, list(messages), deadline, runtime)
    return {"batchItemFailures": [{"itemIdentifier": messages[one]["messageId"]} for one in returned]}


def fail_all(event: dict[str, Any]) -> dict[str, Any]:
    """Return the answer that gives every record back, unsent."""
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}


def _message(record: dict[str, Any]) -> Message:
    group = (record.get("attributes") or {}).get("MessageGroupId")
    return Message(f"sqs:{record['messageId']}", str(record.get("body", "")), group)
