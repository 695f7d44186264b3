"""What many events must have reached, or they show little: every type of event and every class of outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.mutant import samples

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

MIN_EVENTS = 3000  # of fewer events nothing is expected
OUTCOMES = (
    *(f"http: {status}" for status in (200, 202, 204, 400, 401, 404, 405, 413, 415, 422, 431, 503)),
    "queue: batch done",
    "queue: none returned",
    "queue: some returned",
    "queue: RedeliveryRequired",
    "queue: BatchTooLarge",
    "queue: invoked, accepted",
    "queue: invoked, queued",
    "queue: refused, InvalidRequest",
    "queue: refused, UnknownEvent",
    "schedule: done",
    "schedule: InvalidRequest",
    "schedule: UnknownEvent",
)


def missing(reached: Counter[str]) -> list[str]:
    """Return what was never reached."""
    return [name for name in _expected() if not reached[name]]


def table(reached: Counter[str]) -> Iterator[str]:
    """Yield a line for each type of event and each outcome, with how often it was reached."""
    names = sorted({*reached, *_expected()})
    width = max(map(len, names))
    for name in names:
        yield f"  {name:<{width}} {reached[name]:>9,}"


def _expected() -> list[str]:
    return [*(f"event: {sample.name}" for sample in samples()), *OUTCOMES]
