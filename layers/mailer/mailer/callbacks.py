"""SES's event callbacks: one table says what each event means.

Source: SES, "Event callback" (https://www.tencentcloud.com/document/product/1084/39492). Callbacks are
unsigned, may come more than once, in any order, and with fields that nobody has announced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from .documents import check_object
from .errors import InvalidRequest
from .identity import address_hash

SECOND = 1000  # milliseconds
_SMTP_CODE = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463
_SECONDS = re.compile(r"[0-9]{1,11}")


class Kind(NamedTuple):
    """What an event means; `code` is the error table's line for the recipient that it suppresses.

    What is `kept` is shown with the email. What `proves` shows that SES took the email, whatever its record
    says. A suppression `of_domain` is for mail of the sender's domain alone.
    """

    kept: bool
    proves: bool
    code: str | None = None
    of_domain: bool = False


KINDS = {
    "delivered": Kind(kept=True, proves=True),
    "dropped": Kind(kept=True, proves=False),
    "bounce": Kind(kept=True, proves=True, code="Ledger.HardBounce"),
    "open": Kind(kept=False, proves=True),
    "click": Kind(kept=False, proves=True),
    "spamreport": Kind(kept=True, proves=True, code="Ledger.SpamReport"),
    "unsubscribe": Kind(kept=True, proves=True, code="Ledger.Unsubscribed", of_domain=True),
    "deferred": Kind(kept=False, proves=True),
}


@dataclass(frozen=True)
class SesEvent:
    """One event about one recipient; `recipient` is the address's hash, `at` in milliseconds.

    `message_id` is the Message-ID that the email was sent with, `bulk_id` the MessageId that SES gave it.
    `code` is set where the recipient must not be mailed: a soft bounce is no reason.
    """

    name: str
    recipient: str
    at: int | None
    message_id: str
    bulk_id: str
    sender_domain: str
    bounce: str | None
    smtp_code: str | None

    @classmethod
    def parse(cls, document: Any) -> SesEvent:
        """Return the event in one JSON object of a callback; raises InvalidRequest."""
        fields = check_object(document)
        name, email = _text(fields, "event"), _text(fields, "email")
        if name not in KINDS:
            raise InvalidRequest.at("/event", f"must be one of: {', '.join(KINDS)}")
        if "@" not in email:
            raise InvalidRequest.at("/email", "must be the recipient's address")
        seconds = _text(fields, "timestamp")
        message_id = _text(fields, "messageId")
        domain = _text(fields, "fromDomain") or _domain(_text(fields, "from")) or _domain(message_id)
        smtp_code = _SMTP_CODE.search(_text(fields, "reason"))
        return cls(
            name,
            address_hash(email.strip()),
            int(seconds) * SECOND if _SECONDS.fullmatch(seconds) else None,
            message_id,
            _text(fields, "bulkId") or _text(fields, "bulkid"),
            domain.lower(),
            _text(fields, "bounceType").removesuffix("_bounce") or None if name == "bounce" else None,
            smtp_code[0] if smtp_code else None,
        )

    @property
    def kind(self) -> Kind:
        """What the event means."""
        return KINDS[self.name]

    @property
    def code(self) -> str | None:
        """The error table's code for mail to this recipient from now on, or None."""
        return self.kind.code if self.name != "bounce" or self.bounce == "hard" else None

    @property
    def identity(self) -> str:
        """What makes a repeated event the same: MessageId, recipient, event and time."""
        return f"{self.bulk_id}|{self.recipient}|{self.name}|{self.at}"

    def note(self) -> dict[str, Any]:
        """Return what is kept of the event: nothing that tells whose address it was."""
        note = {
            "event": self.name,
            "recipient": self.recipient,
            "at": self.at,
            "bounce": self.bounce,
            "smtp_code": self.smtp_code,
        }
        return {name: value for name, value in note.items() if value is not None}


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return str(value) if isinstance(value, (str, int)) else ""


def _domain(address: str) -> str:
    return address.strip("<>").rpartition("@")[2] if "@" in address else ""
