"""Kafka on Lambda (Amazon MSK, self-managed): partial batch response by partition offset."""

from __future__ import annotations

from itertools import islice
from typing import Any

from mailer.email.limits import MAX_MESSAGES
from mailer.ledger import DeferPolicy

from .fields import as_int, as_object, as_objects, as_text, from_base64, message_key, record_hash
from .messages import LEDGER_DLQ, Message, MessageSource
from .partial_response import first_of_each_ordering_key

KAFKA_SOURCES = ("aws:kafka", "aws:SelfManagedKafka", "SelfManagedKafka")  # AWS writes the last two


def _matches(event: Any) -> bool:
    return as_object(event).get("eventSource") in KAFKA_SOURCES and isinstance(event.get("records"), dict)


def _messages(event: dict[str, Any]) -> list[Message]:
    cluster, arn = _cluster(event), as_text(event.get("eventSourceArn"))
    messages = (
        _message(cluster, arn, as_text(partition), record)
        for partition, records in event["records"].items()
        for record in as_objects(records)
    )
    return [*islice(messages, MAX_MESSAGES + 1)]


def _cluster(event: dict[str, Any]) -> str:
    """Return the cluster's ARN, or the brokers of a self-managed one in an order that is always the same."""
    brokers = as_text(event.get("bootstrapServers")).split(",")
    return as_text(event.get("eventSourceArn")) or ",".join(sorted(broker.strip() for broker in brokers))


def kafka_pipes_message(record: dict[str, Any]) -> Message:
    """Return the message in a record of EventBridge Pipes, which names its own cluster and partition."""
    arn = as_text(record.get("eventSourceArn"))
    return _message(_cluster(record), arn, as_text(record.get("eventSourceKey")), record)


def _message(cluster: str, arn: str, partition: str, record: dict[str, Any]) -> Message:
    """Return the message in a record of `partition`, which is named `TOPIC-NUMBER`.

    Its key has a hash of the record: a topic that is made anew counts its offsets from 0 again.
    """
    offset = as_int(record.get("offset"))
    content = record_hash(record, "timestamp", "key", "value", "headers")
    return Message(
        message_key(f"kafka:{cluster}", partition, offset, content),
        from_base64(record.get("value")),
        {"source": "kafka", "topic": partition.rpartition("-")[0]},
        ordering_key=partition,
        item_identifier={"partition": partition, "offset": offset},
        old_key=message_key(f"kafka:{arn}", partition, offset),
    )


KAFKA = MessageSource(
    "kafka", DeferPolicy.WHEN_HALTED, LEDGER_DLQ, _matches, _messages, first_of_each_ordering_key
)
