"""Kinesis data streams on Lambda: partial batch response by sequence number."""

from __future__ import annotations

from typing import Any

from mailer.ledger import DeferPolicy

from .fields import (
    arn_resource,
    as_object,
    as_objects,
    as_text,
    from_base64,
    has_records_of,
    message_key,
    record_hash,
)
from .messages import LEDGER_DLQ, Message, MessageSource
from .partial_response import first_of_each_ordering_key


def _matches(event: Any) -> bool:
    return has_records_of("aws:kinesis", event)


def _messages(event: dict[str, Any]) -> list[Message]:
    return [kinesis_message(record) for record in as_objects(event["Records"])]


def kinesis_message(record: dict[str, Any]) -> Message:
    """Return the message in a record, whose `eventID` is `SHARD:SEQUENCE-NUMBER`.

    Its data is in `kinesis`, or for EventBridge Pipes in the record itself. Its key has the stream without a
    consumer of its own, and a hash of the record: a stream that is made anew has the name, and so the ARN, of
    the first one.
    """
    data = as_object(record.get("kinesis", record))
    stream, event_id = as_text(record.get("eventSourceARN")).partition("/consumer/")[0], record.get("eventID")
    content = record_hash(data, "approximateArrivalTimestamp", "partitionKey", "data")
    return Message(
        message_key("kinesis", stream, event_id, content),
        from_base64(data.get("data")),
        {"source": "kinesis", "topic": arn_resource(stream)},
        ordering_key=f"{stream}:{as_text(event_id).partition(':')[0]}",
        item_identifier=as_text(data.get("sequenceNumber")) or None,
    )


KINESIS = MessageSource(
    "kinesis", DeferPolicy.WHEN_HALTED, LEDGER_DLQ, _matches, _messages, first_of_each_ordering_key
)
