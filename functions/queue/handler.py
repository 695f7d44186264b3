"""Queues and streams: batches of messages become emails."""

from __future__ import annotations

from typing import Any

from mailer.triggers.queue import handle


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one batch."""
    return handle(event, context)
