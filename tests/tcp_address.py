"""An address of this machine that stands for one server after another, as that of a managed store does."""

from __future__ import annotations

import selectors
import socket
import socketserver
from contextlib import suppress
from typing import TYPE_CHECKING

from loopback_server import LoopbackServer, serving

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def moving_address(port: int) -> AbstractContextManager[Address]:
    """Serve an address until the block ends; `port` is that of the first server behind it."""
    return serving(Address(port))


class Address(LoopbackServer):
    """An address that leads new connections to the server at `port`; open ones stay where they are."""

    def __init__(self, port: int) -> None:
        super().__init__(_Connection)
        self.port = port
        self.url = f"redis://127.0.0.1:{self.server_address[1]}/0"


class _Connection(socketserver.BaseRequestHandler):
    server: Address

    def handle(self) -> None:
        self.server.opened += 1
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self.server.port)) as there,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(self.request, selectors.EVENT_READ, (self.request, there))
            selector.register(there, selectors.EVENT_READ, (there, self.request))
            while True:
                for key, _ in selector.select():
                    source, sink = key.data
                    data = source.recv(65_536)
                    if not data:
                        return
                    sink.sendall(data)
