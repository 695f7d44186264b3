"""Many histories in several processes, each with a store of its own."""

from __future__ import annotations

import gc
import multiprocessing
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from local.store import embedded_store
from simulation.injection import injected
from simulation.simulate import Result, run
from simulation.store import SimulatedStore

if TYPE_CHECKING:
    from collections.abc import Iterator


class Chunk(NamedTuple):
    """The histories of some seeds: what they reached, and those that broke a promise."""

    histories: int
    steps: int
    reached: Counter[str]
    failed: list[Result]


def run_chunks(chunks: list[range], jobs: int) -> Iterator[Chunk]:
    """Yield the result of each chunk, in any order, computed by `jobs` processes with a store each."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        urls = context.SimpleQueue()
        for _ in range(jobs):
            urls.put(stack.enter_context(embedded_store()).url)
        pool = stack.enter_context(context.Pool(jobs, _begin, (urls,)))
        yield from pool.imap_unordered(_run_chunk, chunks)


_store: SimulatedStore  # of this process


def _begin(urls: Any) -> None:
    global _store  # noqa: PLW0603 - a process has one store for all its histories
    _store = SimulatedStore(urls.get())
    gc.disable()  # a tenth of the time; each chunk collects at its end


def _run_chunk(seeds: range) -> Chunk:
    chunk = Chunk(len(list(seeds)), 0, Counter(), [])
    steps = 0
    with injected():
        for seed in seeds:
            result = run(seed, _store)
            steps += result.steps
            chunk.reached.update(result.reached)
            if result.violation:
                chunk.failed.append(run(seed, _store, recording=True))
    gc.collect()
    return chunk._replace(steps=steps)
