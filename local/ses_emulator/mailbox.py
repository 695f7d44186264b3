"""The state of an account: accepted emails, calls of SendEmail, delivery records, and counts.

Memory is bounded: the newest emails, calls and records are stored, and the counts include the dropped ones.
"""

import secrets
import threading
from collections import OrderedDict, deque
from datetime import datetime
from typing import Any

from .addresses import parse_sender
from .days import SES_TIME_ZONE
from .delivery import StatusRecord, events_of
from .mails import Call, Mail
from .send_email import Draft
from .settings import Settings

CALLS_MAX = 20_000
RECORDS_MAX = 100_000
MESSAGE_IDS_MAX = 100_000
# Calls that reach SES itself fail with a code of this kind.
REFUSED_BY_SES = "FailedOperation."
REFUSED = -1


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
            self._refused: deque[StatusRecord] = deque(maxlen=RECORDS_MAX)
            self._accepted = self._called = self._duplicates = 0
            self._outcomes: dict[str, int] = {}
            self._acceptances: OrderedDict[str, int] = OrderedDict()

    def accept(
        self, draft: Draft, parameters: dict[str, Any], size: int, request_id: str, task_id: str = ""
    ) -> Mail:
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
                task_id=task_id,
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

    def refuse(self, sender: str, recipient: str, send_status: int) -> None:
        """Store a delivery record of what a batch could not send; `send_status` is the API's SendStatus."""
        parsed = parse_sender(sender)
        address = parsed.address if parsed else sender
        with self._lock:
            now = self._settings.now()
            message_id = self._new_message_id(now)
            self._records.append(StatusRecord(message_id, recipient, address, now, send_status=send_status))

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
        parsed = parse_sender(str(parameters.get("FromEmailAddress", "")))
        sender = parsed.address if parsed else ""
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
            if outcome.startswith(REFUSED_BY_SES):
                self._refused += [
                    StatusRecord("", recipient, sender, arrived, send_status=REFUSED)
                    for recipient in recipients
                ]

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
        """Return the numbers of accepted emails, of calls, of those not accepted, and of duplicates.

        Emails of batches are not calls; a duplicate has the Message-ID of an email before it.
        """
        with self._lock:
            return {
                "accepted": self._accepted,
                "calls": self._called,
                "not_accepted": self._called - self._outcomes.get("accepted", 0),
                "duplicates": self._duplicates,
            }

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

    def requests(self) -> list[StatusRecord]:
        """Return a record of every email requested, those that SES refused included."""
        with self._lock:
            return [*self._records, *self._refused]

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
