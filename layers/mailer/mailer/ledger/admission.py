"""What admission is asked and what it answers."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from mailer.native import message_id_for
from mailer.record import Record, State

if TYPE_CHECKING:
    from mailer.request import EmailRequest

SECOND, HOUR, DAY = 1000, 3_600_000, 86_400_000  # milliseconds, as the scripts count
LEASE_SECONDS = 30
_NUMBERS = frozenset({"attempts", "created_at", "updated_at", "sent_at", "due_at"})


class Verdict(str, Enum):
    """What admission says to an email that asks to be sent."""

    SEND = "send"
    """Marked `sending`; call SES now and settle."""
    RECORDED = "recorded"
    """The key is taken by this same request: its record stands."""
    MISMATCH = "mismatch"
    """The key is taken by another request."""
    PUT_OFF = "put_off"
    """The ledger keeps it: deferred or scheduled."""
    STOPPED = "stopped"
    """Certainly not sent: refused for a suppressed recipient, or expired."""
    HALTED = "halted"
    """Nothing of its account, sender or template can be sent; nothing was marked."""
    NO_ROOM = "no_room"
    """It would be put off, but the ledger is full; nothing was marked."""
    WAIT = "wait"
    """The pace is reached; nothing was marked, ask again after `wait`."""


class Keep(str, Enum):
    """What the ledger shall keep of what cannot be sent now, because nobody else would."""

    NOTHING = "nothing"
    HALTED = "halted"
    UNSENT = "unsent"


@dataclass(frozen=True)
class Entry:
    """One email on its way through the ledger: `id` names its record, `token` this attempt."""

    id: str
    request: EmailRequest
    trigger: str
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def message_id(self) -> str:
        """The Message-ID without its brackets."""
        return message_id_for(self.id, self.request.sender)


@dataclass(frozen=True)
class Admission:
    """Admission's answer; `wait` is in seconds, `recipient` the index of a suppressed one."""

    verdict: Verdict
    record: Record | None = None
    code: str | None = None
    wait: float = 0.0


def read_admission(reply: dict[str, Any]) -> Admission:
    """Return what a script answered."""
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
