"""The clocks of the process, in one place: wall time, monotonic time, and waiting."""

from __future__ import annotations

import time


def now() -> float:
    """Return the wall time in seconds since 1970."""
    return time.time()


def monotonic() -> float:
    """Return a time in seconds that is never set back; it does not advance while an instance is frozen."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Return after `seconds`."""
    time.sleep(seconds)
