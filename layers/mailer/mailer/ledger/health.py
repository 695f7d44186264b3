"""Store health: version, durability, kind of server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .store import Store


class StoreHealth(NamedTuple):
    """The store as it is; `durable` is whether a restart keeps what it holds."""

    major_version: int
    durable: bool
    evicts: bool
    in_cluster: bool


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
