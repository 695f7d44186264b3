"""Amazon MQ: batches that Lambda redelivers as a whole (no partial batch response)."""

from __future__ import annotations

from itertools import islice
from typing import Any

from mailer.email.limits import MAX_MESSAGES
from mailer.ledger import DeferPolicy

from .fields import as_object, as_objects, as_text, from_base64, message_key, record_hash
from .messages import LEDGER_DLQ, Message, MessageSource

ACTIVEMQ_SOURCES = ("aws:mq", "aws:amq")  # AWS writes both
RABBITMQ_SOURCE = "aws:rmq"
# The properties that a redelivery leaves as they are; `expiration` is gone after a dead-letter exchange.
_LASTING = (
    "contentType", "contentEncoding", "deliveryMode", "priority", "correlationId", "replyTo", "timestamp",
    "type", "userId", "appId",
)  # fmt: skip


def _is_activemq(event: Any) -> bool:
    return as_object(event).get("eventSource") in ACTIVEMQ_SOURCES and isinstance(event.get("messages"), list)


def _activemq_messages(event: dict[str, Any]) -> list[Message]:
    return [activemq_message(message) for message in as_objects(event["messages"])]


def activemq_message(message: dict[str, Any]) -> Message:
    """Return the message of one queue or topic."""
    destination = as_object(message.get("destination"))
    queue = destination.get("physicalName", destination.get("physicalname"))  # Lambda's own pages write both
    return Message(
        message_key("activemq", message.get("messageID")),
        from_base64(message.get("data")),
        {"source": "activemq", "queue": as_text(queue)},
    )


def _is_rabbitmq(event: Any) -> bool:
    return as_object(event).get("eventSource") == RABBITMQ_SOURCE and isinstance(
        event.get("rmqMessagesByQueue"), dict
    )


def _rabbitmq_messages(event: dict[str, Any]) -> list[Message]:
    found = (
        rabbitmq_message(as_text(name), message)
        for name, messages in event["rmqMessagesByQueue"].items()
        for message in as_objects(messages)
    )
    return [*islice(found, MAX_MESSAGES + 1)]


def rabbitmq_message(name: str, message: dict[str, Any]) -> Message:
    """Return the message of the queue `name`, written `QUEUE::VIRTUAL_HOST`.

    RabbitMQ gives a message no id. One whose publisher gave it none has the hash of what stays the same over
    redeliveries.
    """
    properties = as_object(message.get("basicProperties"))
    return Message(
        message_key("rabbitmq", name, properties.get("messageId"))
        or message_key("rabbitmq", name, "sha256", _content_hash(properties, message.get("data"))),
        from_base64(message.get("data")),
        {"source": "rabbitmq", "queue": name.rpartition("::")[0] or name},
    )


def _content_hash(properties: dict[str, Any], data: Any) -> str:
    """Return a hash of a message without what the broker adds or changes, such as `x-delivery-count`."""
    headers = as_object(properties.get("headers"))
    own = {name: value for name, value in headers.items() if not name.startswith("x-")}
    return record_hash({**properties, "headers": own, "data": data}, *_LASTING, "headers", "data")


ACTIVEMQ = MessageSource("activemq", DeferPolicy.WHEN_HALTED, LEDGER_DLQ, _is_activemq, _activemq_messages)
RABBITMQ = MessageSource("rabbitmq", DeferPolicy.WHEN_HALTED, LEDGER_DLQ, _is_rabbitmq, _rabbitmq_messages)
