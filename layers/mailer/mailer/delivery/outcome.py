"""`Outcome`: the outcome of one request, shared by all triggers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from mailer.ledger.record import State

if TYPE_CHECKING:
    from mailer.email.request import EmailRequest
    from mailer.ledger.record import Record
    from mailer.ses.error_table import Action


class Disposition(str, Enum):
    """How a trigger answers its platform."""

    ACCEPTED = "accepted"
    """SES took it, now or before."""
    PENDING = "pending"
    """Deferred, scheduled or unknown: stored in the ledger; the sweep will send or reconcile it."""
    REFUSED = "refused"
    """Wrong, suppressed or expired: it will never be sent like this."""
    RETRY_LATER = "retry_later"
    """Transient failure and out of time: the caller may retry."""
    HALTED = "halted"
    """Nothing of its scope can be sent at the moment, and the ledger does not keep it."""
    IN_FLIGHT = "in_flight"
    """Another worker is sending it."""
    KEY_REUSED = "key_reused"
    """Its idempotency key belongs to another request."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one request.

    `id` is the Message-ID without its brackets; `ses_message_id` and `request_id` are SES's. `code` and
    `action` are the error table's. `retry_after` is in seconds, and so is `seconds`: the duration of the call
    and its settling, if there was a call. `replayed` says that an earlier request was answered. `dropped` are
    indexes of the recipients whom the email leaves out, `dropped_addresses` those of them whom the caller
    wrote.
    """

    disposition: Disposition
    id: str
    state: State
    code: str | None = None
    action: Action | None = None
    ses_message_id: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    replayed: bool = False
    detail: str | None = None
    pointer: str | None = None
    seconds: float | None = None
    dropped: tuple[int, ...] = ()
    dropped_addresses: tuple[str, ...] = ()

    @classmethod
    def of_record(cls, record: Record, *, replayed: bool) -> Outcome:
        """Return the outcome that a record in the ledger represents."""
        from mailer.ses.error_table import Action, rule_for

        action = rule_for(record.code).action if record.code else None
        if action is Action.HALT and record.state is State.REFUSED:
            action = Action.REJECT  # it counted against the request alone
        return cls(
            DISPOSITIONS[record.state],
            record.smtp_message_id,
            record.state,
            code=record.code,
            action=action,
            ses_message_id=record.ses_message_id,
            request_id=record.request_id,
            replayed=replayed,
        )

    def leaving_out(self, dropped: tuple[int, ...], request: EmailRequest) -> Outcome:
        """Return the outcome with whom the email of `request`, where it is or may be sent, leaves out."""
        sent = (
            self.state in {State.ACCEPTED, State.UNKNOWN} and self.disposition is not Disposition.KEY_REUSED
        )
        if not (dropped and sent):
            return self
        return replace(self, dropped=dropped, dropped_addresses=request.as_written(dropped))

    def receipt(self) -> dict[str, Any]:
        """Return the answer to a send, as JSON values."""
        receipt = {
            "id": self.id,
            "state": self.state.value,
            "message_id": self.ses_message_id,
            "request_id": self.request_id,
            "replayed": self.replayed,
        }
        return receipt | ({"dropped": list(self.dropped_addresses)} if self.dropped_addresses else {})

    def reason(self) -> dict[str, Any]:
        """Return why the email was not sent, as a dead letter holds it."""
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
    State.UNKNOWN: Disposition.PENDING,
    State.DEFERRED: Disposition.PENDING,
    State.SCHEDULED: Disposition.PENDING,
    State.EXPIRED: Disposition.REFUSED,
    State.FAILED: Disposition.RETRY_LATER,
}
