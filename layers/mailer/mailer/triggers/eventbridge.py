"""Tencent EventBridge: CloudEvents, one or an `EventList`, around messages of TDMQ or around anything."""

from __future__ import annotations

from typing import Any

from mailer.ledger import DeferPolicy

from .bodies import is_cloud_event
from .fields import identity, last_part, rows, table, text
from .messages import LEDGER_DLQ, Message, MessageSource

ORDERED = {"1": "whole topic", "2": "partition"}  # TDMQ's topic types that promise an order


def _matches(event: Any) -> bool:
    return isinstance(table(event).get("EventList"), list) or is_cloud_event(table(event))


def _messages(event: dict[str, Any]) -> list[Message]:
    events = event.get("EventList")
    return [_message(one) for one in rows(events if isinstance(events, list) else [event])]


def _message(event: dict[str, Any]) -> Message:
    data = table(event.get("data"))
    if "msgBody" not in data:
        return Message(identity("cloudevent", event.get("source"), event.get("id")), event)
    topic, partition = text(data.get("topic")), text(data.get("partitions", data.get("partition")))
    ordered = ORDERED.get(text(data.get("TopicType")))
    return Message(
        identity("tdmq", topic, data.get("msgId"))
        or identity("cloudevent", event.get("source"), event.get("id")),
        data["msgBody"],
        {"source": "tdmq", "topic": last_part(topic, "/")},
        lane=f"{topic}:{partition if ordered == 'partition' else ''}" if ordered else None,
    )


EVENTBRIDGE = MessageSource("eventbridge", DeferPolicy.ALWAYS, LEDGER_DLQ, _matches, _messages)
