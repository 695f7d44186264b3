"""Store health: version, durability, kind of server; how full the store and its dead letters are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .store import Store

NEARLY_FULL = 80.0  # percent
FULL = 100.0


class StoreHealth(NamedTuple):
    """The store as it is; `durable` is whether a restart keeps what it holds."""

    major_version: int
    durable: bool
    evicts: bool
    in_cluster: bool


class StoreUsage(NamedTuple):
    """How full the store is: `memory` in percent of its maxmemory, None without one.

    `dead_letters` is their number, `dead_letters_used` their bytes in percent of MAILER_DEAD_LETTERS_MAX.
    """

    memory: float | None
    dead_letters: int
    dead_letters_used: float

    @property
    def nearly_full(self) -> bool:
        """Whether the store or its dead letters have 80 % of what they may have."""
        return max(self.memory or 0.0, self.dead_letters_used) >= NEARLY_FULL


def store_health(store: Store) -> StoreHealth:
    """Return what `INFO` says, which managed services answer as well; raises StoreUnavailable."""
    with store.translate_errors():
        info = store.server.info()
    return StoreHealth(
        major_version=int(str(info["redis_version"]).partition(".")[0]),
        durable=bool(info.get("aof_enabled")) or bool(info.get("connected_slaves")),
        evicts=info.get("maxmemory_policy", "noeviction") != "noeviction",
        in_cluster=bool(info.get("cluster_enabled")),
    )


def store_usage(store: Store) -> StoreUsage:
    """Return how full the store is, in one round trip; raises StoreUnavailable."""
    with store.translate_errors():
        pipeline = store.server.pipeline(transaction=False)
        pipeline.info("memory")
        pipeline.xlen(store.key("dead"))
        pipeline.hget(store.key("dead_size"), "bytes")
        info, letters, size = pipeline.execute()
    most = int(info.get("maxmemory") or 0)
    return StoreUsage(
        memory=_percent(int(info["used_memory"]), most) if most else None,
        dead_letters=int(letters),
        dead_letters_used=_percent(int(size or 0), store.bounds.dead_letters_max),
    )


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1)
