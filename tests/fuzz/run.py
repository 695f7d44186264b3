"""Runs of mutants: a chunk that shares a store, or one event after those before it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from fuzz import answers, checks
from fuzz.mutant import CHUNK, make

if TYPE_CHECKING:
    from fuzz.functions import Functions


class Failure(NamedTuple):
    """An event that broke a rule; what it cost counts only once it was measured again alone."""

    number: int
    mutant: str
    faults: list[str]
    costs: list[str]


@dataclass
class Chunk:
    """How many events there were of each type and outcome, which failed, and the largest costs."""

    events: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    slowest: float = 0.0
    largest: float = 0.0


def run_chunk(functions: Functions, seed: str, numbers: range) -> Chunk:
    """Handle the events of a chunk one after the other, beginning with an empty store."""
    functions.reset()
    chunk = Chunk()
    for number in numbers:
        _run(functions, seed, number, chunk)
    return chunk


def run_event(functions: Functions, seed: str, number: int) -> Chunk:
    """Handle one event, after those that come before it in its chunk."""
    functions.reset()
    for before in range(number - number % CHUNK, number):
        functions.observe(make(seed, before))
    chunk = Chunk()
    _run(functions, seed, number, chunk)
    return chunk


def _run(functions: Functions, seed: str, number: int, chunk: Chunk) -> None:
    mutant = make(seed, number)
    seen = functions.observe(mutant)
    faults, costs = checks.faults(mutant, seen), checks.costs(mutant, seen)
    chunk.events += 1
    chunk.reached[f"event: {mutant.name}"] += 1
    chunk.reached[answers.outcome(mutant, seen)] += 1
    chunk.slowest, chunk.largest = max(chunk.slowest, seen.seconds), max(chunk.largest, seen.growth)
    if faults or costs:
        chunk.failures.append(Failure(number, str(mutant), faults, costs))
