"""Email records: admission, settlement, due queue, dead letters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from mailer.email.identity import id_for
from mailer.email.limits import MAX_PER_RECIPIENT_HOUR
from mailer.errors import DeadLettersFull

from .admission import (
    HOUR,
    LEASE_SECONDS,
    SECOND,
    Admission,
    Attempt,
    CallResult,
    DeferPolicy,
    Settlement,
    read_admission,
    read_record,
)
from .keys import RequestKeys, email_keys
from .record import Record, State

if TYPE_CHECKING:
    from .store import Store

RATE_POLL_MS = 50
CLAIM_TIMEOUT_MS = 60 * SECOND  # a claimed email is due again after this, as with SQS's visibility timeout


class StoredRequest(NamedTuple):
    """The request that the ledger stores for an email, as JSON, its fingerprint and its namespace.

    `stored_by` is the token of the attempt that stored it; records of 0.1.0 do not say.
    `route` has hashes of its sender and of whom it was, or may have been, sent to.
    """

    state: State
    body: str
    fingerprint: str | None
    namespace: str | None
    stored_by: str | None
    route: list[str]


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
        self._resume = store.script("admit", in_full_store=True)
        self._settle = store.script("settle", in_full_store=True)
        self._get = store.script("get", in_full_store=True)
        self._due = store.script("due", in_full_store=True)
        self._dead_letter = store.script("dead_letter")
        self._expire_dead_letters = store.script("dead_letter_expire", in_full_store=True)

    def admit(
        self,
        attempt: Attempt,
        *,
        defer: DeferPolicy = DeferPolicy.NEVER,
        from_state: State | None = None,
        in_time: bool = True,
        clock_offset: int | None = None,
        store_time: int | None = None,
    ) -> Admission:
        """Mark `attempt` as `sending` if it may be sent now, and say why if not; raises StoreUnavailable.

        `from_state` is the state that the caller read, as the sweep does with deferred mail: another one is a
        duplicate, and so is another request than the one that was read. Without being `in_time` nothing is
        marked `sending`: the email is deferred, if the policy says so, or rate limited. `clock_offset` is how
        far SES's clock is ahead of the store's, in milliseconds, where it is known, and `store_time` what the
        store's shows by the same measurement: where it shows something else, the offset is not believed.
        """
        request = attempt.request
        request_keys = RequestKeys(self.store, request)
        params: dict[str, Any] = {
            "id": attempt.id,
            "token": attempt.token,
            "smtp_message_id": attempt.smtp_message_id,
            "route": request_keys.route,
            "trigger": attempt.trigger,
            "halts": len(request_keys.halts),
            "recipients": len(request_keys.recipients),
            "drop_suppressed": request.on_suppressed == "drop",
            "recipient_max": MAX_PER_RECIPIENT_HOUR,
            "recipient_window": HOUR,
            "rate": self._rate,
            "backlog_max": self._backlog_max,
            "dead_letters_max": self.store.bounds.dead_letters_max,
            "lease": self._lease,
            "slot_ttl": self._lease,
            "poll_ms": RATE_POLL_MS,
            "retention": self.store.bounds.retention,
            "defer_halted": defer is not DeferPolicy.NEVER,
            "defer_unsent": defer is DeferPolicy.ALWAYS and not in_time,
            "in_time": in_time,
        }
        if from_state:
            params["from_state"] = from_state.value
        if attempt.fingerprint:
            params["fingerprint"] = attempt.fingerprint
        if attempt.namespace is not None:
            params["namespace"] = attempt.namespace
        if attempt.stored_by:
            params["stored_by"] = attempt.stored_by
        if attempt.first_receive:
            params |= {"first_receive": attempt.first_receive, "received_before": attempt.received_before}
        if clock_offset is not None and store_time is not None:
            params |= {"clock_offset": clock_offset, "store_time": store_time}
        for name, moment in (("send_at", request.send_at), ("expires_at", request.expires_at)):
            if moment:
                params[name] = int(moment.timestamp() * SECOND)
        keys = [
            *self._keys(attempt.id),
            self.store.key("email", attempt.old_id or attempt.id),
            *request_keys.halts,
            *(key for recipient in request_keys.recipients for key in recipient),
            *(key for earlier in request_keys.earlier for key in earlier),
        ]
        script = self._resume if attempt.stored else self._admit
        with self.store.translate_errors():
            reply = json.loads(script(keys=keys, args=[json.dumps(params), json.dumps(request.document())]))
        return read_admission(reply, request_keys.known_as)

    def settle(
        self, attempt: Attempt, admission: Admission, result: CallResult, clock_offset: int | None = None
    ) -> Settlement:
        """Record the result of the call that `admission` allowed; raises StoreUnavailable.

        A record that the store has forgotten is written anew. The state of the record may differ from the
        result's: an email that somebody was told is kept does not end as `failed`, one for which the backlog
        is full is not deferred, and another attempt may have settled it.
        """
        admitted = admission.record
        if admitted is None:
            raise ValueError("only an admitted attempt is settled")
        request_keys = RequestKeys(self.store, attempt.request.without(admission.dropped))
        block = request_keys.block_for(result.rule) if result.rule else None
        params: dict[str, Any] = {
            "id": attempt.id,
            "token": attempt.token,
            "state": result.state.value,
            "halts": len(request_keys.halts),
            "delay": int(result.delay * SECOND),
            "retention": self.store.bounds.retention,
            "not_sent": bool(result.rule and result.rule.certainly_not_sent),
            "final": result.final,
            "stored": attempt.stored,
            "backlog_max": self._backlog_max,
            "dead_letters_max": self.store.bounds.dead_letters_max,
            "attempt_number": admitted.attempts,
            "sent_at": admitted.sent_at,
            "smtp_message_id": attempt.smtp_message_id,
            "route": json.dumps(request_keys.route),
            "trigger": attempt.trigger,
        }
        optional = {
            "code": result.code,
            "ses_message_id": result.ses_message_id,
            "request_id": result.request_id,
            "detail": result.detail,
            "fingerprint": attempt.fingerprint,
            "namespace": attempt.namespace,
            "clock_offset": clock_offset,
            "dropped": admitted.dropped or None,
            "block": {"kind": block.kind, "ttl_ms": block.ttl_ms} if block else None,
        }
        params |= {name: value for name, value in optional.items() if value is not None}
        own = self._keys(attempt.id)
        own_message = result.ses_message_id
        owner = self.store.key("message", own_message) if own_message else own[0]
        blocked = block.key if block and block.key else own[0]
        mailed = [key for _, _, sent, mailed, _ in request_keys.recipients for key in (sent, mailed)]
        body = "" if result.state is State.ACCEPTED else json.dumps(attempt.request.document())
        with self.store.translate_errors():
            reply = json.loads(
                self._settle(
                    keys=[*own, *request_keys.halts, *mailed, blocked, owner], args=[json.dumps(params), body]
                )
            )
        return Settlement(
            reply["verdict"] == "settled", read_record(reply["record"]), reply.get("other_request", False)
        )

    def get(self, email_id: str) -> Record | None:
        """Return the record of the email with this id, or None; raises StoreUnavailable."""
        with self.store.translate_errors():
            reply = json.loads(self._get(keys=email_keys(self.store, email_id)))
        return read_admission(reply).record if reply["verdict"] == "duplicate" else None

    def due(self, limit: int) -> list[str]:
        """Claim up to `limit` deferred or scheduled emails that are due, and return their ids."""
        with self.store.translate_errors():
            return list(self._due(keys=[self.store.key("due")], args=[limit, CLAIM_TIMEOUT_MS]))

    def stored_request(self, email_id: str) -> StoredRequest | None:
        """Return what the ledger stores to send an email, or None where nothing is stored."""
        with self.store.translate_errors():
            names = ("state", "body", "fingerprint", "namespace", "stored_by", "route")
            state, body, fingerprint, namespace, stored_by, route = self.store.client.hmget(
                self.store.key("email", email_id), *names
            )
        if not (state and body):
            return None
        mailed = json.loads(route or "[]")
        return StoredRequest(State(state), body, fingerprint or None, namespace, stored_by, mailed)

    def dead_letter(self, source: str, reason: dict[str, Any], body: str, whole: str | None = None) -> bool:
        """Add `body` as a dead letter with its reason; once for each `source` and body.

        `whole` is the whole of a body that is cut. False means that it is there already. Raises
        DeadLettersFull and StoreUnavailable.
        """
        bounds, seen = self.store.bounds, id_for(source, body if whole is None else whole)
        keys = [*map(self.store.key, ("dead", "dead_size")), self.store.key("dead_letter_seen", seen)]
        args = [bounds.retention, bounds.dead_letter_life, bounds.dead_letters_max]
        with self.store.translate_errors():
            verdict = self._dead_letter(keys=keys, args=[*args, source, json.dumps(reason), body])
        if verdict == "full":
            raise DeadLettersFull
        return bool(verdict == "added")

    def expire_dead_letters(self, limit: int) -> tuple[int, bool]:
        """Remove up to `limit` dead letters that are too old, or count up to `limit` that were not counted.

        Return how many were removed, and whether there may be more to do. Raises StoreUnavailable.
        """
        keys = [*map(self.store.key, ("dead", "dead_size"))]
        with self.store.translate_errors():
            removed, more = self._expire_dead_letters(
                keys=keys, args=[self.store.bounds.dead_letter_life, limit]
            )
        return int(removed), bool(more)

    def dead_letters(self, limit: int = 100) -> list[dict[str, str]]:
        """Return the oldest dead letters, each with source, reason (JSON) and body."""
        with self.store.translate_errors():
            stream = self.store.client.xrange(self.store.key("dead"), count=limit)
        return [dict(fields) for _id, fields in stream]

    def _keys(self, email_id: str) -> list[str]:
        return [*email_keys(self.store, email_id), *map(self.store.key, ("rate_slots", "rate_pause"))]
