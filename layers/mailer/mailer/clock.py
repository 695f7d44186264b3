"""The clocks of the process, in one place: wall time, monotonic time, and waiting."""

from __future__ import annotations

import time
from dataclasses import dataclass

MAX_ROUND_TRIP = 2.0  # seconds
MAX_DRIFT = 1.0  # seconds


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


@dataclass(frozen=True)
class Offset:
    """How many seconds another clock was ahead of this process's wall clock when it was measured.

    `drift` is how far the wall clock was ahead of the monotonic one then: it changes when the wall clock is
    set, or the process frozen.
    """

    seconds: float
    drift: float

    def minus(self, other: Offset) -> float | None:
        """Return how many seconds the clock is ahead of another; None if this process's was set meanwhile."""
        return self.seconds - other.seconds if abs(self.drift - other.drift) <= MAX_DRIFT else None


def offset_of(time: float, asked_at: Moment) -> Offset | None:
    """Return the offset of a clock by the `time` in an answer that has just come.

    None if the answer came so late after `asked_at` that its time says little about now.
    """
    if asked_at.age() > MAX_ROUND_TRIP:
        return None
    wall = now()
    return Offset(time - wall, wall - monotonic())
