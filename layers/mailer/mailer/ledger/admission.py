"""Admission: its parameters and its result."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from mailer.email.identity import smtp_message_id_for

from .record import Record, State

if TYPE_CHECKING:
    from mailer.email.request import EmailRequest

SECOND, HOUR, DAY = 1000, 3_600_000, 86_400_000  # milliseconds, the unit of the scripts
LEASE_SECONDS = 30
_NUMBERS = frozenset({"attempts", "created_at", "updated_at", "sent_at", "due_at"})


class Verdict(str, Enum):
    """The result of admission."""

    SEND = "send"
    """Marked `sending`; call SES now and settle."""
    DUPLICATE = "duplicate"
    """The key already belongs to this same request: see its record."""
    MISMATCH = "mismatch"
    """The key already belongs to another request."""
    DEFERRED = "deferred"
    """Stored for later: deferred or scheduled."""
    REJECTED = "rejected"
    """Certainly not sent: refused for a suppressed recipient, or expired."""
    HALTED = "halted"
    """Nothing of its account, sender or template can be sent; nothing was marked."""
    BACKLOG_FULL = "backlog_full"
    """It would be deferred, but the backlog is full; nothing was marked."""
    RATE_LIMITED = "rate_limited"
    """The rate limit is reached; nothing was marked, retry after `wait`."""


class DeferPolicy(str, Enum):
    """Which emails that cannot be sent now the ledger stores for later, when the trigger will not retry."""

    NEVER = "never"
    WHEN_HALTED = "when_halted"
    ALWAYS = "always"


@dataclass(frozen=True)
class Attempt:
    """One attempt to send an email: `id` names its record, `token` this attempt."""

    id: str
    request: EmailRequest
    trigger: str
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def smtp_message_id(self) -> str:
        """The Message-ID without its brackets."""
        return smtp_message_id_for(self.id, self.request.sender)


@dataclass(frozen=True)
class Admission:
    """The result of admission; `wait` is in seconds."""

    verdict: Verdict
    record: Record | None = None
    code: str | None = None
    wait: float = 0.0


def read_admission(reply: dict[str, Any]) -> Admission:
    """Return the reply of a script."""
    return Admission(
        Verdict(reply["verdict"]),
        _record(reply["record"]) if "record" in reply else None,
        reply.get("code"),
        reply.get("wait", 0) / SECOND,
    )


def _record(fields: dict[str, Any]) -> Record:
    known: dict[str, Any] = {
        name: int(value) if name in _NUMBERS else value
        for name, value in fields.items()
        if name in Record.__dataclass_fields__
    }
    known["state"] = State(known["state"])
    known["history"] = json.loads(known.get("history", "[]"))
    return Record(**known)
