"""The emulator as an object, for tests and for the command line: an account that listens on a port."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, final

from . import admin, hosts
from .account import Account
from .server import Server
from .settings import Settings
from .tls import Tls

if TYPE_CHECKING:
    from .api import Request
    from .response import Response


# How late a batch may begin.
BATCH_SECONDS = 0.2


@final
class Emulator(Account, AbstractContextManager["Emulator"]):
    """A running Tencent Cloud SES on a local port; the keywords are the fields of `Settings`.

        with Emulator(rate=20) as ses:
            profile = HttpProfile(protocol="http", endpoint=ses.address)
            send_with(profile)
            assert [mail.subject for mail in ses.inbox(to="user@example.com")] == ["Hello"]

    It listens from construction to `close()`. Raises OSError where the port is taken or a template
    file is missing, ValueError for templates that cannot be read, and for TLS without the library trustme.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(Settings(**settings))
        self._tls = Tls(self.settings.host) if self.settings.tls else None
        self._server = Server(
            self.settings.host,
            self.settings.port,
            self._respond,
            self.settings.now,
            self.settings.slow_seconds,
            self._tls.context if self._tls else None,
        )
        # The certificate that clients must trust; None without TLS.
        self.ca_file = self._tls.write_ca() if self._tls else None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="ses-emulator", daemon=True
        )
        self._hosts = hosts.own_hosts(self.settings.host, self.port, self._scheme)
        self._stopped = threading.Event()
        self._batches = threading.Thread(target=self._send_batches, name="ses-emulator-batches", daemon=True)
        self.callbacks.start()
        self._thread.start()
        self._batches.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the port and every connection; batches and callbacks not sent yet are dropped."""
        self._stopped.set()
        self._server.close()
        self._thread.join()
        self._batches.join()
        self.callbacks.stop()
        if self._tls:
            self._tls.close()

    @property
    def address(self) -> str:
        """Host and port, as an SDK's `endpoint` takes them."""
        return f"{self.settings.host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """The URL of the API; in a browser it shows the inbox page."""
        return f"{self._scheme}://{self.address}"

    @property
    def _scheme(self) -> str:
        return "https" if self._tls else "http"

    def _send_batches(self) -> None:
        while not self._stopped.wait(BATCH_SECONDS):
            self.tasks.run_due()

    def _respond(self, request: Request) -> Response:
        headers = request.headers
        if "x-tc-action" in headers or (request.method == "POST" and request.path == "/"):
            # Any name will do: a container has one that it does not know, and an SDK signs the one it uses.
            return hosts.reject_origin(headers, self._hosts) or self.api.respond(request)
        return (
            hosts.reject_host(headers, self._hosts, self._scheme)
            or hosts.reject_origin(headers, self._hosts)
            or admin.respond(self, request)
        )
