"""CMQ on SCF (no longer sold, still delivered): asynchronous, tried three times in all."""

from __future__ import annotations

from typing import Any

from mailer.ledger import DeferPolicy

from .fields import identity, rows, table, text
from .messages import LEDGER_DLQ, Message, MessageSource


def _matches(event: Any) -> bool:
    return any(isinstance(record.get("CMQ"), dict) for record in rows(table(event).get("Records")))


def _messages(event: dict[str, Any]) -> list[Message]:
    return [_message(table(record.get("CMQ"))) for record in rows(event["Records"])]


def _message(record: dict[str, Any]) -> Message:
    name = text(record.get("topicName"))  # of a queue as well as of a topic
    return Message(
        identity("cmq", name, record.get("msgId")),
        record.get("msgBody"),
        {"source": "cmq", "queue": name, "topic": name},
    )


CMQ = MessageSource("cmq", DeferPolicy.ALWAYS, LEDGER_DLQ, _matches, _messages)
