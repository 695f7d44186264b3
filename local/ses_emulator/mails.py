"""An accepted email, and a call of SendEmail, as the account shows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .attachments import Attachment


@dataclass(frozen=True)
class Mail:
    """An accepted email; `received` is in Unix seconds, `raw` the parameters as received.

    `template` is `{"id", "name", "data"}` or None, `smtp_message_id` is "" if the request had none, `task_id`
    is that of its batch, "" for an email of SendEmail.
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
    task_id: str = ""

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


def rfc3339(timestamp: float) -> str:
    """Return a Unix time as RFC 3339 text in UTC."""
    return datetime.fromtimestamp(timestamp, timezone.utc).isoformat(timespec="milliseconds")
