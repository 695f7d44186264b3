"""Amazon EventBridge Pipes: a list of records of its source, or of what an input transformer makes of them.

Of SQS, Kinesis and DynamoDB it takes a partial batch response, by `messageId` and `eventID`; of others it
delivers a batch again as a whole.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mailer.ledger import DeferPolicy

from .amazon_mq import ACTIVEMQ_SOURCES, RABBITMQ_SOURCE, activemq_message, rabbitmq_message
from .dynamodb import dynamodb_message
from .fields import as_objects, as_text
from .kafka import KAFKA_SOURCES, kafka_pipes_message
from .kinesis import kinesis_message
from .messages import LEDGER_DLQ, PLATFORM_DLQ, Message, MessageSource
from .partial_response import every_item
from .sqs import sqs_message

if TYPE_CHECKING:
    from collections.abc import Callable

_STREAMS = {"aws:kinesis": kinesis_message, "aws:dynamodb": dynamodb_message}
_READERS: dict[str, Callable[[dict[str, Any]], Message]] = {
    "aws:sqs": sqs_message,
    **dict.fromkeys(KAFKA_SOURCES, kafka_pipes_message),
    **dict.fromkeys(ACTIVEMQ_SOURCES, activemq_message),
    RABBITMQ_SOURCE: lambda record: rabbitmq_message(as_text(record.get("eventSourceKey")), record),
}


def _matches(kind: str, event: Any) -> bool:
    return isinstance(event, list) and _kind(event) == kind


def _kind(event: list[Any]) -> str:
    """Return what the first object of a list is; empty if it has none."""
    first = next((record for record in event if isinstance(record, dict)), None)
    if first is None:
        return ""
    source = _source(first)
    return "sqs" if source == "aws:sqs" else "stream" if source in _STREAMS else "other"


def _source(record: dict[str, Any]) -> str:
    return as_text(record.get("eventSource"))


def _messages(event: list[Any]) -> list[Message]:
    return [_message(record) for record in as_objects(event)]


def _message(record: dict[str, Any]) -> Message:
    """Return the message in a record; what a transformer made is the body, and has no identity of its own."""
    source = _source(record)
    if source in _STREAMS:
        return replace(_STREAMS[source](record), item_identifier=as_text(record.get("eventID")) or None)
    if source in _READERS:
        return _READERS[source](record)
    return Message(None, record, {"source": "pipes"})


_HALTED = DeferPolicy.WHEN_HALTED
PIPES_SQS = MessageSource("pipes", _HALTED, PLATFORM_DLQ, partial(_matches, "sqs"), _messages, every_item)
PIPES_STREAM = MessageSource("pipes", _HALTED, LEDGER_DLQ, partial(_matches, "stream"), _messages, every_item)
PIPES_OTHER = MessageSource("pipes", _HALTED, LEDGER_DLQ, partial(_matches, "other"), _messages)
