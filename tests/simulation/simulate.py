"""`run` lets one history happen and judges it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from simulation import injection
from simulation.callers import Callers
from simulation.facts import CHAOS, DAY, MINUTE
from simulation.history import History
from simulation.oracle import Oracle, reach_states
from simulation.schedules import Callbacks, Digests, plan_schedules
from simulation.world import Violation

if TYPE_CHECKING:
    from collections import Counter

    from simulation.store import SimulatedStore

LONG = (4, 32 * DAY)  # how often so much time passes at the end of a long history: more than the retention


@dataclass(frozen=True)
class Result:
    """What became of one seed: the promise that it broke, and its lines where they were recorded."""

    seed: int
    violation: str | None
    lines: list[str]
    reached: Counter[str]
    steps: int


def run(seed: int, store: SimulatedStore, *, recording: bool = False) -> Result:
    """Return the result of one history; call it inside `injected()`."""
    random = Random(seed)
    history = History(random, store, recording=recording)
    world, violation = history.world, None
    injection.begin(world)
    try:
        _happen(history)
    except Violation as error:
        violation = str(error)
        store.fill(full=False)
    return Result(seed, violation, world.lines or [], world.reached, world.step)


def _happen(history: History) -> None:
    oracle, world = Oracle(history), history.world
    Callbacks(history)
    digests = Digests(history)
    Callers(history).plan()
    if history.plan.halts:
        world.reach("fault: only halts")
    if history.plan.digests:
        digests.plan()
    plan_schedules(history)
    history.faults.plan(CHAOS)
    world.run_until_idle()

    history.faults.end(full=history.plan.full)
    oracle.check_store()
    history.sweep_until_quiet()
    if history.plan.full:
        world.reach("fault: store full at the end")
        oracle.check_promises(oracle.check_store())
        history.faults.make_room()
        history.sweep_until_quiet()
    content = oracle.check_store()
    reach_states(history, content)
    oracle.check_promises(content)
    if history.plan.long:
        _let_the_retention_pass(history)
        oracle.check_gone(oracle.check_store())


def _let_the_retention_pass(history: History) -> None:
    times, milliseconds = LONG
    for _ in range(times):
        history.world.time += milliseconds
        history.sweep()
        history.world.run_until_idle()
        if history.items:
            history.run_digest(history.world.time)
            history.world.run_until_idle()
    history.world.time += MINUTE
