"""Amazon SNS, pushed to Lambda asynchronously: it takes no answer and tries three times in all."""

from __future__ import annotations

from typing import Any

from mailer.ledger import DeferPolicy

from .fields import identity, last_part, rows, table
from .messages import LEDGER_DLQ, Message, MessageSource


def _matches(event: Any) -> bool:
    return any(record.get("EventSource") == "aws:sns" for record in rows(table(event).get("Records")))


def _messages(event: dict[str, Any]) -> list[Message]:
    return [_message(table(record.get("Sns"))) for record in rows(event["Records"])]


def _message(notification: dict[str, Any]) -> Message:
    return Message(
        identity("sns", notification.get("MessageId")),
        notification.get("Message"),
        {"source": "sns", "topic": last_part(notification.get("TopicArn"))},
    )


SNS = MessageSource("sns", DeferPolicy.ALWAYS, LEDGER_DLQ, _matches, _messages)
