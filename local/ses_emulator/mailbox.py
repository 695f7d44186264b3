"""The state of an account: accepted emails, calls of SendEmail, delivery records, and counts.

Memory is bounded: the newest emails, calls and records are stored, and the counts include the dropped ones.
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

CALLS_MAX = 20_000
RECORDS_MAX = 100_000
MESSAGE_IDS_MAX = 100_000


@dataclass(frozen=True)
class Mail:
    """An accepted email; `received` is in Unix seconds, `raw` the parameters as received.

    `template` is `{"id", "name", "data"}` or None, `smtp_message_id` is "" if the request had none.
    """

    sequence: int
    received: float
    ses_message_id: str
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
        """Return all fields: the sender as `from`, the time as `received_at` (RFC 3339, UTC) too.

        `message_id` is SES's MessageId.
        """
        fields = asdict(self)
        return {
            "from": fields.pop("sender"),
            "received_at": rfc3339(self.received),
            "message_id": fields.pop("ses_message_id"),
            **fields,
        }

    def as_summary(self) -> dict[str, Any]:
        """Return the fields that the list of the inbox page shows."""
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
    ses_message_id: str
    recipients: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return all fields; `message_id` is SES's MessageId."""
        fields = asdict(self)
        return {"message_id": fields.pop("ses_message_id"), **fields}


class Mailbox:
    """The thread-safe state of one account."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Delete all emails, calls and counts."""
        with self._lock:
            self._mails: OrderedDict[int, tuple[Mail, int]] = OrderedDict()
            self._bytes = 0
            self._calls: deque[Call] = deque(maxlen=CALLS_MAX)
            self._records: deque[StatusRecord] = deque(maxlen=RECORDS_MAX)
            self._accepted = self._called = self._duplicates = 0
            self._outcomes: dict[str, int] = {}
            self._acceptances: OrderedDict[str, int] = OrderedDict()

    def accept(self, draft: Draft, parameters: dict[str, Any], size: int, request_id: str) -> Mail:
        """Store an email under a new sequence number and MessageId; `size` is its request's in bytes."""
        sender = parse_sender(parameters["FromEmailAddress"])
        with self._lock:
            now = self._settings.now()
            self._accepted += 1
            mail = Mail(
                sequence=self._accepted,
                received=now,
                ses_message_id=self._new_message_id(now),
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
            self._store(mail, size + len(mail.html) + len(mail.text))
            self._count_acceptance(mail.smtp_message_id)
            for recipient in mail.recipients:
                address = sender.address if sender else mail.sender
                record = StatusRecord(mail.ses_message_id, recipient, address, now)
                self._records.append(record)
                for event in events_of(recipient):
                    record.apply(event, now)
        return mail

    def _new_message_id(self, now: float) -> str:
        day = datetime.fromtimestamp(now, SES_TIME_ZONE).strftime("%Y%m%d%H%M%S")
        return f"qcloudses-30-{self._settings.app_id}-date-{day}-{secrets.token_urlsafe(9)}"

    def _store(self, mail: Mail, size: int) -> None:
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
        if len(self._acceptances) > MESSAGE_IDS_MAX:
            self._acceptances.popitem(last=False)

    def record_call(
        self,
        parameters: dict[str, Any],
        *,
        arrived: float,
        request_id: str,
        outcome: str,
        fault: str = "",
        ses_message_id: str = "",
    ) -> None:
        """Record the outcome of a call of SendEmail; `parameters` may have any JSON values."""
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
                    ses_message_id=ses_message_id,
                    recipients=recipients,
                )
            )

    def mails(self, *, to: str = "", smtp_message_id: str = "", after: int = 0) -> list[Mail]:
        """Return the stored emails, oldest first, that match every filter given; see `Account.inbox`."""
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
        """Return the email with this sequence number, if it is still stored."""
        with self._lock:
            stored = self._mails.get(sequence)
        return stored[0] if stored else None

    def counts(self) -> dict[str, int]:
        """Return the numbers of accepted emails, of calls, and of duplicates (by Message-ID)."""
        with self._lock:
            return {"accepted": self._accepted, "calls": self._called, "duplicates": self._duplicates}

    def acceptances(self, smtp_message_id: str) -> int:
        """Return how often an email with this Message-ID (brackets or not) was accepted."""
        with self._lock:
            return self._acceptances.get(f"<{smtp_message_id.strip('<>')}>", 0)

    def calls(self) -> list[Call]:
        """Return the stored calls of SendEmail, oldest first."""
        with self._lock:
            return list(self._calls)

    def records(self) -> list[StatusRecord]:
        """Return the delivery records, oldest first."""
        with self._lock:
            return list(self._records)

    def apply_event(self, ses_message_id: str, recipient: str, event: str) -> None:
        """Update the delivery record of one email to one recipient by a callback event."""
        with self._lock:
            for record in self._records:
                if record.ses_message_id == ses_message_id and record.to == recipient:
                    record.apply(event, self._settings.now())

    def as_json(self) -> dict[str, Any]:
        """Return the counts under their names in `/_emulator/stats`."""
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


def rfc3339(timestamp: float) -> str:
    """Return a Unix time as RFC 3339 text in UTC."""
    return datetime.fromtimestamp(timestamp, timezone.utc).isoformat(timespec="milliseconds")
