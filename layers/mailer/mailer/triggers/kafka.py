"""Kafka on Lambda (Amazon MSK, self-managed): answered with the place where each partition goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailer.ledger import DeferPolicy

from .fields import from_base64, identity, rows, table, text, whole
from .messages import LEDGER_DLQ, Message, MessageSource

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCES = ("aws:kafka", "SelfManagedKafka")


def _matches(event: Any) -> bool:
    return table(event).get("eventSource") in _SOURCES and isinstance(event.get("records"), dict)


def _messages(event: dict[str, Any]) -> list[Message]:
    cluster = text(event.get("eventSourceArn"))
    return [
        _message(cluster, text(partition), record)
        for partition, records in event["records"].items()
        for record in rows(records)
    ]


def _message(cluster: str, partition: str, record: dict[str, Any]) -> Message:
    """Return the message in a record of `partition`, which is named `TOPIC-NUMBER`."""
    offset = whole(record.get("offset"))
    return Message(
        identity(f"kafka:{cluster}", partition, offset),
        from_base64(record.get("value")),
        {"source": "kafka", "topic": text(record.get("topic")) or partition.rpartition("-")[0]},
        lane=partition,
        handle={"partition": partition, "offset": offset},
    )


def _partial(returned: Sequence[Message]) -> dict[str, Any]:
    """Name the first record of each partition that must come again: Lambda goes on from there."""
    first: dict[str | None, Any] = {}
    for message in returned:
        first.setdefault(message.lane, message.handle)
    return {"batchItemFailures": [{"itemIdentifier": handle} for handle in first.values()]}


KAFKA = MessageSource("kafka", DeferPolicy.WHEN_HALTED, LEDGER_DLQ, _matches, _messages, _partial)
