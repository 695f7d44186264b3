"""CKafka on SCF: a batch of records that the platform brings again only as a whole."""

from __future__ import annotations

from typing import Any

from mailer.ledger import DeferPolicy

from .fields import identity, rows, table, text
from .messages import LEDGER_DLQ, Message, MessageSource


def _matches(event: Any) -> bool:
    return any(isinstance(record.get("Ckafka"), dict) for record in rows(table(event).get("Records")))


def _messages(event: dict[str, Any]) -> list[Message]:
    return [_message(table(record.get("Ckafka"))) for record in rows(event["Records"])]


def _message(record: dict[str, Any]) -> Message:
    topic, offset = record.get("topic"), record.get("offset")
    partition = record.get("partition", record.get("Partition"))  # SCF's own pages write it both ways
    return Message(
        identity("ckafka", topic, partition, offset),
        record.get("msgBody"),
        {"source": "ckafka", "topic": text(topic)},
        lane=f"{text(topic)}:{text(partition)}",
    )


CKAFKA = MessageSource("ckafka", DeferPolicy.WHEN_HALTED, LEDGER_DLQ, _matches, _messages)
