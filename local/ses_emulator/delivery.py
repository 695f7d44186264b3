"""The delivery of an accepted email, per recipient: its callback events and its delivery status.

The local part of an address at `callback.example` selects the events (a `+tag` is ignored); an email to any
other address is delivered.
"""

from dataclasses import dataclass
from typing import Any

from .addresses import domain_of

CALLBACK_DOMAIN = "callback.example"
EVENT_IDS = {
    "delivered": 1,
    "dropped": 2,
    "bounce": 3,
    "open": 4,
    "click": 5,
    "spamreport": 6,
    "unsubscribe": 7,
    "deferred": 8,
}
EVENTS_OF_RECIPIENT = {
    "delivered": ("delivered",),
    "dropped": ("dropped",),
    "bounce": ("bounce",),
    "deferred": ("deferred",),
    "open": ("delivered", "open"),
    "click": ("delivered", "open", "click"),
    "spamreport": ("delivered", "spamreport"),
    "unsubscribe": ("delivered", "unsubscribe"),
    "silent": (),
}
QUEUED, DELIVERED, DROPPED, BOUNCED, DEFERRED = 0, 1, 2, 3, 8
# The fields of a delivery record that an event sets.
_CHANGES: dict[str, dict[str, Any]] = {
    "delivered": {"deliver_status": DELIVERED, "deliver_message": "Delivered."},
    "dropped": {"deliver_status": DROPPED, "deliver_message": "Dropped before delivery."},
    "bounce": {"deliver_status": BOUNCED, "deliver_message": "550 5.1.1 No such mailbox."},
    "deferred": {"deliver_status": DEFERRED, "deliver_message": "451 4.7.1 Try again later."},
    "open": {"opened": True},
    "click": {"clicked": True},
    "spamreport": {"complained": True},
    "unsubscribe": {"unsubscribed": True},
}
REASONS = {event: change.get("deliver_message", "") for event, change in _CHANGES.items()}


@dataclass
class StatusRecord:
    """A row of GetSendEmailStatus: one email to one recipient; times are Unix seconds."""

    ses_message_id: str
    to: str
    sender: str
    requested: float
    delivered: float = 0.0
    deliver_status: int = QUEUED
    deliver_message: str = ""
    opened: bool = False
    clicked: bool = False
    unsubscribed: bool = False
    complained: bool = False
    send_status: int = 0

    def apply(self, event: str, timestamp: float) -> None:
        """Update the record by a callback event at `timestamp` (Unix seconds)."""
        for name, value in _CHANGES[event].items():
            setattr(self, name, value)
        if event == "delivered":
            self.delivered = timestamp

    def as_json(self) -> dict[str, Any]:
        """Return the record as the API's `SendEmailStatus` object."""
        return {
            "MessageId": self.ses_message_id,
            "ToEmailAddress": self.to,
            "FromEmailAddress": self.sender,
            "SendStatus": self.send_status,
            "DeliverStatus": self.deliver_status,
            "DeliverMessage": self.deliver_message,
            "RequestTime": int(self.requested),
            "DeliverTime": int(self.delivered),
            "UserOpened": self.opened,
            "UserClicked": self.clicked,
            "UserUnsubscribed": self.unsubscribed,
            "UserComplainted": self.complained,
            "UserComplained": self.complained,
        }


def events_of(recipient: str) -> tuple[str, ...]:
    """Return the events that follow an accepted email to `recipient`, in order."""
    if domain_of(recipient) != CALLBACK_DOMAIN:
        return ("delivered",)
    name = recipient.partition("@")[0].partition("+")[0].lower()
    return EVENTS_OF_RECIPIENT.get(name, ("delivered",))
