"""Amazon SQS, standard and FIFO: answered with the records that must come again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailer.email.strict_json import read_object
from mailer.errors import InvalidRequest
from mailer.ledger import DeferPolicy

from .fields import identity, last_part, rows, table, text, whole
from .messages import PLATFORM_DLQ, Message, MessageSource

if TYPE_CHECKING:
    from collections.abc import Sequence


def _matches(event: Any) -> bool:
    return any(record.get("eventSource") == "aws:sqs" for record in rows(table(event).get("Records")))


def _messages(event: dict[str, Any]) -> list[Message]:
    return [_message(record) for record in rows(event["Records"])]


def _message(record: dict[str, Any]) -> Message:
    attributes = table(record.get("attributes"))
    key, body = identity("sqs", record.get("messageId")), record.get("body")
    origin = {"source": "sqs", "queue": last_part(record.get("eventSourceARN"))}
    if notification := _notification(body):
        key = identity("sns", notification["MessageId"])
        body = notification["Message"]
        origin["topic"] = last_part(notification["TopicArn"])
    return Message(
        key,
        body,
        origin,
        lane=text(attributes.get("MessageGroupId")) or None,
        receive_count=whole(attributes.get("ApproximateReceiveCount")) or 1,
        handle=record.get("messageId"),
    )


def _notification(body: Any) -> dict[str, Any] | None:
    """Return the envelope that SNS puts around a message, unless its delivery is raw."""
    if not (isinstance(body, str) and "Notification" in body):
        return None
    try:
        document = read_object(body)
    except InvalidRequest:
        return None
    enveloped = document.get("Type") == "Notification" and document.keys() >= {
        "MessageId",
        "TopicArn",
        "Message",
    }
    return document if enveloped else None


def _partial(returned: Sequence[Message]) -> dict[str, Any]:
    """Name every record that must come again; an identifier that is no text fails the whole batch."""
    return {"batchItemFailures": [{"itemIdentifier": message.handle} for message in returned]}


SQS = MessageSource("sqs", DeferPolicy.WHEN_HALTED, PLATFORM_DLQ, _matches, _messages, _partial)
