"""The ledger record of one email and its states."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class State(str, Enum):
    """Where an email stands."""

    SENDING = "sending"
    """A worker holds the lease and may be calling SendEmail."""
    ACCEPTED = "accepted"
    """SES took it and gave a MessageId."""
    REFUSED = "refused"
    """Certainly not sent, for a reason that lies in the request or the recipient."""
    UNKNOWN = "unknown"
    """The call went out and no answer came back: the sweep reconciles it."""
    DEFERRED = "deferred"
    """Not sent yet; the ledger keeps it and the sweep sends it when it is due."""
    SCHEDULED = "scheduled"
    """Not sent yet; it waits for its `send_at`."""
    EXPIRED = "expired"
    """Certainly not sent; its `expires_at` has passed."""
    FAILED = "failed"
    """Certainly not sent; this attempt gave up and a new one is free to send."""


_MAYBE_SENT = frozenset({State.SENDING, State.ACCEPTED, State.UNKNOWN})


@dataclass(frozen=True)
class Record:
    """One email in the ledger; times are milliseconds of the store's clock.

    `namespace` is that of the caller's key, "" the account's, None in records of version 0.1.0.

    `attempts_before` of the attempts were made for an earlier request under the same key, which was certainly
    not sent. `ses_message_id` and `request_id` are SES's; `history` holds one attempt for each change of
    state.
    """

    id: str
    state: State
    smtp_message_id: str
    attempts: int = 0
    attempts_before: int = 0
    code: str | None = None
    ses_message_id: str | None = None
    request_id: str | None = None
    created_at: int = 0
    updated_at: int = 0
    sent_at: int | None = None
    due_at: int | None = None
    namespace: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def dropped(self) -> list[str]:
        """The hashes of the recipients whom the last attempt leaves out; none where the email is not sent."""
        if self.state not in _MAYBE_SENT:
            return []
        attempts = [note for note in self.history if note["state"] == State.SENDING.value]
        return list(attempts[-1].get("dropped", ())) if attempts else []
