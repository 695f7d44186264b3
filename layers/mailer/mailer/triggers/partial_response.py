"""Partial batch responses: which messages of a batch the platform is to deliver again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .messages import Message


def every_item(nacked: Sequence[Message]) -> dict[str, Any]:
    """Return the response that names every message to redeliver.

    Lambda fails the whole batch for an identifier that is not a text.
    """
    return {"batchItemFailures": [{"itemIdentifier": message.item_identifier} for message in nacked]}


def first_of_each_ordering_key(nacked: Sequence[Message]) -> dict[str, Any]:
    """Return the first message of each partition or shard to redeliver: Lambda continues from there."""
    first: dict[str | None, Message] = {}
    for message in nacked:
        first.setdefault(message.ordering_key, message)
    return every_item([*first.values()])
