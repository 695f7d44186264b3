"""Many chunks in several processes, each with a store and an emulator of its own."""

from __future__ import annotations

import multiprocessing
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from fuzz.functions import Functions, functions, servers
from fuzz.run import Chunk, run_chunk, run_event

if TYPE_CHECKING:
    from collections.abc import Iterator


def run_chunks(seed: str, chunks: list[range], jobs: int) -> Iterator[Chunk]:
    """Yield the result of each chunk, in any order, computed by `jobs` processes."""
    with _pool(jobs) as pool:
        yield from pool.imap_unordered(_run_chunk, [(seed, chunk) for chunk in chunks])


def measure_alone(seed: str, number: int) -> Chunk:
    """Return the result of one event in a new process, while no other runs."""
    with _pool(1) as pool:
        result: Chunk = pool.apply(_run_event, (seed, number))
        return result


@contextmanager
def _pool(jobs: int) -> Iterator[Any]:
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        addresses = context.SimpleQueue()
        for _ in range(jobs):
            addresses.put(stack.enter_context(servers()))
        yield stack.enter_context(context.Pool(jobs, _begin, (addresses,)))


_stack = ExitStack()
_functions: Functions  # of this process


def _begin(addresses: Any) -> None:
    global _functions  # noqa: PLW0603 - a process is one set of functions for all its chunks
    _functions = _stack.enter_context(functions(*addresses.get()))


def _run_chunk(task: tuple[str, range]) -> Chunk:
    return run_chunk(_functions, *task)


def _run_event(seed: str, number: int) -> Chunk:
    return run_event(_functions, seed, number)
