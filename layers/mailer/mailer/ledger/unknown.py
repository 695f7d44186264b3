"""Unknown emails: lookup, match candidates, resolution."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from .admission import DAY, LEASE_SECONDS, SECOND
from .keys import email_keys
from .record import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .store import Store

CLOCK_ERROR_MS = (
    5 * SECOND
)  # how exactly the offset of SES's clock is known: Date has seconds, networks delay
MAX_CLOCK_ERROR_MS = 300 * SECOND  # how far a clock may have been set since the offset was measured
ACCEPT_DELAY_MS = (LEASE_SECONDS + 60) * SECOND  # latest acceptance time after an attempt starts
LISTED_MS = 28 * DAY  # SES lists an email for 30 days
RECHECK_MAX_MS = DAY  # the longest time between two looks at an unknown email
QUERY_LOCK_MS = 15 * SECOND  # a query that takes longer has failed
QUERY_INTERVAL_MS = 1050  # SES answers one status query a second
_CHUNK = 500
_NOT_SENT = frozenset({State.REFUSED.value, State.DEFERRED.value, State.FAILED.value})


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
class Matches:
    """What SES's rows say of one email; rows go by their MessageIds.

    `candidates` are likely its own, likeliest first. The others could be so only if a clock was set:
    `explained` are likely another email's, `traces` nobody's. `match_count` is how many emails could be those
    of all rows; it is greater than their number where none may be claimed. The email is `doubtful` where it
    is not known how far SES's clock was ahead when it was sent. The first `claimable` candidates leave a row
    to each other email that has none yet.
    """

    candidates: tuple[str, ...] = ()
    explained: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    match_count: int = 1
    doubtful: bool = False
    claimable: int = 0


@dataclass(frozen=True)
class UnsettledEmail:
    """An email in flight, unknown, or accepted without a MessageId, as far as a status query can tell.

    `route` has hashes of the sender and of each recipient; `windows`, for each unsettled attempt, the
    milliseconds between which SES likely accepted it, and `possible` those outside of which it did not.
    """

    id: str
    route: tuple[str, ...]
    windows: tuple[tuple[int, int], ...]
    possible: tuple[tuple[int, int], ...]

    def goes_to(self, sender: str, recipient: str) -> bool:
        """Return whether the email is from this sender, and to this recipient among others."""
        return self.route[:1] == (sender,) and recipient in self.route[1:]


class UnknownLedger:
    """The unsettled records of one account; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._resolve = store.script("resolve", in_full_store=True)
        self._postpone = store.script("postpone", in_full_store=True)
        self._slot = store.script("query_slot", in_full_store=True)

    def older_than(self, grace: float, limit: int) -> list[str]:
        """Return up to `limit` ids of emails that have been unknown for `grace` seconds, oldest first.

        A `sending` email is unknown from the end of its lease on. Raises StoreUnavailable.
        """
        with self._store.translate_errors():
            latest = self._store.now() - int(grace * SECOND)
            return list(
                self._store.client.zrange(
                    self._store.key("open"), "-inf", latest, byscore=True, offset=0, num=limit
                )
            )

    def postpone(self, email_id: str, grace: float) -> None:
        """Look at an email later, the later the longer it has waited; `grace` is in seconds.

        After the retention it is left to an operator, with a dead letter. An email whose record is gone, or
        holds nothing to send, is not looked at again. Raises StoreUnavailable.
        """
        args = [email_id, int(grace * SECOND), self._store.bounds.retention]
        with self._store.translate_errors():
            self._postpone(keys=email_keys(self._store, email_id), args=args)

    def unsettled(self, clock_offset: int | None) -> Iterator[UnsettledEmail]:
        """Yield every email that is in flight or unknown, or counts as the owner of a row without naming it.

        `clock_offset` is how many milliseconds SES's clock is ahead of the store's, as far as it is known.
        Raises StoreUnavailable.
        """
        client = self._store.client
        with self._store.translate_errors():
            ids = [
                email_id
                for index in ("open", "unmatched")
                for email_id in client.zrange(self._store.key(index), 0, -1)
            ]
            for start in range(0, len(ids), _CHUNK):
                chunk = ids[start : start + _CHUNK]
                pipeline = client.pipeline(transaction=False)
                for email_id in chunk:
                    pipeline.hmget(self._store.key("email", email_id), "route", "history", "attempts_before")
                for email_id, (route, history, before) in zip(chunk, pipeline.execute(), strict=True):
                    if route and history:
                        yield from _unsettled_emails(
                            email_id, json.loads(route), json.loads(history), int(before or 0), clock_offset
                        )

    def resolve(
        self,
        email_id: str,
        attempt_number: int,
        matches: Matches = Matches(),
        *,
        hold: bool = False,
        exhausted: bool = False,
        operator: str | None = None,
    ) -> Decision:
        """Decide on an email by what SES has, in one step, and record the evidence.

        A candidate that another record owns does not count. Without a candidate or a trace the email may be
        sent again, unless it is to be held or its attempts are exhausted. An `operator` says `accepted`,
        `failed` or `resend`. Raises StoreUnavailable.
        """
        rows = [*matches.candidates, *matches.explained, *matches.traces]
        params: dict[str, Any] = {
            "attempt_number": attempt_number,
            "evidence": "status-query",
            "rows": rows,
            "candidates": len(matches.candidates),
            "claimable": matches.claimable,
            "explained": len(matches.explained),
            "match_count": matches.match_count,
            "doubtful": matches.doubtful,
            "hold": hold,
            "exhausted": exhausted,
            "retention": self._store.bounds.retention,
            "recheck_max": RECHECK_MAX_MS,
            "listed": LISTED_MS,
        }
        if operator:
            params["operator"] = operator
        keys = [*email_keys(self._store, email_id), *(self._store.key("message", row) for row in rows)]
        with self._store.translate_errors():
            reply = json.loads(self._resolve(keys=keys, args=[json.dumps(params)]))
        return Decision(reply["verdict"])

    def acquire_query_slot(self) -> float:
        """Take the account's next status query and return 0, or the seconds to wait for it.

        Raises StoreUnavailable.
        """
        return self._query_slot("acquire") / SECOND

    def release_query_slot(self) -> None:
        """Release the query slot one second after the response; raises StoreUnavailable."""
        self._query_slot("release")

    def _query_slot(self, step: str) -> int:
        keys = [self._store.key("status_query_slot")]
        with self._store.translate_errors():
            return int(self._slot(keys=keys, args=[step, QUERY_LOCK_MS, QUERY_INTERVAL_MS]))


def _unsettled_emails(
    email_id: str,
    route: list[str],
    history: list[dict[str, Any]],
    attempts_before: int,
    clock_offset: int | None,
) -> Iterator[UnsettledEmail]:
    """Yield a record's email, and the one that an earlier request under its key may have been."""

    def windows(since_attempt: int, *, possible: bool) -> list[tuple[int, int]]:
        return acceptance_windows(history, clock_offset, since_attempt=since_attempt, possible=possible)

    first = attempts_before + 1
    likely, possible = windows(first, possible=False), windows(first, possible=True)
    earlier = [window for window in windows(0, possible=True) if window not in possible]
    yield UnsettledEmail(email_id, tuple(route), tuple(likely), tuple(possible))
    if earlier:
        yield UnsettledEmail("", tuple(route), tuple(earlier), tuple(earlier))


def acceptance_windows(
    history: list[dict[str, Any]],
    clock_offset: int | None = None,
    clock_error: int = CLOCK_ERROR_MS,
    *,
    since_attempt: int = 0,
    possible: bool = False,
) -> list[tuple[int, int]]:
    """Return when SES may have accepted each attempt that is not known to have failed.

    The windows are in milliseconds of SES's clock, whose offset from the store's is taken as it was known
    when the attempt began and as it is known now (`clock_offset`), each right to `clock_error`. Where it was
    not known when the attempt began, all that is tolerated was `possible`. Attempts before the one numbered
    `since_attempt` are left out.
    """
    windows = []
    for index, note in enumerate(history):
        if note["state"] != State.SENDING.value or note.get("attempt", since_attempt) < since_attempt:
            continue
        if _certainly_not_sent(history, index):
            continue
        offsets = (note.get("clock_offset"), clock_offset)
        known = [offset for offset in offsets if offset is not None] or [0]
        error = MAX_CLOCK_ERROR_MS if possible and "clock_offset" not in note else clock_error
        windows.append(
            (
                note["at"] + min(known) - error,
                note["at"] + max(known) + ACCEPT_DELAY_MS + error,
            )
        )
    return windows


def _certainly_not_sent(history: list[dict[str, Any]], index: int) -> bool:
    """Return whether the attempt at `index` is known to have failed, were it learnt late."""
    for note in history[index + 1 :]:
        if note["state"] == State.SENDING.value:
            return False
        if note["state"] in _NOT_SENT and note.get("attempt") == history[index].get("attempt"):
            return True
    return False
