"""An HTTP gateway: requests to 127.0.0.1 become API Gateway (v2) events for the HTTP function."""

from __future__ import annotations

import base64
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .platform import Invocation

    Invoke = Callable[[dict[str, Any]], Invocation]

HOST = "127.0.0.1"
PORT = 8787
_WITHOUT_BODY = frozenset({204, 304})
BODY_LIMIT = 10 * 1024 * 1024  # as API Gateway's


@contextmanager
def gateway(invoke: Invoke, port: int = PORT) -> Iterator[str]:
    """Serve the function that `invoke` runs until the block ends; yield the URL, without a slash at its end.

    It listens on `port`, or on a free port where that is taken. One request is handled at a time, as one
    instance of a function does.
    """
    try:
        server = _Server(port, invoke)
    except OSError:
        server = _Server(0, invoke)
    thread = threading.Thread(target=server.serve_forever, name="gateway", daemon=True)
    with server:
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    def __init__(self, port: int, invoke: Invoke) -> None:
        super().__init__((HOST, port), _Handler)
        self.invoke = invoke
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_LIMIT:
            self.close_connection = True
            self.send_error(413)
            return
        event = event_of(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
        with self.server.lock:
            invocation = self.server.invoke(event)
        if invocation.failed:
            self.send_error(502)
            return
        response = invocation.payload
        body = response["body"].encode()
        if response["isBase64Encoded"]:
            body = base64.b64decode(body)
        self.send_response(response["statusCode"])
        for name, value in response["headers"].items():
            self.send_header(name, value)
        if self.command != "HEAD" and response["statusCode"] not in _WITHOUT_BODY:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _respond  # noqa: N815 - the base class's names

    def log_message(self, *_: Any) -> None:
        """Suppress logging: a path may hold the callback token."""


def event_of(method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Return the event that API Gateway makes of a request; a body that is not UTF-8 is in base64."""
    parts = urlsplit(target)
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    path = unquote(parts.path)
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": HOST}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": parts.query,
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {"domainName": "local.example", "http": http, "stage": "$default"},
        "body": text,
        "isBase64Encoded": encoded,
    }
