"""The mutants: a seed and a number always give the same event."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any

from fuzz.mutations import LARGE, mutate
from fuzz.nesting import closed, opened
from fuzz.planted import plant
from fuzz.shapes import shapes
from local.sample_events import sample_events

if TYPE_CHECKING:
    from local.sample_events import SampleEvent

CHUNK = 50
"""Events that share a store: each chunk begins with an empty one."""
_NUMBER_OF_CHANGES = ((0, 5), (1, 55), (2, 25), (3, 9), (6, 4), (15, 2))
_WHOLE_EVENTS: tuple[Any, ...] = (None, [], {}, "", "x", 0, True, [{}], {"": {}}, float("nan"), [[[]]])
_REMAINING = ((10.0, 94), (1.0, 5), (0.0, 1))


@dataclass(frozen=True)
class Mutant:
    """One event to handle; `seconds` is what its context says is left."""

    number: int
    name: str
    cloud: str
    function: str
    event: Any
    mutations: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        changes = "; ".join(self.mutations) or "unchanged"
        return f"event {self.number}, {self.name}: {changes}"


@lru_cache(maxsize=1)
def samples() -> tuple[SampleEvent, ...]:
    """Return every sample, and the shapes that have none."""
    return (*sample_events(), *shapes())


def make(seed: str, number: int) -> Mutant:
    """Return the mutant of a number."""
    random = Random(f"{seed}:{number}")
    sample = random.choice(samples())
    others = [other.payload for other in samples()]
    identity = f"-{number}" if random.random() < 0.8 else ""
    tree = plant(opened(deepcopy(sample.payload)), number, identity)
    mutations = [mutate(tree, random, others) for _ in range(_weighed(random, _NUMBER_OF_CHANGES))]
    mutations += [change(tree, random, others) for change, share in LARGE if random.random() < share]
    event = closed(tree)
    if random.random() < 0.005:
        event = random.choice(_WHOLE_EVENTS)
        mutations.append("another event")
    function = sample.function
    if random.random() < 0.01:
        function = random.choice(["http", "queue", "schedule"])
        mutations.append(f"to {function}")
    made = tuple(one for one in mutations if one is not None)
    return Mutant(number, sample.name, sample.cloud, function, event, made, _weighed(random, _REMAINING))


def _weighed(random: Random, choices: Any) -> Any:
    values, weights = zip(*choices, strict=True)
    return random.choices(values, weights)[0]
