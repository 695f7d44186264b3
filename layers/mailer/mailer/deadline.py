"""How long an invocation may still take, on either cloud."""

from __future__ import annotations

from typing import Any

from . import clock

DEFAULT_SECONDS = 30.0
RESERVE_SECONDS = 0.5  # kept back to settle and to answer
MIN_CALL_SECONDS = 1.5  # no call starts with less time left


class Deadline:
    """The moment by which an invocation must have answered."""

    def __init__(self, seconds: float) -> None:
        self._end = clock.monotonic() + seconds

    @classmethod
    def of(cls, context: Any) -> Deadline:
        """Return the deadline that the platform's context gives: Lambda's object or SCF's dict.

        Without a context, as in a shell, it is 30 seconds.
        """
        if context is None:
            return cls(DEFAULT_SECONDS)
        if isinstance(context, dict):
            milliseconds = context.get("time_limit_in_ms", 3000)
        else:
            milliseconds = context.get_remaining_time_in_millis()
        return cls(float(milliseconds) / 1000 - RESERVE_SECONDS)

    def allows_call(self, *, after: float = 0.0) -> bool:
        """Return whether `after` seconds from now there is still time for a call of SES."""
        return self.remaining() >= after + MIN_CALL_SECONDS

    def remaining(self) -> float:
        """Return the seconds left, down to 0."""
        return max(0.0, self._end - clock.monotonic())
