"""What goes wrong at a time of its own: the clocks of store and SES, the store itself, and mailer.toml."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from simulation.facts import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.store import SimulatedStore
    from simulation.world import World

MAX_SKEW = 90 * SECOND  # so that store and SES stay within the 5 minutes that are tolerated
MAX_FORGOTTEN = 8  # commands that a failover forgets


class Outages:
    """The faults of one history that happen at a time of their own.

    `ses_skew` is how far SES's clock is ahead of the world's (ms). The store does not answer before
    `down_until`; `generation` counts its primaries. `failovers` has the steps between which everything was
    forgotten. `share` is which share of all faults the history has.
    """

    def __init__(self, world: World, store: SimulatedStore) -> None:
        self.world, self._store = world, store
        self.share = world.random.random() * 0.7
        self.calm = False
        self.full = False
        self.ses_skew = 0
        self.down_until = 0
        self.generation = 0
        self.toml_version = 0
        self.failovers: list[tuple[int, int]] = []
        self._copied_at = 0
        self._commands_left: int | None = None  # until the failover
        self._restarts = False

    def plan(self, until: int) -> None:
        """Let outages happen in the first `until` milliseconds, most of them at the beginning."""
        world, random = self.world, self.world.random
        for name, happen in AT_A_TIME.items():
            if random.random() >= self.share * 0.8:
                continue
            for _ in range(1 if name.endswith("clock set") else random.choice((1, 1, 2, 3))):
                latest = random.choice((3 * SECOND, 40 * SECOND, until))
                world.at(world.start + random.randrange(latest), partial(self._happen, name, happen))

    def _happen(self, name: str, happen: Callable[[Outages], str | None]) -> None:
        if not self.calm and (detail := happen(self)) is not None:
            self.world.reach(f"fault: {name}")
            self.world.note("-", f"! {name} {detail}".rstrip())

    def _skew(self) -> int:
        random = self.world.random
        return random.choice((random.randrange(-10, 10) * SECOND, random.randrange(-MAX_SKEW, MAX_SKEW)))

    def set_store_clock(self) -> str | None:
        """Set the store's clock."""
        self._store.skew = self._skew()
        return f"to {self._store.skew / SECOND:+.1f} s"

    def set_ses_clock(self) -> str | None:
        """Set SES's clock."""
        self.ses_skew = self._skew()
        return f"to {self.ses_skew / SECOND:+.1f} s"

    def begin_failover(self) -> str | None:
        """Let the store forget what it does from now on, some commands later."""
        if self._commands_left is not None or self.full:
            return None
        self._copied_at = self._store.copy()
        self._commands_left = self.world.random.randrange(1, MAX_FORGOTTEN)
        self._restarts = False
        return f"will forget the next {self._commands_left} commands"

    def begin_restart(self) -> str | None:
        """Let the store forget what it does from now on, and not answer for a while."""
        detail = self.begin_failover()
        self._restarts = detail is not None or self._restarts
        return detail

    def count_down(self) -> None:
        """Count a command towards the failover that was begun."""
        if self._commands_left is not None:
            self._commands_left -= 1
            if self._commands_left < 0:
                self._fail_over()

    def _fail_over(self) -> None:
        world = self.world
        self._store.fail_over()
        self.failovers.append((self._copied_at, world.step))
        self._commands_left = None
        self.generation += 1
        world.note("-", f"! the store forgets steps {self._copied_at + 1} to {world.step}")
        if self._restarts or world.random.random() < 0.5:
            self.down_until = world.time + world.random.randrange(200, 20 * SECOND)

    def fill(self) -> str | None:
        """Fill the store for a while."""
        random = self.world.random
        self._set_full(True)
        seconds = random.randrange(1, random.choice((60, 900)))
        self.world.after(seconds * SECOND, self._end_full)
        return f"for {seconds} s"

    def _end_full(self) -> None:
        if not self.calm:
            self.make_room()

    def demote(self) -> str | None:
        """Let every open connection be one to a demoted primary."""
        self.generation += 1
        return ""

    def forget_scripts(self) -> str | None:
        """Let the store forget its scripts."""
        self._store.flush_scripts()
        return ""

    def change_toml(self) -> str | None:
        """Deploy another mailer.toml."""
        self.toml_version += 1
        return f"to version {self.toml_version}"

    def end(self, *, full: bool) -> None:
        """End every fault, but let the store be `full`."""
        if self._commands_left is not None:
            self._fail_over()
        self.calm = True
        self.down_until = 0
        self._set_full(full)
        self.world.note("-", f"the faults end{', but the store is full' * full}")

    def make_room(self) -> None:
        """Let a store that was left full have room again."""
        self._set_full(False)
        self.world.note("-", "the store has room again")

    def _set_full(self, full: bool) -> None:  # noqa: FBT001 - a state
        if self.full != full:
            self.full = full
            self._store.fill(full=full)

    def forgotten(self, step: int, before: int | None = None) -> bool:
        """Return whether the store forgot what it did at `step` (`before` another step)."""
        return any(
            copied < step <= lost and (before is None or lost < before) for copied, lost in self.failovers
        )


AT_A_TIME = {
    "store's clock set": Outages.set_store_clock,
    "SES's clock set": Outages.set_ses_clock,
    "failover": Outages.begin_failover,
    "restart": Outages.begin_restart,
    "store full": Outages.fill,
    "demoted primary": Outages.demote,
    "scripts forgotten": Outages.forget_scripts,
    "mailer.toml changed": Outages.change_toml,
}
