"""The HTTP/1.1 server: keep-alive, one send per response, and faults on the connection itself."""

import contextlib
import re
import selectors
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from .api import GATEWAY_MAX, Request
from .response import Ending, Response, json_response

DRAIN_MAX = 64 * 1024 * 1024
IDLE_SECONDS = 75
SHUTDOWN_SECONDS = 5
_LENGTH = re.compile(r"[0-9]{1,12}")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Respond = Callable[[Request], Response]


class Server(socketserver.ThreadingTCPServer):
    """A server with a thread per connection; `respond` returns the response to each request."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self,
        host: str,
        port: int,
        respond: Respond,
        clock: Callable[[], float],
        slow: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.respond = respond
        self._tls = tls
        self.clock = clock
        self.slow_seconds = slow
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__((host, port), _Connection)

    def get_request(self) -> tuple[Any, Any]:
        """Return a new connection and its address; the TLS handshake is left to the connection's thread."""
        connection, address = super().get_request()
        if self._tls is None:
            return connection, address
        return self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for one connection, which `close` ends from now on."""
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._connections.discard(request)
                self._changed.notify_all()

    def close(self) -> None:
        """Stop accepting, end every connection, and wait for their threads."""
        self.shutdown()
        self.server_close()
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._connections, SHUTDOWN_SECONDS)


class _Connection(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Serve requests until either side ends the connection."""
        with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Suppress logging: the account records its calls."""

    def _respond(self) -> None:
        arrived = self.server.clock()
        length = self.headers.get("Content-Length", "0")
        if not _LENGTH.fullmatch(length) or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(json_response({"error": "a body needs a Content-Length header"}, 411))
            return
        size = int(length)
        body = self._read_body(size)
        if body is None:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.server.respond(Request(self.command, self.path, headers, body, size, arrived)))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _respond  # noqa: N815 -- the base class's names

    def _read_body(self, size: int) -> bytes | None:
        """Return the body; b"" if it is over the gateway's limit, None if the client disconnected."""
        if size <= GATEWAY_MAX:
            body = self.rfile.read(size)
            return body if len(body) == size else None
        # Unread bytes would turn the close into a reset, and the client would not see the response.
        self.close_connection = True
        unread = min(size, DRAIN_MAX)
        while unread and (chunk := self.rfile.read(min(unread, 1 << 20))):
            unread -= len(chunk)
        return b""

    def _send(self, response: Response) -> None:
        if response.ending is not Ending.COMPLETE:
            self.close_connection = True
        if response.ending is Ending.HANG:
            self._wait_for_client()
        elif response.ending is Ending.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            # The descriptor is closed directly: the server's shutdown() would send a FIN before the RST.
            socket.close(self.connection.detach())
        elif response.ending is not Ending.CLOSE:
            self.wfile.write(response.encode(close=self.close_connection, date=self.server.clock()))

    def _wait_for_client(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            selector.select(self.server.slow_seconds)
