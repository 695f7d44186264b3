"""The embedded store of local runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from valkey import ConnectionError as NoConnection
from valkey import Valkey

from local.store import EmbeddedStore, embedded_cluster, embedded_store


def connect(store: EmbeddedStore) -> Valkey:
    return Valkey.from_url(store.url, decode_responses=True)


def test_store_is_empty_durable_and_local() -> None:
    with embedded_store() as store, connect(store) as client:
        settings = client.config_get("*")
        assert client.dbsize() == 0
    assert settings["bind"] == "127.0.0.1"
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"


def test_data_survives_a_crash_of_the_store() -> None:
    with embedded_store() as store:
        with connect(store) as client:
            client.set("key", "value")
        store.kill()
        store.start()
        with connect(store) as client:
            assert client.get("key") == "value"


def test_data_of_a_store_is_removed() -> None:
    with embedded_store() as store, connect(store) as client:
        client.set("key", "value")
        folder = Path(client.config_get("dir")["dir"])
        assert list(folder.rglob("*.aof"))
    assert not folder.exists()
    with connect(store) as client, pytest.raises(NoConnection):
        client.ping()


def test_stores_are_separate() -> None:
    with embedded_store() as one, embedded_store() as other:
        with connect(one) as client:
            client.set("key", "value")
        with connect(other) as client:
            assert client.dbsize() == 0


@pytest.mark.once
def test_servers_of_a_cluster_share_the_slots() -> None:
    with embedded_cluster(2) as cluster:
        one = cluster.servers[0]
        assert cluster.url == f"{one.url}?cluster=true"
        for number, server in enumerate(cluster.servers):
            with connect(server) as client:
                nodes = client.cluster("NODES")
            mine = next(node for address, node in nodes.items() if address.endswith(f":{server.port}"))
            assert mine["slots"] == [["0", "8191"], ["8192", "16383"]][number : number + 1]
    with connect(one) as client, pytest.raises(NoConnection):
        client.ping()
