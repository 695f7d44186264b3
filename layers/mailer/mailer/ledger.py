"""The ledger: what became of every email, in Valkey (or any Redis from 7 on).

Every step that must be atomic is one Lua script on the server's clock, one round trip. All keys carry the
account as a hash tag, so that a cluster keeps them together. Only this module talks to the store.
"""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .addresses import address_of, domain_of
from .errors import StoreUnavailable
from .identity import address_hash, email_id, fingerprint
from .limits import MAX_PER_RECIPIENT_HOUR
from .native import message_id_for
from .record import Record, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .actions import Rule
    from .request import EmailRequest

SECOND, HOUR, DAY = 1000, 3_600_000, 86_400_000
RETENTION = 30 * DAY
LEASE_SECONDS = 30
LEASE = LEASE_SECONDS * SECOND
ASK_AGAIN = 50
HAND_OUT = 60 * SECOND
_SCRIPTS = Path(__file__).with_name("scripts")
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


class Ledger:
    """The records of one account behind one store URL; safe to share between threads."""

    def __init__(
        self, url: str, account: str, *, rate: int = 20, deferred_max: int = 10_000, lease: int = LEASE
    ) -> None:
        import valkey
        from valkey.backoff import NoBackoff
        from valkey.retry import Retry

        self._errors = valkey.ValkeyError
        self._store: Any = valkey.Valkey.from_url(
            url.replace("valkey", "redis", 1) if url.startswith("valkey") else url,
            decode_responses=True,
            socket_connect_timeout=2,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[valkey.ConnectionError],
        )
        self._account = account
        self._rate = rate
        self._room = deferred_max
        self._lease = lease
        self._prefix = f"mailer:{{{account}}}:"
        self._admit = self._script("admit")
        self._settle = self._script(
            "settle", "flags=allow-oom"
        )  # an outcome is recorded even in a full store
        self._look = self._script("look")
        self._due = self._script("due")
        self._bury = self._script("bury")

    def admit(
        self,
        entry: Entry,
        *,
        keep: Keep = Keep.NOTHING,
        claim: State | None = None,
        in_time: bool = True,
    ) -> Admission:
        """Ask whether `entry` may be sent now, and mark it `sending` if so; raises StoreUnavailable.

        `claim` names the state that the caller takes the email out of, as the sweep does with deferred mail.
        Without being `in_time` nothing is marked `sending`: the email is kept, if it is to be, or waits.
        """
        request = entry.request
        question: dict[str, Any] = {
            "id": entry.id,
            "token": entry.token,
            "fingerprint": fingerprint(request),
            "smtp_message_id": entry.message_id,
            "trigger": entry.trigger,
            "halts": len(self._halts(request)),
            "recipients": len(request.recipients),
            "recipient_max": MAX_PER_RECIPIENT_HOUR,
            "recipient_window": HOUR,
            "rate": self._rate,
            "room": self._room,
            "lease": self._lease,
            "place": self._lease,
            "ask_again": ASK_AGAIN,
            "retention": RETENTION,
            "keep_halted": keep is not Keep.NOTHING,
            "keep_unsent": keep is Keep.UNSENT and not in_time,
            "in_time": in_time,
        }
        if claim:
            question["claim"] = claim.value
        for name, moment in (("send_at", request.send_at), ("expires_at", request.expires_at)):
            if moment:
                question[name] = int(moment.timestamp() * SECOND)
        keys = [
            *self._keys(entry.id),
            *self._halts(request),
            *(key for address in request.recipients for key in self._recipient(address, request)),
            *sorted({self._blocked(address) for address in request.recipients}),
        ]
        with self._reaching():
            reply = json.loads(
                self._admit(keys=keys, args=[json.dumps(question), json.dumps(request.document())])
            )
        return _admission(reply)

    def settle(
        self,
        entry: Entry,
        state: State,
        *,
        code: str | None = None,
        rule: Rule | None = None,
        delay: float = 0.0,
        message_id: str | None = None,
        request_id: str | None = None,
    ) -> bool:
        """Record what became of the call that `entry` was admitted for; raises StoreUnavailable.

        `rule` is the error table's line for `code`; `delay` (seconds) is how long a deferred email waits.
        False means that somebody else has taken the email up since.
        """
        request = entry.request
        told: dict[str, Any] = {
            "token": entry.token,
            "state": state.value,
            "halts": len(self._halts(request)),
            "delay": int(delay * SECOND),
            "pause": 0,
            "retention": RETENTION,
            "not_sent": bool(rule and rule.certainly_not_sent),
        }
        told |= {
            name: value
            for name, value in (("code", code), ("message_id", message_id), ("request_id", request_id))
            if value
        }
        closes = self._keys(entry.id)[0]
        if rule:
            closing, key = self._closing(rule, request)
            told |= closing
            closes = key or closes
        keys = [
            *self._keys(entry.id),
            *self._halts(request),
            *(self._recipient(address, request)[2] for address in request.recipients),
            closes,
        ]
        with self._reaching():
            reply = json.loads(self._settle(keys=keys, args=[json.dumps(told)]))
        return bool(reply["verdict"] == "settled")

    def look(self, email: str) -> Record | None:
        """Return the record of the email with this id, or None; raises StoreUnavailable."""
        with self._reaching():
            reply = json.loads(self._look(keys=self._keys(email)[:3]))
        return _admission(reply).record if reply["verdict"] == "recorded" else None

    def due(self, most: int) -> list[str]:
        """Return the ids of up to `most` deferred or scheduled emails whose time has come."""
        with self._reaching():
            return list(self._due(keys=[self._prefix + "due"], args=[most, HAND_OUT]))

    def request_of(self, email: str) -> tuple[State, str] | None:
        """Return the state and the stored request (JSON) of an email, or None where nothing is stored."""
        with self._reaching():
            state, body = self._store.hmget(self._prefix + "email:" + email, "state", "body")
        return (State(state), body) if state and body else None

    def bury(self, source: str, reason: dict[str, Any], body: str) -> bool:
        """Keep `body`, whole, as a dead letter with its reason; once for each `source`.

        Raises StoreUnavailable. False means that it is there already.
        """
        fields = ["source", source, "reason", json.dumps(reason), "body", body]
        with self._reaching():
            return bool(
                self._bury(
                    keys=[self._prefix + "dead", self._prefix + "buried:" + email_id("", source)],
                    args=[RETENTION, *fields],
                )
            )

    def dead_letters(self, most: int = 100) -> list[dict[str, str]]:
        """Return the oldest dead letters, each with source, reason (JSON) and body."""
        with self._reaching():
            return [dict(fields) for _id, fields in self._store.xrange(self._prefix + "dead", count=most)]

    def ping(self) -> None:
        """Return if the store answers; raises StoreUnavailable."""
        with self._reaching():
            self._store.ping()

    def close(self) -> None:
        """Drop the connections; the ledger can still be used and opens new ones."""
        self._store.close()

    def _script(self, name: str, flags: str = "") -> Any:
        parts = [f"#!lua {flags}".rstrip(), *(_read(part) for part in ("record", name))]
        return self._store.register_script("\n".join(parts))

    def _keys(self, email: str) -> list[str]:
        return [self._prefix + name for name in ("email:" + email, "due", "open", "pace", "pause")]

    def _halts(self, request: EmailRequest) -> list[str]:
        names = ["account", "sender:" + address_hash(address_of(request.sender))]
        if request.template:
            names.append(f"template:{request.template.id}")
        return [self._prefix + "halt:" + name for name in names]

    def _recipient(self, address: str, request: EmailRequest) -> tuple[str, str, str]:
        known = address_hash(address)
        return (
            self._prefix + "suppressed:" + known,
            self._prefix + "unsubscribed:" + known + ":" + domain_of(request.sender),
            self._prefix + "sent:" + known,
        )

    def _blocked(self, address: str) -> str:
        return self._prefix + "blocked:" + domain_of(address)

    def _closing(self, rule: Rule, request: EmailRequest) -> tuple[dict[str, int], str | None]:
        """Return what a failure closes beyond its own email, for how long, and under which key."""
        from .actions import Action, Scope

        delay = (rule.delay or 0) * SECOND
        domains = {self._blocked(address) for address in request.recipients}
        if rule.action is Action.SUPPRESS and len(request.recipients) == 1:
            suppressed, unsubscribed, _ = self._recipient(request.recipients[0], request)
            return {"suppress": delay}, suppressed if delay else unsubscribed
        if rule.action is Action.HALT:
            account, sender, *template = self._halts(request)
            halted = {Scope.SENDER: [sender], Scope.TEMPLATE: template}.get(rule.scope, [account])
            return ({"halt": delay}, halted[0]) if halted else ({}, None)
        if rule.scope is Scope.RECIPIENT_DOMAIN and len(domains) == 1:
            return {"block": delay}, domains.pop()
        if rule.action is Action.RETRY and rule.scope is Scope.ACCOUNT:
            return {"pause": delay}, None
        return {}, None

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise StoreUnavailable(type(error).__name__) from error


def _read(name: str) -> str:
    return (_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8")


def _admission(reply: dict[str, Any]) -> Admission:
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
