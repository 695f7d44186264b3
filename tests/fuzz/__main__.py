"""`make fuzz EVENTS=100000 SEED=x`: so many events, on all cores. `make fuzz EVENT=17 SEED=x`: one alone."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

from fuzz.mutant import CHUNK, make
from fuzz.processes import measure_alone, run_chunks
from fuzz.reached import MIN_EVENTS, missing, table
from fuzz.run import Chunk, Failure

PROGRESS_SECONDS = 10.0
MAX_FAILURES = 20
SHOWN = 5000  # characters of an event


def main() -> int:
    """Return the exit status: 0 if every event was handled as it must be, and everything was reached."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--events", type=int, default=100_000, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", default="1", help="any text: another one gives other events")
    parser.add_argument("--event", type=int, help="repeat this one and print it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.event is not None:
        return _repeat(options.seed, options.event)
    return _run_many(options.seed, range(options.first, options.first + options.events), options.jobs)


def _repeat(seed: str, number: int) -> int:
    mutant = make(seed, number)
    print(ascii(f"{mutant} (to {mutant.function}, {mutant.seconds} s left)"))
    text = ascii(mutant.event)
    print(text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)")
    chunk = measure_alone(seed, number)
    print(", ".join(name for name in chunk.reached if not name.startswith("event: ")))
    print(f"{chunk.slowest:.2f} s of processor time, {chunk.largest:.0f} MB")
    for failure in chunk.failures:
        print("\n".join([*failure.faults, *failure.costs]))
    return 1 if chunk.failures else 0


def _run_many(seed: str, numbers: range, jobs: int) -> int:
    began = printed = time.monotonic()
    done = Chunk()
    chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
    for chunk in run_chunks(seed, chunks, jobs):
        done = _sum(done, chunk)
        if len(done.failures) >= MAX_FAILURES:
            break
        if time.monotonic() - printed >= PROGRESS_SECONDS:
            printed = time.monotonic()
            print(f"{done.events:,} of {len(numbers):,} events, {printed - began:.0f} s", flush=True)
    failures = [failure for failure in (_confirmed(seed, one) for one in done.failures) if failure]
    print("\n".join(table(done.reached)))
    seconds = time.monotonic() - began
    print(
        f"{done.events:,} events in {seconds:.0f} s; at most {done.slowest:.2f} s of processor time for one"
    )
    for failure in failures:
        print(f"\nseed {seed}, {failure.mutant}".encode("ascii", "backslashreplace").decode())
        print("\n".join(f"    {fault}" for fault in (*failure.faults, *failure.costs)))
        print(f"    repeat it: make fuzz EVENT={failure.number} SEED={seed}")
    never = missing(done.reached) if done.events >= MIN_EVENTS and not failures else []
    for name in never:
        print(f"never reached: {name}")
    return 1 if failures or never else 0


def _sum(one: Chunk, other: Chunk) -> Chunk:
    return Chunk(
        one.events + other.events,
        Counter(one.reached) + other.reached,
        one.failures + other.failures,
        max(one.slowest, other.slowest),
        max(one.largest, other.largest),
    )


def _confirmed(seed: str, failure: Failure) -> Failure | None:
    """Return a failure as it is, where it is not for its costs alone; those must be so once more."""
    if failure.faults:
        return failure
    return next(iter(measure_alone(seed, failure.number).failures), None)


if __name__ == "__main__":
    sys.exit(main())
