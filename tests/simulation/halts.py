"""What is halted, by what was settled: nothing of such a scope is admitted before its time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulation.world import World


class Halts:
    """The halts of one history, kept beside those of the store: times are the store's (ms)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._until: dict[str, int] = {}
        self._tokens: set[str] = set()

    def forget(self) -> None:
        """Forget every halt, as the store may have done."""
        self._until.clear()

    def settled(self, keys: list[str], params: dict[str, Any], now: int) -> None:
        """Note what a settlement halts."""
        block = params.get("block") or {}
        if block.get("kind") == "halt":
            self._until[keys[-2]] = now + block["ttl_ms"]

    def admitted(self, keys: list[str], params: dict[str, Any], now: int) -> None:
        """Check an admission that says `send`, unless it only repeats a reply that was lost."""
        if params["token"] in self._tokens:
            return
        self._tokens.add(params["token"])
        for key in keys:
            if self._until.get(key, 0) > now:
                self._world.violate(f"an email was sent while {key.partition('}:')[2]} was in force")
