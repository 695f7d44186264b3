"""What goes wrong at the steps of a process: each history has faults of its own, drawn from its seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import valkey

from simulation.facts import SECOND
from simulation.outages import Outages
from simulation.world import Killed

if TYPE_CHECKING:
    from simulation.store import SimulatedStore
    from simulation.world import World

# How often each fault happens at a step of a history that has it.
AT_A_STEP = {
    "killed before a command": 0.02,
    "killed after a command": 0.02,
    "stalled before a command": 0.03,
    "stalled after a command": 0.03,
    "frozen": 0.02,
    "slow": 0.15,
    "command not sent": 0.03,
    "reply lost": 0.05,
    "two replies lost": 0.02,
    "worker's clock set": 0.02,
}
MAX_WORKER_SKEW = 22 * SECOND


class Faults(Outages):
    """The faults of one history; `calm` when they are over."""

    def __init__(self, world: World, store: SimulatedStore, labels: dict[str, str]) -> None:
        super().__init__(world, store)
        random = world.random
        self._labels = labels
        self._rates = {
            name: rate * random.choice((0.5, 1, 2))
            for name, rate in AT_A_STEP.items()
            if random.random() < self.share
        }
        self._replies_to_lose = 0

    def label(self, email: str) -> str:
        """Return what the history calls an email."""
        return self._labels.get(email, email)

    def happens(self, name: str) -> bool:
        """Return whether a fault happens now."""
        rate = self._rates.get(name)
        if rate is None or self.calm or self.world.random.random() >= rate:
            return False
        self.world.reach(f"fault: {name}")
        return True

    def hit(self, name: str, detail: str = "") -> bool:
        """Return whether a fault happens now, and say so in the history."""
        if not self.happens(name):
            return False
        self.world.note(self.world.process.name, f"! {name} {detail}".rstrip())
        return True

    def before_command(self, name: str, conn: Any) -> None:
        """Let time pass before a command of the store; raises what becomes of it instead."""
        world = self.world
        self._step(name, "before")
        if conn.opened is not self:
            conn.opened, conn.generation = self, self.generation
        self.count_down()
        if world.time < self.down_until:
            raise valkey.ConnectionError("the store is down")
        if conn.generation != self.generation:
            world.note(world.process.name, f"! {name} at a demoted primary")
            raise valkey.exceptions.ReadOnlyError("You can't write against a read only replica.")
        if not self._replies_to_lose and self.hit("command not sent", name):
            raise valkey.ConnectionError("cut off before the command")

    def after_command(self, name: str) -> None:
        """Let time pass after a command of the store; raises what becomes of its reply instead."""
        self._step(name, "after")
        if not self._replies_to_lose:
            if self.hit("reply lost", name):
                self._replies_to_lose = 1
            elif self.hit("two replies lost", name):
                self._replies_to_lose = 2
        if self._replies_to_lose:
            self._replies_to_lose -= 1
            raise valkey.ConnectionError("cut off before the reply")

    def _step(self, name: str, when: str) -> None:
        world, random = self.world, self.world.random
        if self.hit(f"killed {when} a command", name):
            world.kill(world.process)
            raise Killed
        delay = random.randrange(3)
        if self.happens("slow"):
            delay += random.randrange(10, 2000)
        if self.happens(f"stalled {when} a command"):
            stall = random.randrange(1, random.choice((20, 60, 1500)))
            world.note(world.process.name, f"! stalls for {stall} s {when} {name}")
            delay += stall * SECOND
        elif world.process.has_one_thread and self.happens("frozen"):
            frozen = random.randrange(5, random.choice((60, 1500)))
            world.note(world.process.name, f"! frozen for {frozen} s {when} {name}")
            world.process.frozen += frozen * SECOND
            delay += frozen * SECOND
        self.set_worker_clock()
        world.wait(delay)

    def set_worker_clock(self) -> None:
        """Set the wall clock of the running process, perhaps."""
        if self.happens("worker's clock set"):
            process = self.world.process
            process.skew = self.world.random.randrange(-MAX_WORKER_SKEW, MAX_WORKER_SKEW)
            self.world.note(process.name, f"! its clock is set to {process.skew / SECOND:+.1f} s")
