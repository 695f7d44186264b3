"""SES's event callbacks, and a table of what each event means.

Source: SES, "Event callback" (https://www.tencentcloud.com/document/product/1084/39492). Callbacks are
unsigned, may come more than once, in any order, and with fields that nobody has announced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from mailer.email.strict_json import check_object
from mailer.errors import InvalidRequest

if TYPE_CHECKING:
    from mailer.email.identity import AddressHasher

SECOND = 1000  # milliseconds
_SMTP_CODE = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463
_SECONDS = re.compile(r"[0-9]{1,11}")


class EventType(NamedTuple):
    """What an event means; `code` is the error table's line for the recipient that it suppresses.

    `stored` events are shown with the email. `proves_accepted` events show that SES accepted the email,
    whatever its record says. A suppression `per_sender_domain` is for mail of that domain alone.
    """

    stored: bool
    proves_accepted: bool
    code: str | None = None
    per_sender_domain: bool = False


EVENT_TYPES = {
    "delivered": EventType(stored=True, proves_accepted=True),
    "dropped": EventType(stored=True, proves_accepted=False),
    "bounce": EventType(stored=True, proves_accepted=True, code="Ledger.HardBounce"),
    "open": EventType(stored=False, proves_accepted=True),
    "click": EventType(stored=False, proves_accepted=True),
    "spamreport": EventType(stored=True, proves_accepted=True, code="Ledger.SpamReport"),
    "unsubscribe": EventType(
        stored=True, proves_accepted=True, code="Ledger.Unsubscribed", per_sender_domain=True
    ),
    "deferred": EventType(stored=False, proves_accepted=True),
}


@dataclass(frozen=True)
class SesEvent:
    """One event about one recipient; `recipients` are the hashes of the address, today's first.

    `smtp_message_id` is the Message-ID that the email was sent with, `ses_message_id` SES's MessageId.
    `at` is in milliseconds. `code` is set where the recipient must not be mailed: a soft bounce is no reason.
    """

    name: str
    recipients: tuple[str, ...]
    at: int | None
    smtp_message_id: str
    ses_message_id: str
    sender_domain: str
    bounce: str | None
    smtp_code: str | None

    @classmethod
    def parse(cls, document: Any, hasher: AddressHasher) -> SesEvent:
        """Return the event in one JSON object of a callback; raises InvalidRequest."""
        fields = check_object(document)
        name, address = _text(fields, "event"), _text(fields, "email")
        if name not in EVENT_TYPES:
            raise InvalidRequest.at("/event", f"must be one of: {', '.join(EVENT_TYPES)}")
        if "@" not in address:
            raise InvalidRequest.at("/email", "must be the recipient's address")
        seconds = _text(fields, "timestamp")
        smtp_message_id = _text(fields, "messageId")
        domain = _text(fields, "fromDomain") or _domain(_text(fields, "from")) or _domain(smtp_message_id)
        smtp_code = _SMTP_CODE.search(_text(fields, "reason"))
        return cls(
            name,
            hasher.all_of(address.strip()),
            int(seconds) * SECOND if _SECONDS.fullmatch(seconds) else None,
            smtp_message_id,
            _text(fields, "bulkId") or _text(fields, "bulkid"),
            domain.lower(),
            _text(fields, "bounceType").removesuffix("_bounce") or None if name == "bounce" else None,
            smtp_code[0] if smtp_code else None,
        )

    @property
    def event_type(self) -> EventType:
        """The row of the table for this event."""
        return EVENT_TYPES[self.name]

    @property
    def code(self) -> str | None:
        """The error table's code for mail to this recipient from now on, or None."""
        return self.event_type.code if self.name != "bounce" or self.bounce == "hard" else None

    @property
    def recipient(self) -> str:
        """The hash of the recipient's address."""
        return self.recipients[0]

    @property
    def identities(self) -> list[str]:
        """What makes a repeated event the same, by each hash: MessageId, recipient, event and time."""
        return [f"{self.ses_message_id}|{one}|{self.name}|{self.at}" for one in self.recipients]

    def stored_fields(self) -> dict[str, Any]:
        """Return what is stored of the event, without the address."""
        fields = {
            "event": self.name,
            "recipient": self.recipient,
            "at": self.at,
            "bounce": self.bounce,
            "smtp_code": self.smtp_code,
        }
        return {name: value for name, value in fields.items() if value is not None}


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return str(value) if isinstance(value, (str, int)) else ""


def _domain(address: str) -> str:
    return address.strip("<>").rpartition("@")[2] if "@" in address else ""
