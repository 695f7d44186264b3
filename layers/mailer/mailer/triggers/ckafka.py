"""CKafka on SCF: batches that the platform redelivers as a whole (no partial batch response)."""

from __future__ import annotations

from typing import Any

from mailer.ledger import DeferPolicy

from .fields import as_object, as_objects, as_text, message_key, record_hash
from .messages import LEDGER_DLQ, Message, MessageSource


def _matches(event: Any) -> bool:
    return any(
        isinstance(record.get("Ckafka"), dict) for record in as_objects(as_object(event).get("Records"))
    )


def _messages(event: dict[str, Any]) -> list[Message]:
    return [_message(as_object(record.get("Ckafka"))) for record in as_objects(event["Records"])]


def _message(record: dict[str, Any]) -> Message:
    """Return the message in a record, whose event names no instance: a hash of the record is in its key."""
    topic, offset = record.get("topic"), record.get("offset")
    partition = record.get("partition", record.get("Partition"))  # SCF's own pages write it both ways
    content = record_hash(record, "msgKey", "msgBody")
    return Message(
        message_key("ckafka", topic, partition, offset, content),
        record.get("msgBody"),
        {"source": "ckafka", "topic": as_text(topic)},
        ordering_key=f"{as_text(topic)}:{as_text(partition)}",
        old_key=message_key("ckafka", topic, partition, offset),
    )


CKAFKA = MessageSource("ckafka", DeferPolicy.WHEN_HALTED, LEDGER_DLQ, _matches, _messages)
