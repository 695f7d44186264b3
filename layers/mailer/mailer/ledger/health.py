"""Store health: version, durability, clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .store import Store


class StoreHealth(NamedTuple):
    """The store as it is; `time` is its clock in seconds, `durable` whether a restart keeps what it holds."""

    major_version: int
    durable: bool
    evicts: bool
    time: float


def store_health(store: Store) -> StoreHealth:
    """Return what `INFO` and `TIME` say, which managed services answer as well; raises StoreUnavailable."""
    with store.translate_errors():
        info = store.client.info()
        seconds, microseconds = store.client.time()
    return StoreHealth(
        major_version=int(str(info["redis_version"]).partition(".")[0]),
        durable=bool(info.get("aof_enabled")) or bool(info.get("connected_slaves")),
        evicts=info.get("maxmemory_policy", "noeviction") != "noeviction",
        time=seconds + microseconds / 1_000_000,
    )
