"""Schedules: each tick runs the job that it names."""

from __future__ import annotations

from typing import Any

from mailer.triggers.schedule import handle


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one tick."""
    return handle(event, context)
