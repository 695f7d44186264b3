"""Event callbacks: one JSON POST per recipient and event, each sent once, from a separate thread."""

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
from .blocklists import Blocklists
from .delivery import EVENT_IDS, REASONS, events_of
from .mailbox import Mailbox
from .mails import Mail
from .settings import Settings

TIMEOUT = 10.0
QUEUE_MAX = 10_000
LOG_MAX = 1_000
HARD_BOUNCE = "hard_bounce"
CUSTOM_HEADER = "X-Tencentcloudses-Cb-Custom"


@dataclass(frozen=True)
class Callback:
    """A callback that was sent; `status` is the receiver's HTTP status, 0 without a response."""

    url: str
    payload: dict[str, Any]
    status: int
    error: str = ""


class Callbacks:
    """The callbacks of one account; without a URL in the settings, `trigger` alone sends any."""

    def __init__(self, settings: Settings, mailbox: Mailbox, blocklists: Blocklists) -> None:
        self._settings = settings
        self._mailbox = mailbox
        self._blocklists = blocklists
        self._queue: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(QUEUE_MAX)
        self._log: deque[Callback] = deque(maxlen=LOG_MAX)
        self._thread = threading.Thread(target=self._send_queued, name="ses-emulator-callbacks", daemon=True)
        # The receiver is local, so the environment's proxies do not apply.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the sending thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the callback being sent; those still queued are dropped."""
        self._stopped.set()
        with contextlib.suppress(queue.Full):  # a busy thread checks the event instead
            self._queue.put_nowait(None)
        self._thread.join(TIMEOUT)

    def log(self) -> list[Callback]:
        """Return the newest callbacks sent, oldest first."""
        return list(self._log)

    def reset(self) -> None:
        """Forget the callbacks sent."""
        self._log.clear()

    def wait(self) -> None:
        """Block until every callback enqueued so far has been sent."""
        self._queue.join()

    def enqueue_for(self, mail: Mail) -> None:
        """Enqueue the events that follow an accepted email, if the settings name a URL."""
        if not self._settings.callback:
            return
        for recipient in mail.recipients:
            for event in events_of(recipient):
                self._enqueue(self._settings.callback, self.payload(mail, recipient, event))

    def trigger(
        self, mail: Mail, event: str, *, recipient: str = "", url: str = "", **overrides: Any
    ) -> list[dict[str, Any]]:
        """Send `event` for one recipient of an email, or for all; return the payloads.

        The delivery records are updated too, and a hard bounce blocks the address; `overrides` replace fields
        of the payload. Raises ValueError for an unknown event or recipient, or without a URL.
        """
        target = url or self._settings.callback
        if not target.startswith(("http://", "https://")):
            raise ValueError("no callback URL: set url, or start with --callback")
        if event not in EVENT_IDS:
            raise ValueError(f"event must be one of {', '.join(EVENT_IDS)}")
        recipients = [address for address in mail.recipients if recipient in ("", address)]
        if not recipients:
            raise ValueError("the email has no such recipient")
        payloads = []
        for address in recipients:
            self._mailbox.apply_event(mail.ses_message_id, address, event)
            payload = {**self.payload(mail, address, event), **overrides}
            if payload["bounceType"] == HARD_BOUNCE:
                self._blocklists.add_bounced(address, str(payload["reason"]))
            self._enqueue(target, payload)
            payloads.append(payload)
        return payloads

    def payload(self, mail: Mail, recipient: str, event: str) -> dict[str, Any]:
        """Return the JSON of one event: `messageId` is the bare Message-ID, `bulkId` SES's MessageId."""
        sender = parse_sender(mail.sender)
        address, domain = (sender.address, sender.domain) if sender else ("", "")
        smtp_message_id = mail.smtp_message_id.strip("<>") or f"{mail.ses_message_id}@qcloudmail.com"
        return {
            "event": event,
            "eventid": EVENT_IDS[event],
            "email": recipient,
            "link": f"https://{domain}/" if event == "click" else "",
            "bulkId": mail.ses_message_id,
            "timestamp": int(self._settings.now()),
            "reason": REASONS[event],
            "bounceType": HARD_BOUNCE if event == "bounce" else "",
            "username": str(self._settings.app_id),
            "from": address,
            "fromDomain": domain,
            "templateId": mail.template["id"] if mail.template else 0,
            "useragent": "Mozilla/5.0 (SES emulator)" if event in ("open", "click") else "",
            "subject": _encoded(mail.subject),
            "messageId": smtp_message_id,
            "taskId": mail.task_id,
            "sentTimestamp": int(mail.received),
            CUSTOM_HEADER: mail.headers.get(CUSTOM_HEADER, ""),
        }

    def _enqueue(self, url: str, payload: dict[str, Any]) -> None:
        try:
            self._queue.put_nowait((url, payload))
        except queue.Full:
            self._log.append(Callback(url, payload, 0, "dropped: the queue is full"))

    def _send_queued(self) -> None:
        while (queued := self._queue.get()) is not None and not self._stopped.is_set():
            self._log.append(self._send(*queued))
            self._queue.task_done()

    def _send(self, url: str, payload: dict[str, Any]) -> Callback:
        request = urllib.request.Request(  # noqa: S310 -- the URL is http or https
            url, dumps(payload).encode(), {"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                return Callback(url, payload, response.status)
        except urllib.error.HTTPError as error:
            with error:
                return Callback(url, payload, error.code)
        except (OSError, http.client.HTTPException) as error:
            return Callback(url, payload, 0, type(error).__name__)


def _encoded(subject: str) -> str:
    """Return the subject as in a header: MIME-encoded if it is not ASCII."""
    return subject if subject.isascii() else email.header.Header(subject, "utf-8").encode(linesep="")
