"""What the emulator remembers: accepted emails, calls of SendEmail, delivery records, and counts.

Memory is bounded: the newest emails, calls and records are kept, while the counts go on.
"""

import secrets
import threading
from collections import OrderedDict, deque
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from .addresses import parse_sender
from .attachments import Attachment
from .delivery import StatusRecord, events_of
from .limits import SES_TIME_ZONE
from .send_email import Draft
from .settings import Settings

CALLS_KEPT = 20_000
RECORDS_KEPT = 100_000
MESSAGE_IDS_KEPT = 100_000


@dataclass(frozen=True)
class Mail:
    """An accepted email; `received` is in Unix seconds, `raw` the request's parameters as they came.

    `template` is `{"id", "name", "data"}` or None, `smtp_message_id` is "" where the request had none.
    """

    sequence: int
    received: float
    message_id: str
    request_id: str
    smtp_message_id: str
    sender: str
    to: list[str]
    cc: list[str]
    bcc: list[str]
    reply_to: str
    header_from: str
    subject: str
    html: str
    text: str
    template: dict[str, Any] | None
    missing_variables: list[str]
    attachments: list[Attachment]
    headers: dict[str, str]
    unsubscribe: str
    trigger_type: int
    raw: dict[str, Any]

    @property
    def recipients(self) -> list[str]:
        """Every recipient over To, Cc and Bcc."""
        return [*self.to, *self.cc, *self.bcc]

    def as_json(self) -> dict[str, Any]:
        """All fields, the sender under `from`, the time as `received_at` (RFC 3339, UTC) too."""
        fields = asdict(self)
        return {"from": fields.pop("sender"), "received_at": rfc3339(self.received), **fields}

    def as_summary(self) -> dict[str, Any]:
        """What a list shows."""
        return {
            "sequence": self.sequence,
            "received_at": rfc3339(self.received),
            "from": self.sender,
            "all": self.recipients,
            "subject": self.subject,
            "attachments": len(self.attachments),
            "smtp_message_id": self.smtp_message_id,
            "missing_variables": self.missing_variables,
        }


@dataclass(frozen=True)
class Call:
    """A call of SendEmail; `outcome` is "accepted", an error's code, or "not-accepted" (by a fault)."""

    sequence: int
    arrived: float
    request_id: str
    outcome: str
    fault: str
    smtp_message_id: str
    message_id: str
    recipients: list[str]


class Mailbox:
    """The thread-safe memory of one emulator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget all emails, calls and counts."""
        with self._lock:
            self._mails: OrderedDict[int, tuple[Mail, int]] = OrderedDict()
            self._bytes = 0
            self._calls: deque[Call] = deque(maxlen=CALLS_KEPT)
            self._records: deque[StatusRecord] = deque(maxlen=RECORDS_KEPT)
            self._accepted = self._called = self._duplicates = 0
            self._outcomes: dict[str, int] = {}
            self._acceptances: OrderedDict[str, int] = OrderedDict()

    def accept(self, draft: Draft, parameters: dict[str, Any], size: int, request_id: str) -> Mail:
        """Keep the email under a new sequence number and MessageId; `size` is its request's in bytes."""
        sender = parse_sender(parameters["FromEmailAddress"])
        with self._lock:
            now = self._settings.clock()
            self._accepted += 1
            mail = Mail(
                sequence=self._accepted,
                received=now,
                message_id=self._message_id(now),
                request_id=request_id,
                smtp_message_id=parameters.get("SmtpMessageId", ""),
                sender=parameters["FromEmailAddress"],
                to=parameters.get("Destination", []),
                cc=parameters.get("Cc", []),
                bcc=parameters.get("Bcc", []),
                reply_to=parameters.get("ReplyToAddresses", ""),
                header_from=parameters.get("HeaderFrom", ""),
                subject=draft.content.subject,
                html=draft.content.html,
                text=draft.content.text,
                template=draft.content.template,
                missing_variables=draft.content.missing_variables,
                attachments=draft.attachments,
                headers=draft.headers,
                unsubscribe=parameters.get("Unsubscribe", "0"),
                trigger_type=parameters.get("TriggerType", 0),
                raw=parameters,
            )
            self._keep(mail, size + len(mail.html) + len(mail.text))
            self._count_acceptance(mail.smtp_message_id)
            for recipient in mail.recipients:
                address = sender.address if sender else mail.sender
                record = StatusRecord(mail.message_id, recipient, address, now)
                self._records.append(record)
                for event in events_of(recipient):
                    record.apply(event, now)
        return mail

    def _message_id(self, now: float) -> str:
        day = datetime.fromtimestamp(now, SES_TIME_ZONE).strftime("%Y%m%d%H%M%S")
        return f"qcloudses-30-{self._settings.app_id}-date-{day}-{secrets.token_urlsafe(9)}"

    def _keep(self, mail: Mail, size: int) -> None:
        self._mails[mail.sequence] = (mail, size)
        self._bytes += size
        while len(self._mails) > self._settings.inbox_limit or (
            self._bytes > self._settings.inbox_bytes and len(self._mails) > 1
        ):
            _, (_, dropped) = self._mails.popitem(last=False)
            self._bytes -= dropped

    def _count_acceptance(self, smtp_message_id: str) -> None:
        if not smtp_message_id:
            return
        count = self._acceptances.pop(smtp_message_id, 0) + 1
        self._acceptances[smtp_message_id] = count
        self._duplicates += count > 1
        if len(self._acceptances) > MESSAGE_IDS_KEPT:
            self._acceptances.popitem(last=False)

    def record_call(
        self,
        parameters: dict[str, Any],
        *,
        arrived: float,
        request_id: str,
        outcome: str,
        fault: str = "",
        message_id: str = "",
    ) -> None:
        """Note how a call of SendEmail ended; `parameters` may be anything that JSON can hold."""
        recipients = [
            address
            for name in ("Destination", "Cc", "Bcc")
            if isinstance(value := parameters.get(name), list)
            for address in value
            if isinstance(address, str)
        ]
        smtp_message_id = parameters.get("SmtpMessageId")
        with self._lock:
            self._called += 1
            self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
            self._calls.append(
                Call(
                    sequence=self._called,
                    arrived=arrived,
                    request_id=request_id,
                    outcome=outcome,
                    fault=fault,
                    smtp_message_id=smtp_message_id if isinstance(smtp_message_id, str) else "",
                    message_id=message_id,
                    recipients=recipients,
                )
            )

    def mails(self, *, to: str = "", smtp_message_id: str = "", after: int = 0) -> list[Mail]:
        """The kept emails, oldest first: of one recipient, of one Message-ID, after a sequence number."""
        with self._lock:
            mails = [mail for mail, _ in self._mails.values()]
        return [
            mail
            for mail in mails
            if mail.sequence > after
            and (not smtp_message_id or mail.smtp_message_id.strip("<>") == smtp_message_id.strip("<>"))
            and (not to or to.lower() in (address.lower() for address in mail.recipients))
        ]

    def mail(self, sequence: int) -> Mail | None:
        """The email with this sequence number, if it is still kept."""
        with self._lock:
            kept = self._mails.get(sequence)
        return kept[0] if kept else None

    def counts(self) -> dict[str, int]:
        """Emails accepted, calls made, and acceptances beyond the first of a Message-ID."""
        with self._lock:
            return {"accepted": self._accepted, "calls": self._called, "duplicates": self._duplicates}

    def acceptances(self, smtp_message_id: str) -> int:
        """How often an email with this Message-ID, with or without brackets, was accepted."""
        with self._lock:
            return self._acceptances.get(f"<{smtp_message_id.strip('<>')}>", 0)

    def calls(self) -> list[Call]:
        """The kept calls of SendEmail, oldest first."""
        with self._lock:
            return list(self._calls)

    def records(self) -> list[StatusRecord]:
        """The delivery records, oldest first."""
        with self._lock:
            return list(self._records)

    def apply_event(self, message_id: str, recipient: str, event: str) -> None:
        """Let a callback event change the delivery record of one email to one recipient."""
        with self._lock:
            for record in self._records:
                if record.message_id == message_id and record.to == recipient:
                    record.apply(event, self._settings.clock())

    def as_json(self) -> dict[str, Any]:
        """The counts under their names in `/_emulator/stats`."""
        with self._lock:
            return {
                "accepted": self._accepted,
                "calls": self._called,
                "duplicates": self._duplicates,
                "outcomes": dict(self._outcomes),
                "acceptances": dict(self._acceptances),
                "kept": len(self._mails),
                "kept_bytes": self._bytes,
            }


def rfc3339(moment: float) -> str:
    """A Unix time as RFC 3339 text in UTC."""
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds")
