"""Amazon SQS, standard and FIFO: partial batch response by message id."""

from __future__ import annotations

from typing import Any

from mailer.email.strict_json import read_object
from mailer.errors import InvalidRequest
from mailer.ledger import DeferPolicy

from .fields import arn_name, as_int, as_object, as_objects, as_text, has_records_of, message_key, record_hash
from .messages import PLATFORM_DLQ, Message, MessageSource
from .partial_response import every_item


def _matches(event: Any) -> bool:
    return has_records_of("aws:sqs", event)


def _messages(event: dict[str, Any]) -> list[Message]:
    return [sqs_message(record) for record in as_objects(event["Records"])]


def sqs_message(record: dict[str, Any]) -> Message:
    """Return the message in a record, or the notification of SNS in that message.

    A redrive from a dead-letter queue begins with a first receive of its own.
    """
    attributes = as_object(record.get("attributes"))
    key, body = message_key("sqs", record.get("messageId")), record.get("body")
    origin = {"source": "sqs", "queue": arn_name(record.get("eventSourceARN"))}
    if notification := _notification(body):
        key = message_key("sns", notification["MessageId"])
        body = notification["Message"]
        origin["topic"] = arn_name(notification["TopicArn"])
    return Message(
        key,
        body,
        origin,
        ordering_key=as_text(attributes.get("MessageGroupId")) or None,
        receive_count=as_int(attributes.get("ApproximateReceiveCount")) or 1,
        item_identifier=as_text(record.get("messageId")) or None,
        first_receive=_first_receive(
            record.get("messageId"), attributes.get("ApproximateFirstReceiveTimestamp")
        ),
    )


def _first_receive(message_id: Any, first_received: Any) -> str | None:
    known = as_text(message_id) and as_text(first_received)
    return record_hash({"id": message_id, "since": first_received}, "id", "since") if known else None


def _notification(body: Any) -> dict[str, Any] | None:
    """Return the envelope that SNS puts around a message unless raw delivery is on, else None."""
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


SQS = MessageSource("sqs", DeferPolicy.WHEN_HALTED, PLATFORM_DLQ, _matches, _messages, every_item)
