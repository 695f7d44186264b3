"""An HTTP front: real requests to 127.0.0.1 become API Gateway (v2) events for the HTTP function."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from .platform import Invocation

HOST = "127.0.0.1"
PORT = 8787
BODY_LIMIT = 10 * 1024 * 1024  # as API Gateway's


class Gateway:
    """A server on `PORT`, or on a free port where that is taken; `invoke` runs the function.

    One request is handled at a time, as one instance of a function does.
    """

    def __init__(self, invoke: Callable[[dict[str, Any]], Invocation], port: int = PORT) -> None:
        one_at_a_time = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if length > BODY_LIMIT:
                    self.close_connection = True
                    self.send_error(413)
                    return
                event = event_of(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
                with one_at_a_time:
                    invocation = invoke(event)
                if invocation.failed:
                    self.send_error(502)
                    return
                answer = invocation.payload
                body = answer["body"].encode()
                self.send_response(answer["statusCode"])
                for name, value in answer["headers"].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Say nothing: a path may hold the callback token."""

        try:
            self._server = ThreadingHTTPServer((HOST, port), Handler)
        except OSError:
            self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="gateway", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def event_of(method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Return the event that API Gateway makes of a request; a body that is no UTF-8 text is base64."""
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
