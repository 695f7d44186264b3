"""The Runtime API of AWS Lambda (2018-06-01), for one instance at a time."""

from __future__ import annotations

import contextlib
import json
import queue
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from .instance import Job, Message, MessageKind

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION = "/2018-06-01/runtime"


class RuntimeApi(socketserver.ThreadingTCPServer):
    """Serves one runtime: its messages go to `on_message`, and it takes its next event from `jobs`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, function_arn: str, on_message: Callable[[Message], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.function_arn = function_arn
        self.on_message = on_message
        self.jobs: queue.Queue[Job | None] = queue.Queue()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.02,), name="runtime-api", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port, as in AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        """Stop serving; a runtime that waits for its next event loses the connection."""
        self.jobs.put(None)
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Connection(BaseHTTPRequestHandler):
    server: RuntimeApi
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one send per response: in two, delayed acknowledgements cost 40 ms each

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a killed runtime drops the connection
            super().handle()

    def do_GET(self) -> None:
        if self.path != f"{_VERSION}/invocation/next":
            return self._send_json(404, {"errorType": "InvalidRequest"})
        self.server.on_message(Message(MessageKind.READY))
        job = self.server.jobs.get()
        if job is None:
            self.close_connection = True
            return None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": job.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + job.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self.server.function_arn,
        }
        return self._send(200, job.event.encode(), headers)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        self.server.on_message(Message(MessageKind(self.path.rpartition("/")[2]), body))
        self._send_json(202, {"status": "OK"})

    def log_message(self, *_: Any) -> None:
        """Suppress logging: the function's own output is its log."""

    def _send_json(self, status: int, document: dict[str, str]) -> None:
        self._send(status, json.dumps(document).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")  # awslambdaric's C client crashes without
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
