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
    from collections.abc import Sequence

    from mailer.email.request import EmailRequest
    from mailer.ses.error_table import Rule

SECOND, HOUR, DAY = 1000, 3_600_000, 86_400_000  # milliseconds, the unit of the scripts
LEASE_SECONDS = 30
_NUMBERS = frozenset({"attempts", "attempts_before", "created_at", "updated_at", "sent_at", "due_at"})


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
    """One attempt to send an email: `id` names its record, `token` this attempt.

    `fingerprint` is compared where the key is a caller's: a platform's redelivery is the same email whatever
    it holds. `stored` says that the ledger had the request before, and `stored_by`, whose attempt stored it,
    where that is known. `namespace` is that of the caller's key, None where it is not known; `old_id` is the
    id that version 0.1.0 would have derived, if another. `first_receive` and `received_before` are
    those of the PlatformKey.
    """

    id: str
    request: EmailRequest
    trigger: str
    fingerprint: str | None = None
    stored: bool = False
    namespace: str | None = ""
    old_id: str | None = None
    stored_by: str | None = None
    first_receive: str | None = None
    received_before: bool = False
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def smtp_message_id(self) -> str:
        """The Message-ID without its brackets."""
        return smtp_message_id_for(self.id, self.request.sender)


@dataclass(frozen=True)
class Admission:
    """The result of admission; `wait` is in seconds, `store_time` in milliseconds.

    `dropped` are indexes of the request's recipients whom the email, as far as it was sent, leaves out.
    """

    verdict: Verdict
    record: Record | None = None
    code: str | None = None
    wait: float = 0.0
    store_time: int | None = None
    dropped: tuple[int, ...] = ()


@dataclass(frozen=True)
class CallResult:
    """The result of a SendEmail call, as it is settled.

    `rule` is the error table's row for `code`; `delay` (seconds) is how long a deferred email waits. A
    `final` failure is not tried again.
    """

    state: State
    code: str | None = None
    rule: Rule | None = None
    delay: float = 0.0
    ses_message_id: str | None = None
    request_id: str | None = None
    detail: str | None = None
    final: bool = False


@dataclass(frozen=True)
class Settlement:
    """The result of settling: the record as it is now, and whether the attempt was its own.

    `other_request` says that the record's key has been opened anew for another request.
    """

    own: bool
    record: Record
    other_request: bool = False


def read_admission(reply: dict[str, Any], recipients: Sequence[Sequence[str]] = ()) -> Admission:
    """Return the result in a script's reply; `recipients` has all hashes of each of the request's."""
    record = read_record(reply["record"]) if "record" in reply else None
    dropped = set(record.dropped) if record else set()
    return Admission(
        Verdict(reply["verdict"]),
        record,
        reply.get("code"),
        reply.get("wait", 0) / SECOND,
        reply.get("now"),
        tuple(index for index, hashes in enumerate(recipients) if not dropped.isdisjoint(hashes)),
    )


def read_record(fields: dict[str, Any]) -> Record:
    """Return the record in a script's reply."""
    known: dict[str, Any] = {
        name: int(value) if name in _NUMBERS else value
        for name, value in fields.items()
        if name in Record.__dataclass_fields__
    }
    known["state"] = State(known["state"])
    known["history"] = json.loads(known.get("history", "[]"))
    return Record(**known)
