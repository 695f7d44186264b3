"""SES's event callbacks: one JSON POST per recipient and event, sent once each from a thread of their own."""

import contextlib
import email.header
import http.client
import queue
import threading
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass
from json import dumps
from typing import Any

from .addresses import parse_sender
from .delivery import EVENT_IDS, REASONS, events_of
from .mailbox import Mail, Mailbox
from .settings import Settings

TIMEOUT = 10.0
WAITING_MAX = 10_000
LOG_KEPT = 1_000
CUSTOM_HEADER = "X-Tencentcloudses-Cb-Custom"


@dataclass(frozen=True)
class Callback:
    """A callback that was sent; `status` is the receiver's HTTP status, 0 where there was no answer."""

    url: str
    payload: dict[str, Any]
    status: int
    error: str = ""


class Callbacks:
    """The callbacks of one emulator; without a URL in the settings only those asked for are sent."""

    def __init__(self, settings: Settings, mailbox: Mailbox) -> None:
        self._settings = settings
        self._mailbox = mailbox
        self._waiting: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(WAITING_MAX)
        self._log: deque[Callback] = deque(maxlen=LOG_KEPT)
        self._thread = threading.Thread(target=self._send_all, name="ses-emulator-callbacks", daemon=True)
        # The environment's proxies are for the outside world, and the receiver is local.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the sending thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the callback that is on its way; those still waiting are dropped."""
        self._stopped.set()
        with contextlib.suppress(queue.Full):  # a thread that is not idle sees the event instead
            self._waiting.put_nowait(None)
        self._thread.join(TIMEOUT)

    def log(self) -> list[Callback]:
        """The newest callbacks sent, oldest first."""
        return list(self._log)

    def reset(self) -> None:
        """Forget the callbacks sent."""
        self._log.clear()

    def wait(self) -> None:
        """Return when every callback handed over so far has been sent."""
        self._waiting.join()

    def follow(self, mail: Mail) -> None:
        """Send the events that come of an accepted email, if the settings name a URL."""
        if not self._settings.callback:
            return
        for recipient in mail.recipients:
            for event in events_of(recipient):
                self._enqueue(self._settings.callback, self.payload(mail, recipient, event))

    def trigger(
        self, mail: Mail, event: str, *, recipient: str = "", url: str = "", **overrides: Any
    ) -> list[dict[str, Any]]:
        """Send `event` for one recipient of an email, or for all; returns the payloads.

        The delivery records change as well; `overrides` replace fields of the payload. Raises ValueError for
        an unknown event or recipient, or where there is no URL.
        """
        target = url or self._settings.callback
        if not target.startswith(("http://", "https://")):
            raise ValueError("no callback URL: start with --callback or name one")
        if event not in EVENT_IDS:
            raise ValueError(f"event is one of {', '.join(EVENT_IDS)}")
        recipients = [address for address in mail.recipients if recipient in ("", address)]
        if not recipients:
            raise ValueError("the email has no such recipient")
        payloads = []
        for address in recipients:
            self._mailbox.apply_event(mail.message_id, address, event)
            payload = {**self.payload(mail, address, event), **overrides}
            self._enqueue(target, payload)
            payloads.append(payload)
        return payloads

    def payload(self, mail: Mail, recipient: str, event: str) -> dict[str, Any]:
        """The JSON of one event; `messageId` is the Message-ID without brackets, `bulkId` the MessageId."""
        sender = parse_sender(mail.sender)
        address, domain = (sender.address, sender.domain) if sender else ("", "")
        message_id = mail.smtp_message_id.strip("<>") or f"{mail.message_id}@qcloudmail.com"
        return {
            "event": event,
            "eventid": EVENT_IDS[event],
            "email": recipient,
            "link": f"https://{domain}/" if event == "click" else "",
            "bulkId": mail.message_id,
            "timestamp": int(self._settings.clock()),
            "reason": REASONS[event],
            "bounceType": "hard_bounce" if event == "bounce" else "",
            "username": str(self._settings.app_id),
            "from": address,
            "fromDomain": domain,
            "templateId": mail.template["id"] if mail.template else 0,
            "useragent": "Mozilla/5.0 (SES emulator)" if event in ("open", "click") else "",
            "subject": _encoded(mail.subject),
            "messageId": message_id,
            "taskId": "",
            "sentTimestamp": int(mail.received),
            CUSTOM_HEADER: mail.headers.get(CUSTOM_HEADER, ""),
        }

    def _enqueue(self, url: str, payload: dict[str, Any]) -> None:
        try:
            self._waiting.put_nowait((url, payload))
        except queue.Full:
            self._log.append(Callback(url, payload, 0, "dropped: too many callbacks are waiting"))

    def _send_all(self) -> None:
        while (waiting := self._waiting.get()) is not None and not self._stopped.is_set():
            self._log.append(self._send(*waiting))
            self._waiting.task_done()

    def _send(self, url: str, payload: dict[str, Any]) -> Callback:
        request = urllib.request.Request(  # noqa: S310 -- only http and https get here
            url, dumps(payload).encode(), {"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                return Callback(url, payload, answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return Callback(url, payload, error.code)
        except (OSError, http.client.HTTPException) as error:
            return Callback(url, payload, 0, type(error).__name__)


def _encoded(subject: str) -> str:
    """The subject as a header writes it: MIME-encoded where it is not ASCII."""
    return subject if subject.isascii() else email.header.Header(subject, "utf-8").encode(linesep="")
