"""Amazon SNS, pushed to Lambda asynchronously: the response is ignored; three attempts in all."""

from __future__ import annotations

from typing import Any

from mailer.ledger import DeferPolicy

from .fields import arn_name, as_object, as_objects, message_key
from .messages import LEDGER_DLQ, Message, MessageSource


def _matches(event: Any) -> bool:
    return any(
        record.get("EventSource") == "aws:sns" for record in as_objects(as_object(event).get("Records"))
    )


def _messages(event: dict[str, Any]) -> list[Message]:
    return [_message(as_object(record.get("Sns"))) for record in as_objects(event["Records"])]


def _message(notification: dict[str, Any]) -> Message:
    return Message(
        message_key("sns", notification.get("MessageId")),
        notification.get("Message"),
        {"source": "sns", "topic": arn_name(notification.get("TopicArn"))},
    )


SNS = MessageSource("sns", DeferPolicy.ALWAYS, LEDGER_DLQ, _matches, _messages)
