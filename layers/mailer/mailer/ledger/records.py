"""Email records: admission, settlement, due queue, dead letters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailer.email.identity import id_for
from mailer.email.limits import MAX_PER_RECIPIENT_HOUR

from .admission import (
    DAY,
    HOUR,
    LEASE_SECONDS,
    SECOND,
    Admission,
    Attempt,
    DeferPolicy,
    read_admission,
)
from .keys import RequestKeys
from .record import Record, State

if TYPE_CHECKING:
    from mailer.ses.error_table import Rule

    from .store import Store

RETENTION = 30 * DAY
RATE_POLL_MS = 50
CLAIM_TIMEOUT_MS = 60 * SECOND  # a claimed email is due again after this, as SQS's visibility timeout


class Ledger:
    """The emails of one account; safe to share between threads."""

    def __init__(
        self, store: Store, *, rate: int = 20, deferred_max: int = 10_000, lease: int = LEASE_SECONDS
    ) -> None:
        self.store = store
        self._rate = rate
        self._backlog_max = deferred_max
        self._lease = lease * SECOND
        self._admit = store.script("admit")
        self._settle = store.script("settle", "flags=allow-oom")  # an outcome is recorded in a full store too
        self._get = store.script("get")
        self._due = store.script("due")
        self._dead_letter = store.script("dead_letter")

    def admit(
        self,
        attempt: Attempt,
        *,
        defer: DeferPolicy = DeferPolicy.NEVER,
        from_state: State | None = None,
        in_time: bool = True,
    ) -> Admission:
        """Mark `attempt` as `sending` if it may be sent now, and say why if not; raises StoreUnavailable.

        `from_state` is the state that the caller read, as the sweep does with deferred mail: another one is a
        duplicate. Without being `in_time` nothing is marked `sending`: the email is deferred, if the policy
        says so, or rate limited.
        """
        request = attempt.request
        request_keys = RequestKeys(self.store, request)
        params: dict[str, Any] = {
            "id": attempt.id,
            "token": attempt.token,
            "fingerprint": request.fingerprint(),
            "smtp_message_id": attempt.smtp_message_id,
            "route": json.dumps(request_keys.route),
            "trigger": attempt.trigger,
            "halts": len(request_keys.halts),
            "recipients": len(request_keys.recipients),
            "recipient_max": MAX_PER_RECIPIENT_HOUR,
            "recipient_window": HOUR,
            "rate": self._rate,
            "backlog_max": self._backlog_max,
            "lease": self._lease,
            "slot_ttl": self._lease,
            "poll_ms": RATE_POLL_MS,
            "retention": RETENTION,
            "defer_halted": defer is not DeferPolicy.NEVER,
            "defer_unsent": defer is DeferPolicy.ALWAYS and not in_time,
            "in_time": in_time,
        }
        if from_state:
            params["from_state"] = from_state.value
        for name, moment in (("send_at", request.send_at), ("expires_at", request.expires_at)):
            if moment:
                params[name] = int(moment.timestamp() * SECOND)
        keys = [
            *self._keys(attempt.id),
            *request_keys.halts,
            *(key for recipient in request_keys.recipients for key in recipient),
            *request_keys.domains,
        ]
        with self.store.translate_errors():
            reply = json.loads(
                self._admit(keys=keys, args=[json.dumps(params), json.dumps(request.document())])
            )
        return read_admission(reply)

    def settle(
        self,
        attempt: Attempt,
        state: State,
        *,
        code: str | None = None,
        rule: Rule | None = None,
        delay: float = 0.0,
        ses_message_id: str | None = None,
        request_id: str | None = None,
    ) -> bool:
        """Record the outcome of the call that `attempt` was admitted for; raises StoreUnavailable.

        `rule` is the error table's row for `code`; `delay` (seconds) is how long a deferred email waits.
        False means that another worker has claimed the email since.
        """
        request_keys = RequestKeys(self.store, attempt.request)
        block = request_keys.block_for(rule) if rule else None
        params: dict[str, Any] = {
            "id": attempt.id,
            "token": attempt.token,
            "state": state.value,
            "halts": len(request_keys.halts),
            "delay": int(delay * SECOND),
            "retention": RETENTION,
            "not_sent": bool(rule and rule.certainly_not_sent),
        }
        if block:
            params["block"] = {"kind": block.kind, "ttl_ms": block.ttl_ms}
        params |= {
            name: value
            for name, value in (
                ("code", code),
                ("ses_message_id", ses_message_id),
                ("request_id", request_id),
            )
            if value
        }
        own = self._keys(attempt.id)
        owner = self.store.key("message", ses_message_id) if ses_message_id else own[0]
        blocked = block.key if block and block.key else own[0]
        sent = [sent for _, _, sent in request_keys.recipients]
        with self.store.translate_errors():
            reply = json.loads(
                self._settle(
                    keys=[*own, *request_keys.halts, *sent, blocked, owner], args=[json.dumps(params)]
                )
            )
        return bool(reply["verdict"] == "settled")

    def get(self, email_id: str) -> Record | None:
        """Return the record of the email with this id, or None; raises StoreUnavailable."""
        with self.store.translate_errors():
            reply = json.loads(self._get(keys=self._keys(email_id)[:3]))
        return read_admission(reply).record if reply["verdict"] == "duplicate" else None

    def due(self, limit: int) -> list[str]:
        """Claim up to `limit` deferred or scheduled emails that are due, and return their ids."""
        with self.store.translate_errors():
            return list(self._due(keys=[self.store.key("due")], args=[limit, CLAIM_TIMEOUT_MS]))

    def stored_request(self, email_id: str) -> tuple[State, str] | None:
        """Return the state and the stored request (JSON) of an email, or None where nothing is stored."""
        with self.store.translate_errors():
            state, body = self.store.client.hmget(self.store.key("email", email_id), "state", "body")
        return (State(state), body) if state and body else None

    def dead_letter(self, source: str, reason: dict[str, Any], body: str) -> bool:
        """Add `body`, whole, as a dead letter with its reason; once for each `source`.

        Raises StoreUnavailable. False means that it is there already.
        """
        fields = ["source", source, "reason", json.dumps(reason), "body", body]
        keys = [self.store.key("dead"), self.store.key("dead_letter_seen", id_for("", source))]
        with self.store.translate_errors():
            return bool(self._dead_letter(keys=keys, args=[RETENTION, *fields]))

    def dead_letters(self, limit: int = 100) -> list[dict[str, str]]:
        """Return the oldest dead letters, each with source, reason (JSON) and body."""
        with self.store.translate_errors():
            stream = self.store.client.xrange(self.store.key("dead"), count=limit)
        return [dict(fields) for _id, fields in stream]

    def _keys(self, email_id: str) -> list[str]:
        return [
            self.store.key("email", email_id),
            *map(self.store.key, ("due", "open", "rate_slots", "rate_pause")),
        ]
