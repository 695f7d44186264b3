"""DynamoDB streams on Lambda: partial batch response by sequence number."""

from __future__ import annotations

from typing import Any

from mailer.ledger import DeferPolicy

from .attribute_values import plain_item
from .fields import arn_resource, as_object, as_objects, as_text, has_records_of, message_key
from .messages import LEDGER_DLQ, Message, MessageSource
from .partial_response import first_of_each_ordering_key

_ITEMS = ("Keys", "NewImage", "OldImage")


def _matches(event: Any) -> bool:
    return has_records_of("aws:dynamodb", event)


def _messages(event: dict[str, Any]) -> list[Message]:
    return [dynamodb_message(record) for record in as_objects(event["Records"])]


def dynamodb_message(record: dict[str, Any]) -> Message:
    """Return the message about one change of an item.

    A stream that is made anew has an ARN of its own, which holds the time. No field names the shard, but a
    batch is of one.
    """
    change = as_object(record.get("dynamodb"))
    stream = as_text(record.get("eventSourceARN"))
    return Message(
        message_key("dynamodb", stream, record.get("eventID")),
        {"eventName": record.get("eventName"), **{name: plain_item(change.get(name)) for name in _ITEMS}},
        {"source": "dynamodb", "topic": arn_resource(stream)},
        ordering_key=stream,
        item_identifier=as_text(change.get("SequenceNumber")) or None,
    )


DYNAMODB = MessageSource(
    "dynamodb", DeferPolicy.WHEN_HALTED, LEDGER_DLQ, _matches, _messages, first_of_each_ordering_key
)
