"""Refused callers: what anybody can cause at will leaves one log line a second of each kind at most."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mailer import clock

from . import logs, metrics

if TYPE_CHECKING:
    from mailer.errors import ConfigurationError

INTERVAL = 1.0  # seconds between two lines of a kind


class LineLimit:
    """Decides which lines of a kind are written; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def left_out(self, kind: str) -> int | None:
        """Return how many lines were left out before this one, or None if it is to be left out itself."""
        with self._lock:
            now = clock.monotonic()
            if now - self._last.get(kind, now - INTERVAL) < INTERVAL:
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return None
            self._last[kind] = now
            return self._left_out.pop(kind, 0)


_LIMIT = LineLimit()


def refused_caller(trigger: str, kind: str) -> None:
    """Log and count a caller without valid proof, which is of `kind`: key, callback_token, webhook:NAME."""
    left_out = _LIMIT.left_out(kind)
    if left_out is None:
        return
    fields = {"trigger": trigger, "code": "Unauthorized", "proof": kind, "left_out": left_out}
    logs.logger().warning("caller refused", extra=fields)
    metrics.emit(["Unauthorized"], trigger=trigger, count=left_out + 1)


def log_degraded(trigger: str, error: ConfigurationError) -> None:
    """Log a setting for which a part of the API does not work."""
    if _LIMIT.left_out(error.setting) is not None:
        logs.refused(trigger, error)
