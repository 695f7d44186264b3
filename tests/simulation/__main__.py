"""`make simulate SEEDS=1500`: so many histories, on all cores. `make simulate SEED=17`: one, line by line."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from local.store import embedded_store
from simulation.injection import injected
from simulation.processes import run_chunks
from simulation.reached import MIN_SEEDS, missing, table
from simulation.simulate import run
from simulation.store import SimulatedStore

if TYPE_CHECKING:
    from simulation.simulate import Result

CHUNK = 50
PROGRESS_SECONDS = 10.0
MAX_FAILURES = 5


def main() -> int:
    """Return the exit status: 0 if every history held and everything was reached."""
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--seeds", type=int, default=1500, help="how many histories, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="replay this one and print it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.seed is not None:
        return _replay(options.seed)
    return _run_many(range(options.first, options.first + options.seeds), options.jobs)


def _replay(seed: int) -> int:
    with embedded_store() as server, injected():
        result = run(seed, SimulatedStore(server.url), recording=True)
    print("\n".join(result.lines))
    print(f"\nseed {seed}: {result.violation or 'every promise was kept'}")
    return 1 if result.violation else 0


def _run_many(seeds: range, jobs: int) -> int:
    began = printed = time.monotonic()
    histories, steps, reached = 0, 0, Counter[str]()
    failed: list[Result] = []
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    for chunk in run_chunks(chunks, jobs):
        histories, steps = histories + chunk.histories, steps + chunk.steps
        reached.update(chunk.reached)
        failed += chunk.failed
        if len(failed) >= MAX_FAILURES:
            break
        if time.monotonic() - printed >= PROGRESS_SECONDS:
            printed = time.monotonic()
            print(f"{histories:,} of {len(seeds):,} histories, {printed - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    print("\n".join(table(reached)))
    print(f"{histories:,} histories of {steps / max(histories, 1):.0f} store commands in {seconds:.0f} s")
    for result in failed:
        print(f"\nseed {result.seed}: {result.violation}")
        print("\n".join(f"    {line}" for line in result.lines))
        print(f"    replay it: make simulate SEED={result.seed}")
    never = missing(reached) if histories >= MIN_SEEDS and not failed else []
    for name in never:
        print(f"never reached: {name}")
    return 1 if failed or never else 0


if __name__ == "__main__":
    sys.exit(main())
