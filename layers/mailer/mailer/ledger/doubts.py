"""The emails in doubt: which they are, what could be mistaken for them, what was found out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from mailer.record import State

from .admission import LEASE_SECONDS, SECOND
from .emails import RETENTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .store import Store

EARLY = 5 * SECOND  # how far SES's clock may be behind the store's
LATE = (LEASE_SECONDS + 60) * SECOND  # by when SES has taken what a call of that attempt brought
TURN = 15 * SECOND  # a query that takes longer has failed
BETWEEN_QUERIES = 1050  # milliseconds; SES answers one status query a second
_CHUNK = 500


class Decision(str, Enum):
    """What reconciliation makes of an email in doubt."""

    FOUND = "found"
    """SES has it: accepted."""
    RESEND = "resend"
    """SES has no trace of it after the grace time: it may be sent again."""
    HELD = "held"
    """SES has no trace of it, and the request wants an operator to decide."""
    AMBIGUOUS = "ambiguous"
    """SES has fewer emails than there are requests which they could be."""
    GIVEN_UP = "given_up"
    """SES has no trace of it, and it was attempted too often."""
    SUPERSEDED = "superseded"
    """Something else has settled it meanwhile."""
    UNDECIDED = "undecided"
    """SES could not be asked, or not in time: the next sweep asks again."""


@dataclass(frozen=True)
class Rival:
    """An email in doubt, as far as a status query can tell it from others: sender, recipients, attempts.

    `route` has hashes of the sender and of each recipient; `windows`, for each attempt in doubt, the
    milliseconds between which SES may have taken it.
    """

    id: str
    route: tuple[str, ...]
    windows: tuple[tuple[int, int], ...]

    def may_own(self, sender: str, recipient: str, moment: int) -> bool:
        """Tell whether SES's acceptance at `moment` (milliseconds) could be that of this email."""
        return (
            self.route[:1] == (sender,)
            and recipient in self.route[1:]
            and any(start <= moment <= end for start, end in self.windows)
        )


class DoubtLedger:
    """The open records of one account; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._resolve = store.script("resolve", "flags=allow-oom")

    def overdue(self, grace: float, most: int) -> list[str]:
        """Return up to `most` ids of emails that have been in doubt for `grace` seconds, oldest first.

        A `sending` email is in doubt from the end of its lease on. Raises StoreUnavailable.
        """
        with self._store.reaching():
            seconds, microseconds = self._store.client.time()
            latest = seconds * SECOND + microseconds // 1000 - int(grace * SECOND)
            return list(
                self._store.client.zrange(
                    self._store.key("open"), "-inf", latest, byscore=True, offset=0, num=most
                )
            )

    def forget(self, email: str) -> None:
        """Drop an id whose record is gone; raises StoreUnavailable."""
        with self._store.reaching():
            self._store.client.zrem(self._store.key("open"), email)

    def rivals(self) -> Iterator[Rival]:
        """Yield every email that is being sent or in doubt; raises StoreUnavailable."""
        client = self._store.client
        with self._store.reaching():
            ids = client.zrange(self._store.key("open"), 0, -1)
            for start in range(0, len(ids), _CHUNK):
                chunk = ids[start : start + _CHUNK]
                pipeline = client.pipeline(transaction=False)
                for email in chunk:
                    pipeline.hmget(self._store.key("email", email), "route", "history")
                for email, (route, history) in zip(chunk, pipeline.execute(), strict=True):
                    if route and history:
                        yield Rival(email, tuple(json.loads(route)), windows(json.loads(history)))

    def resolve(
        self,
        email: str,
        attempt: int,
        candidates: Sequence[str] = (),
        *,
        contenders: int = 1,
        hold: bool = False,
        exhausted: bool = False,
        operator: str | None = None,
    ) -> Decision:
        """Decide on an email by what SES has, in one step, and write down on what evidence.

        `candidates` are the MessageIds that may be its own, likeliest first; those that another record owns
        do not count. `contenders` is how many emails they could belong to. Without a candidate the email may
        be sent again, unless it is to be held or its attempts are exhausted. An `operator` who knows better
        says `accepted`, `failed` or `resend`. Raises StoreUnavailable.
        """
        told: dict[str, Any] = {
            "attempt": attempt,
            "evidence": "status-query",
            "candidates": list(candidates),
            "contenders": contenders,
            "hold": hold,
            "exhausted": exhausted,
            "retention": RETENTION,
        }
        if operator:
            told["operator"] = operator
        keys = [self._store.key("email", email), self._store.key("due"), self._store.key("open")]
        owners = [self._store.key("message", candidate) for candidate in candidates]
        with self._store.reaching():
            reply = json.loads(self._resolve(keys=[*keys, *owners], args=[json.dumps(told)]))
        return Decision(reply["verdict"])

    def take_turn(self) -> float:
        """Take the account's next status query and return 0, or how many seconds to wait for it.

        Raises StoreUnavailable.
        """
        key = self._store.key("status_turn")
        with self._store.reaching():
            if self._store.client.set(key, "1", nx=True, px=TURN):
                return 0.0
            left = min(self._store.client.pttl(key), BETWEEN_QUERIES)  # whoever has it may end it earlier
            return float(max(left, 1)) / SECOND

    def end_turn(self) -> None:
        """Give the turn on, a second after the answer; raises StoreUnavailable."""
        with self._store.reaching():
            self._store.client.set(self._store.key("status_turn"), "1", px=BETWEEN_QUERIES)


def windows(history: list[dict[str, Any]]) -> tuple[tuple[int, int], ...]:
    """Return when SES may have taken each attempt that is not known to have failed, in milliseconds."""
    doubtful = {State.UNKNOWN.value, None}
    following = [*(note["state"] for note in history[1:]), None]
    return tuple(
        (note["at"] - EARLY, note["at"] + LATE)
        for note, then in zip(history, following, strict=True)
        if note["state"] == State.SENDING.value and then in doubtful
    )
