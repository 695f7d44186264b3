"""The records of emails: admission, settlement, what is due, what is dead."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailer.identity import email_id, fingerprint
from mailer.limits import MAX_PER_RECIPIENT_HOUR
from mailer.record import Record, State

from .admission import DAY, HOUR, LEASE_SECONDS, SECOND, Admission, Entry, Keep, read_admission
from .keys import RequestKeys

if TYPE_CHECKING:
    from mailer.actions import Rule

    from .store import Store

RETENTION = 30 * DAY
ASK_AGAIN = 50
HAND_OUT = 60 * SECOND


class Ledger:
    """The emails of one account; safe to share between threads."""

    def __init__(
        self, store: Store, *, rate: int = 20, deferred_max: int = 10_000, lease: int = LEASE_SECONDS
    ) -> None:
        self.store = store
        self._rate = rate
        self._room = deferred_max
        self._lease = lease * SECOND
        self._admit = store.script("admit")
        self._settle = store.script(
            "settle", "flags=allow-oom"
        )  # an outcome is recorded even in a full store
        self._look = store.script("look")
        self._due = store.script("due")
        self._bury = store.script("bury")

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
        touched = RequestKeys(self.store, request)
        question: dict[str, Any] = {
            "id": entry.id,
            "token": entry.token,
            "fingerprint": fingerprint(request),
            "smtp_message_id": entry.message_id,
            "route": json.dumps(touched.route),
            "trigger": entry.trigger,
            "halts": len(touched.halts),
            "recipients": len(touched.recipients),
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
            *touched.halts,
            *(key for recipient in touched.recipients for key in recipient),
            *touched.domains,
        ]
        with self.store.reaching():
            reply = json.loads(
                self._admit(keys=keys, args=[json.dumps(question), json.dumps(request.document())])
            )
        return read_admission(reply)

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
        touched = RequestKeys(self.store, entry.request)
        how, milliseconds, closed = touched.closed_by(rule) if rule else ("pause", 0, None)
        told: dict[str, Any] = {
            "id": entry.id,
            "token": entry.token,
            "state": state.value,
            "halts": len(touched.halts),
            "delay": int(delay * SECOND),
            "pause": 0,
            how: milliseconds,
            "retention": RETENTION,
            "not_sent": bool(rule and rule.certainly_not_sent),
        }
        told |= {
            name: value
            for name, value in (("code", code), ("message_id", message_id), ("request_id", request_id))
            if value
        }
        own = self._keys(entry.id)
        owner = self.store.key("message", message_id) if message_id else own[0]
        keys = [*own, *touched.halts, *(sent for _, _, sent in touched.recipients), closed or own[0], owner]
        with self.store.reaching():
            reply = json.loads(self._settle(keys=keys, args=[json.dumps(told)]))
        return bool(reply["verdict"] == "settled")

    def look(self, email: str) -> Record | None:
        """Return the record of the email with this id, or None; raises StoreUnavailable."""
        with self.store.reaching():
            reply = json.loads(self._look(keys=self._keys(email)[:3]))
        return read_admission(reply).record if reply["verdict"] == "recorded" else None

    def due(self, most: int) -> list[str]:
        """Return the ids of up to `most` deferred or scheduled emails whose time has come."""
        with self.store.reaching():
            return list(self._due(keys=[self.store.key("due")], args=[most, HAND_OUT]))

    def request_of(self, email: str) -> tuple[State, str] | None:
        """Return the state and the stored request (JSON) of an email, or None where nothing is stored."""
        with self.store.reaching():
            state, body = self.store.client.hmget(self.store.key("email", email), "state", "body")
        return (State(state), body) if state and body else None

    def bury(self, source: str, reason: dict[str, Any], body: str) -> bool:
        """Keep `body`, whole, as a dead letter with its reason; once for each `source`.

        Raises StoreUnavailable. False means that it is there already.
        """
        fields = ["source", source, "reason", json.dumps(reason), "body", body]
        with self.store.reaching():
            return bool(
                self._bury(
                    keys=[self.store.key("dead"), self.store.key("buried", email_id("", source))],
                    args=[RETENTION, *fields],
                )
            )

    def dead_letters(self, most: int = 100) -> list[dict[str, str]]:
        """Return the oldest dead letters, each with source, reason (JSON) and body."""
        with self.store.reaching():
            return [
                dict(fields) for _id, fields in self.store.client.xrange(self.store.key("dead"), count=most)
            ]

    def _keys(self, email: str) -> list[str]:
        return [self.store.key("email", email), *map(self.store.key, ("due", "open", "pace", "pause"))]
