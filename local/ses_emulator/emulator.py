"""The emulator as an object, for tests and for the command line."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, final

from . import admin
from .api import Api, Request
from .callbacks import Callback, Callbacks
from .faults import Faults
from .mailbox import Call, Mail, Mailbox
from .server import Server
from .settings import Settings

if TYPE_CHECKING:
    from types import TracebackType

    from .answer import Answer
    from .templates import Template


@final
class Emulator:
    """A running Tencent Cloud SES on a local port; the keywords are the fields of `Settings`.

        with Emulator(rate=20) as ses:
            profile = HttpProfile(protocol="http", endpoint=ses.address)
            send_with(profile)
            assert [mail.subject for mail in ses.inbox(to="user@example.com")] == ["Hello"]

    It listens from construction to `close()`. Raises OSError where the port is taken or a template
    file is missing, ValueError for templates that cannot be read.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.mailbox = Mailbox(self.settings)
        self.faults = Faults()
        self.callbacks = Callbacks(self.settings, self.mailbox)
        self.api = Api(self.settings, self.mailbox, self.faults, self.callbacks)
        self._server = Server(
            self.settings.host,
            self.settings.port,
            self._respond,
            self.settings.clock,
            self.settings.slow_seconds,
        )
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="ses-emulator", daemon=True
        )
        self.callbacks.start()
        self._thread.start()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the port and every connection; callbacks that still wait are dropped."""
        self._server.close()
        self._thread.join()
        self.callbacks.stop()

    @property
    def address(self) -> str:
        """Host and port, as an SDK's `endpoint` wants them."""
        return f"{self.settings.host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """The URL, which shows the inbox page in a browser."""
        return f"http://{self.address}"

    def inbox(self, *, to: str = "", smtp_message_id: str = "", after: int = 0) -> list[Mail]:
        """The accepted emails, oldest first: of one recipient, of one Message-ID, after a sequence number."""
        return self.mailbox.mails(to=to, smtp_message_id=smtp_message_id, after=after)

    def calls(self) -> list[Call]:
        """The calls of SendEmail, oldest first, with their outcome."""
        return self.mailbox.calls()

    def acceptances(self, smtp_message_id: str) -> int:
        """How often an email with this Message-ID was accepted; more than once is a duplicate."""
        return self.mailbox.acceptances(smtp_message_id)

    def stats(self) -> dict[str, Any]:
        """All counts: emails, calls by outcome, acceptances by Message-ID, duplicates, rate of SendEmail."""
        return {**self.mailbox.as_json(), "rate": self.api.send_rate.as_json()}

    def counts(self) -> dict[str, int]:
        """The totals of `stats()` alone."""
        return {**self.mailbox.counts(), "busiest_second": self.api.send_rate.busiest_second}

    def add_fault(self, fault: str, *, times: int | None = 1, message: str = "", **match: str) -> None:
        """Let the next `times` matching calls fail that way (None: all of them); see `Faults.add`."""
        self.faults.add(fault, times=times, message=message, **match)

    def add_template(self, template: Template) -> None:
        """Store a template, in place of one with the same id."""
        self.api.templates.add(template)

    def sent_callbacks(self) -> list[Callback]:
        """Every callback handed over so far, once each of them has been sent."""
        self.callbacks.wait()
        return self.callbacks.log()

    def reset(self) -> None:
        """Forget emails, calls, counts, faults and limits used up; templates and settings stay."""
        self.faults.reset()
        self.api.reset()
        self.mailbox.reset()
        self.callbacks.reset()

    def _respond(self, request: Request) -> Answer:
        if "x-tc-action" in request.headers or (request.method == "POST" and request.path == "/"):
            return self.api.answer(request)
        return admin.answer(self, request)
