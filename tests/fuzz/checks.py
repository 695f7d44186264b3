"""What must hold for every event, whatever is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fuzz import answers, nesting, planted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.functions import Observation
    from fuzz.mutant import Mutant

MAX_EVENT_MB = 6.3  # more is given to no function in one piece
MAX_SECONDS = 1.0
SECONDS_PER_LINE = 0.004  # what each email or message takes that has a line in the log
MAX_LINE_BYTES = 16_384
MB_BESIDE_THE_BODY = 64
TIMES_THE_BODY = 6


def faults(mutant: Mutant, seen: Observation) -> list[str]:
    """Return everything that is wrong with the way an event was handled, costs aside."""
    return [*answers.faults(mutant, seen), *_log_faults(seen.log), *_leaks(mutant, seen)]


def costs(mutant: Mutant, seen: Observation) -> list[str]:
    """Return in which way handling an event took too much; another run may show that something else did."""
    found = []
    if seen.size <= MAX_EVENT_MB:
        seconds = MAX_SECONDS + SECONDS_PER_LINE * max(0, seen.log.count("\n") - 100)
        if seen.seconds > seconds:
            found.append(f"{seen.seconds:.2f} s of processor time for {seen.size:.2f} MB")
        if answers.is_refused(mutant, seen) and seen.growth > TIMES_THE_BODY * seen.size + MB_BESIDE_THE_BODY:
            found.append(f"{seen.growth:.0f} MB of memory for {seen.size:.2f} MB")
    return found


def _log_faults(log: str) -> Iterator[str]:
    for line in log.splitlines():
        if len(line.encode()) > MAX_LINE_BYTES:
            yield f"a log line of {len(line.encode())} bytes"
        try:
            fields = json.loads(line)
        except ValueError:
            yield f"a line that is no JSON: {line[:200]!r}"
            continue
        if fields.get("message") == "unexpected error":
            yield f"an unexpected error: {fields['error']} at {fields['at'][-3:]}"


def _leaks(mutant: Mutant, seen: Observation) -> Iterator[str]:
    yield from (f"in the log: {leak}" for leak in planted.leaks_in_log(seen.log))
    if seen.answer is not None:
        given = "\n".join(nesting.texts(mutant.event))
        yield from (
            f"in the answer: {leak}"
            for leak in planted.leaks_in_answer(repr(seen.answer), mutant.number, given)
        )
    if seen.error is not None:
        yield from (f"in the error: {leak}" for leak in planted.leaks_in_log(str(seen.error)))
