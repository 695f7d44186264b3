"""Unknown emails: lookup, match candidates, resolution."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from .admission import LEASE_SECONDS, SECOND
from .record import State
from .records import RETENTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .store import Store

CLOCK_SKEW_MS = 5 * SECOND  # how far SES's clock may be behind the store's
ACCEPT_DELAY_MS = (LEASE_SECONDS + 60) * SECOND  # latest acceptance time after an attempt starts
QUERY_LOCK_MS = 15 * SECOND  # a query that takes longer has failed
QUERY_INTERVAL_MS = 1050  # SES answers one status query a second
_CHUNK = 500


class Decision(str, Enum):
    """What reconciliation makes of an unknown email."""

    FOUND = "found"
    """SES has it: accepted."""
    RESEND = "resend"
    """SES has no trace of it after the grace time: it may be sent again."""
    NEEDS_OPERATOR = "needs_operator"
    """SES has no trace of it, and the request wants an operator to decide."""
    AMBIGUOUS = "ambiguous"
    """SES has fewer emails than there are requests that could match them."""
    EXHAUSTED = "exhausted"
    """SES has no trace of it, and it was attempted too often."""
    SUPERSEDED = "superseded"
    """It has been settled meanwhile."""
    UNDECIDED = "undecided"
    """SES could not be queried, or not in time: the next sweep tries again."""


@dataclass(frozen=True)
class UnsettledEmail:
    """An email in flight or unknown, as far as a status query can tell it from others.

    `route` has hashes of the sender and of each recipient; `windows`, for each unsettled attempt, the
    milliseconds between which SES may have accepted it.
    """

    id: str
    route: tuple[str, ...]
    windows: tuple[tuple[int, int], ...]

    def could_match(self, sender: str, recipient: str, accepted_at: int) -> bool:
        """Return whether SES's acceptance at `accepted_at` (milliseconds) could be that of this email."""
        return (
            self.route[:1] == (sender,)
            and recipient in self.route[1:]
            and any(start <= accepted_at <= end for start, end in self.windows)
        )


class UnknownLedger:
    """The unsettled records of one account; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._resolve = store.script("resolve", "flags=allow-oom")

    def older_than(self, grace: float, limit: int) -> list[str]:
        """Return up to `limit` ids of emails that have been unknown for `grace` seconds, oldest first.

        A `sending` email is unknown from the end of its lease on. Raises StoreUnavailable.
        """
        with self._store.translate_errors():
            seconds, microseconds = self._store.client.time()
            latest = seconds * SECOND + microseconds // 1000 - int(grace * SECOND)
            return list(
                self._store.client.zrange(
                    self._store.key("open"), "-inf", latest, byscore=True, offset=0, num=limit
                )
            )

    def remove(self, email_id: str) -> None:
        """Drop an id whose record is gone; raises StoreUnavailable."""
        with self._store.translate_errors():
            self._store.client.zrem(self._store.key("open"), email_id)

    def unsettled(self) -> Iterator[UnsettledEmail]:
        """Yield every email that is in flight or unknown; raises StoreUnavailable."""
        client = self._store.client
        with self._store.translate_errors():
            ids = client.zrange(self._store.key("open"), 0, -1)
            for start in range(0, len(ids), _CHUNK):
                chunk = ids[start : start + _CHUNK]
                pipeline = client.pipeline(transaction=False)
                for email_id in chunk:
                    pipeline.hmget(self._store.key("email", email_id), "route", "history")
                for email_id, (route, history) in zip(chunk, pipeline.execute(), strict=True):
                    if route and history:
                        yield UnsettledEmail(
                            email_id, tuple(json.loads(route)), acceptance_windows(json.loads(history))
                        )

    def resolve(
        self,
        email_id: str,
        attempt_number: int,
        candidates: Sequence[str] = (),
        *,
        match_count: int = 1,
        hold: bool = False,
        exhausted: bool = False,
        operator: str | None = None,
    ) -> Decision:
        """Decide on an email by what SES has, in one step, and record the evidence.

        `candidates` are the MessageIds that may be its own, likeliest first; those that another record owns
        do not count. `match_count` is how many emails they could belong to. Without a candidate the email may
        be sent again, unless it is to be held or its attempts are exhausted. An `operator` says `accepted`,
        `failed` or `resend`. Raises StoreUnavailable.
        """
        params: dict[str, Any] = {
            "attempt_number": attempt_number,
            "evidence": "status-query",
            "candidates": list(candidates),
            "match_count": match_count,
            "hold": hold,
            "exhausted": exhausted,
            "retention": RETENTION,
        }
        if operator:
            params["operator"] = operator
        keys = [self._store.key("email", email_id), self._store.key("due"), self._store.key("open")]
        owners = [self._store.key("message", candidate) for candidate in candidates]
        with self._store.translate_errors():
            reply = json.loads(self._resolve(keys=[*keys, *owners], args=[json.dumps(params)]))
        return Decision(reply["verdict"])

    def acquire_query_slot(self) -> float:
        """Take the account's next status query and return 0, or the seconds to wait for it.

        Raises StoreUnavailable.
        """
        key = self._store.key("status_query_slot")
        with self._store.translate_errors():
            if self._store.client.set(key, "1", nx=True, px=QUERY_LOCK_MS):
                return 0.0
            wait = min(self._store.client.pttl(key), QUERY_INTERVAL_MS)  # the holder may release it earlier
            return float(max(wait, 1)) / SECOND

    def release_query_slot(self) -> None:
        """Release the query slot one second after the response; raises StoreUnavailable."""
        with self._store.translate_errors():
            self._store.client.set(self._store.key("status_query_slot"), "1", px=QUERY_INTERVAL_MS)


def acceptance_windows(history: list[dict[str, Any]]) -> tuple[tuple[int, int], ...]:
    """Return when SES may have accepted each attempt that is not known to have failed, in milliseconds."""
    unsettled = {State.UNKNOWN.value, None}
    following = [*(note["state"] for note in history[1:]), None]
    return tuple(
        (note["at"] - CLOCK_SKEW_MS, note["at"] + ACCEPT_DELAY_MS)
        for note, then in zip(history, following, strict=True)
        if note["state"] == State.SENDING.value and then in unsettled
    )
