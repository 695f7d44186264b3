"""EventBridge of either cloud, pushed asynchronously: an event of a rule on AWS, as a CloudEvent on Tencent.

Tencent's may be in an `EventList`, and hold messages of TDMQ or any other data.
"""

from __future__ import annotations

from typing import Any

from mailer.ledger import DeferPolicy

from .envelopes import is_cloud_event, is_rule_event
from .fields import as_object, as_objects, as_text, message_key
from .messages import LEDGER_DLQ, Message, MessageSource

ORDERED = {"1": "whole topic", "2": "partition"}  # TDMQ's topic types that keep an order


def _matches(event: Any) -> bool:
    document = as_object(event)
    return isinstance(document.get("EventList"), list) or is_cloud_event(document) or is_rule_event(document)


def _messages(event: dict[str, Any]) -> list[Message]:
    events = event.get("EventList")
    return [_message(item) for item in as_objects(events if isinstance(events, list) else [event])]


def _message(event: dict[str, Any]) -> Message:
    if is_rule_event(event):
        return Message(message_key("eventbridge", event["source"], event["id"]), event)
    data = as_object(event.get("data"))
    if "msgBody" not in data:
        return Message(message_key("cloudevent", event.get("source"), event.get("id")), event)
    topic, partition = as_text(data.get("topic")), as_text(data.get("partitions", data.get("partition")))
    ordered = ORDERED.get(as_text(data.get("TopicType")))
    return Message(
        message_key("tdmq", topic, data.get("msgId"))
        or message_key("cloudevent", event.get("source"), event.get("id")),
        data["msgBody"],
        {"source": "tdmq", "topic": topic.rpartition("/")[2]},
        ordering_key=f"{topic}:{partition if ordered == 'partition' else ''}" if ordered else None,
    )


EVENTBRIDGE = MessageSource("eventbridge", DeferPolicy.ALWAYS, LEDGER_DLQ, _matches, _messages)
