"""The plan of a digest: who would get what at a tick, who would not and why; nothing is changed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from mailer.email.addresses import domain_of
from mailer.ledger.digests import DigestLedger

from .clock import parse_scheduled_time, window_at
from .run import configured

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mailer.config.digests import DigestConfig
    from mailer.ledger.digests import PendingRecipient
    from mailer.runtime import Runtime

PAGE = 1000


class Planned(NamedTuple):
    """One line of a plan: `window` is None where nothing would be sent, and `why` says the reason.

    `why` is otherwise `send`, or `finish` for what an earlier window has begun.
    """

    address: str
    items: int
    window: str | None
    why: str


def plan(name: Any, scheduled_time: str, runtime: Runtime) -> Iterator[Planned]:
    """Yield what a tick at `scheduled_time` would do, a page of recipients in memory at a time.

    Raises InvalidRequest and StoreUnavailable.
    """
    digest, moment = configured(name, runtime), parse_scheduled_time(scheduled_time)
    domain = domain_of(digest.request("someone@mail.example", "-", {}, runtime.config.defaults).sender)
    digests, cursor = DigestLedger(runtime.ledger.store), ""
    while page := digests.page(digest.name, cursor, PAGE, domain):
        for waiting in page:
            yield _planned(digest, waiting, moment)
        cursor = page[-1].key


def count(name: Any, scheduled_time: str, runtime: Runtime) -> dict[str, Any]:
    """Return how many recipients a plan has for each reason."""
    return dict(Counter(planned.why for planned in plan(name, scheduled_time, runtime)))


def _planned(digest: DigestConfig, waiting: PendingRecipient, moment: datetime) -> Planned:
    window, why = window_at(digest, waiting.time_zone, moment)
    if waiting.suppressed:
        window, why = None, "suppressed"
    elif waiting.window:
        window, why = waiting.window, "finish"
    elif not waiting.items:
        window, why = None, "nothing"
    elif window and waiting.last_window and waiting.last_window >= window:
        window, why = None, "already_sent"
    return Planned(waiting.address, waiting.items, window, why or "send")
