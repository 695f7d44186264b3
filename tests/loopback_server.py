"""Servers of the tests: on a free port of this machine, each connection in a thread."""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator


class LoopbackServer(socketserver.ThreadingTCPServer):
    """A server; `opened` counts its connections."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, connection: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), connection)
        self.opened = 0


_Server = TypeVar("_Server", bound=LoopbackServer)


@contextmanager
def serving(server: _Server) -> Iterator[_Server]:
    """Serve until the block ends."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
