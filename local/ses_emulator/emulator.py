"""The emulator as an object, for tests and for the command line: an account that listens on a port."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, final

from . import admin, hosts
from .account import Account
from .server import Server
from .settings import Settings

if TYPE_CHECKING:
    from .api import Request
    from .response import Response


@final
class Emulator(Account, AbstractContextManager["Emulator"]):
    """A running Tencent Cloud SES on a local port; the keywords are the fields of `Settings`.

        with Emulator(rate=20) as ses:
            profile = HttpProfile(protocol="http", endpoint=ses.address)
            send_with(profile)
            assert [mail.subject for mail in ses.inbox(to="user@example.com")] == ["Hello"]

    It listens from construction to `close()`. Raises OSError where the port is taken or a template
    file is missing, ValueError for templates that cannot be read.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(Settings(**settings))
        self._server = Server(
            self.settings.host,
            self.settings.port,
            self._respond,
            self.settings.now,
            self.settings.slow_seconds,
        )
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="ses-emulator", daemon=True
        )
        self._hosts = hosts.own_hosts(self.settings.host, self.port)
        self.callbacks.start()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the port and every connection; callbacks not sent yet are dropped."""
        self._server.close()
        self._thread.join()
        self.callbacks.stop()

    @property
    def address(self) -> str:
        """Host and port, as an SDK's `endpoint` takes them."""
        return f"{self.settings.host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """The URL of the API; in a browser it shows the inbox page."""
        return f"http://{self.address}"

    def _respond(self, request: Request) -> Response:
        headers = request.headers
        if "x-tc-action" in headers or (request.method == "POST" and request.path == "/"):
            # Any name will do: a container has one that it does not know, and an SDK signs the one it uses.
            return hosts.reject_origin(headers, self._hosts) or self.api.respond(request)
        return (
            hosts.reject_host(headers, self._hosts)
            or hosts.reject_origin(headers, self._hosts)
            or admin.respond(self, request)
        )
