"""`Outcome`: what became of one request, in the words that every trigger answers from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from .record import State

if TYPE_CHECKING:
    from .actions import Action
    from .record import Record


class Disposition(str, Enum):
    """The rows of the table that says what each trigger answers."""

    ACCEPTED = "accepted"
    """SES took it, now or before."""
    KEPT = "kept"
    """Deferred, scheduled or unknown: the ledger has it and sees to it."""
    REFUSED = "refused"
    """Wrong, suppressed or expired: it will never be sent like this."""
    NOT_SENT = "not_sent"
    """A passing fault, and the time is up: whoever brought it may bring it again."""
    HALTED = "halted"
    """Nothing of its scope can be sent at the moment, and the ledger does not keep it."""
    IN_FLIGHT = "in_flight"
    """Somebody else is sending it right now."""
    KEY_REUSED = "key_reused"
    """Its idempotency key belongs to another request."""


@dataclass(frozen=True)
class Outcome:
    """What became of one request.

    `id` is the Message-ID without its brackets; `message_id` and `request_id` are SES's. `code` and `action`
    are the error table's. `retry_after` is in seconds, and so is `seconds`: what call and record took, if
    there was a call. `replayed` tells that an earlier request was answered.
    """

    disposition: Disposition
    id: str
    state: State
    code: str | None = None
    action: Action | None = None
    message_id: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    replayed: bool = False
    detail: str | None = None
    pointer: str | None = None
    seconds: float | None = None

    @classmethod
    def of_record(cls, record: Record, *, replayed: bool) -> Outcome:
        """Return the outcome that a record in the ledger stands for."""
        from .actions import rule_for

        return cls(
            DISPOSITIONS[record.state],
            record.smtp_message_id,
            record.state,
            code=record.code,
            action=rule_for(record.code).action if record.code else None,
            message_id=record.message_id,
            request_id=record.request_id,
            replayed=replayed,
        )

    def receipt(self) -> dict[str, Any]:
        """Return what answers a send."""
        return {
            "id": self.id,
            "state": self.state.value,
            "message_id": self.message_id,
            "request_id": self.request_id,
            "replayed": self.replayed,
        }

    def reason(self) -> dict[str, Any]:
        """Return what a dead letter says of why its email was not sent."""
        return {
            "id": self.id,
            "state": self.state.value,
            "code": self.code,
            "action": self.action.value if self.action else None,
            "request_id": self.request_id,
            "detail": self.detail,
            "pointer": self.pointer,
        }


DISPOSITIONS = {
    State.SENDING: Disposition.IN_FLIGHT,
    State.ACCEPTED: Disposition.ACCEPTED,
    State.REFUSED: Disposition.REFUSED,
    State.UNKNOWN: Disposition.KEPT,
    State.DEFERRED: Disposition.KEPT,
    State.SCHEDULED: Disposition.KEPT,
    State.EXPIRED: Disposition.REFUSED,
    State.FAILED: Disposition.NOT_SENT,
}
