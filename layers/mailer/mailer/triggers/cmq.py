"""CMQ on SCF (discontinued for new customers): asynchronous, with three attempts in all."""

from __future__ import annotations

from typing import Any

from mailer.ledger import DeferPolicy

from .fields import as_object, as_objects, as_text, message_key
from .messages import LEDGER_DLQ, Message, MessageSource


def _matches(event: Any) -> bool:
    return any(isinstance(record.get("CMQ"), dict) for record in as_objects(as_object(event).get("Records")))


def _messages(event: dict[str, Any]) -> list[Message]:
    return [_message(as_object(record.get("CMQ"))) for record in as_objects(event["Records"])]


def _message(record: dict[str, Any]) -> Message:
    name = as_text(record.get("topicName"))  # of a queue as well as of a topic
    return Message(
        message_key("cmq", name, record.get("msgId")),
        record.get("msgBody"),
        {"source": "cmq", "queue": name, "topic": name},
    )


CMQ = MessageSource("cmq", DeferPolicy.ALWAYS, LEDGER_DLQ, _matches, _messages)
