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


class Moment:
    """The moment when it is made; its age counts a freeze, and is right when the wall clock is set back."""

    def __init__(self) -> None:
        self._wall, self._monotonic = now(), monotonic()

    def age(self) -> float:
        """Return the seconds since then, at least."""
        return max(now() - self._wall, monotonic() - self._monotonic)
