"""TLS in front of a store that has none: an address that decrypts, notes and passes on what comes in.

The certificates in `data/tls` are for `store.example` and `other.example` and the names below them, signed by
`ca.pem`, with openssl, for a hundred years; nobody has that authority's key any more.
"""

from __future__ import annotations

import selectors
import socket
import socketserver
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from loopback_server import LoopbackServer, serving

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

DATA = Path(__file__).with_name("data")
CA = DATA / "tls" / "ca.pem"
STORE = DATA / "tls" / "store.pem"
OTHER = DATA / "tls" / "other.pem"


def tls_front(port: int) -> AbstractContextManager[TlsFront]:
    """Serve TLS until the block ends, for the server at `port` of this machine."""
    return serving(TlsFront(port))


class TlsFront(LoopbackServer):
    """Its `certificate` is that of new connections; `received` is all that clients sent after a handshake.

    Where `client_ca` is set, clients must show a certificate of it.
    """

    def __init__(self, upstream: int) -> None:
        super().__init__(_Connection)
        self.upstream = upstream
        self.port = int(self.server_address[1])
        self.certificate: tuple[Path, Path | None] = (STORE, None)
        self.client_ca: Path | None = None
        self.received = bytearray()

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class _Connection(socketserver.BaseRequestHandler):
    server: TlsFront

    def handle(self) -> None:
        self.server.opened += 1
        with (
            suppress(OSError),
            self.server.context().wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(("127.0.0.1", self.server.upstream)) as there,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(client, selectors.EVENT_READ)
            selector.register(there, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is there:
                        data = there.recv(65_536)
                        client.sendall(data)
                    else:
                        data = client.recv(65_536)
                        while client.pending():
                            data += client.recv(65_536)
                        self.server.received += data
                        there.sendall(data)
                    if not data:
                        return
