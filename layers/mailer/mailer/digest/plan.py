"""The plan of a digest: who would get it at a scheduled time, who would not and why; read-only."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from mailer.email.addresses import domain_of
from mailer.ledger.digests import DigestLedger

from .clock import parse_scheduled_time, window_at
from .run import digest_named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mailer.config.digests import DigestConfig
    from mailer.ledger.digests import PendingRecipient
    from mailer.runtime import Runtime

PAGE = 1000


class Planned(NamedTuple):
    """One line of a plan: `window` is None where nothing would be sent, and `why` is the reason.

    `why` is otherwise `send`, or `finish` for an earlier window that is not closed. Items whose address the
    store has lost would become a dead letter.
    """

    address: str
    items: int
    window: str | None
    why: str


def plan(name: Any, scheduled_time: str, runtime: Runtime) -> Iterator[Planned]:
    """Yield the result of a run at `scheduled_time` for each recipient, with one page of them in memory.

    Raises InvalidRequest and StoreUnavailable.
    """
    digest, scheduled_at = digest_named(name, runtime), parse_scheduled_time(scheduled_time)
    domain = domain_of(digest.sample_request(runtime.config.defaults).sender)
    digests, cursor = DigestLedger(runtime.ledger.store), ""
    while page := digests.page(digest.name, cursor, PAGE):
        suppressed = digests.suppressed(page, domain)
        for recipient, is_suppressed in zip(page, suppressed, strict=True):
            yield _planned(digest, recipient, scheduled_at, is_suppressed=is_suppressed)
        cursor = page[-1].key


def count(name: Any, scheduled_time: str, runtime: Runtime) -> dict[str, Any]:
    """Return how many recipients a plan has for each reason."""
    return dict(Counter(planned.why for planned in plan(name, scheduled_time, runtime)))


def _planned(
    digest: DigestConfig, recipient: PendingRecipient, scheduled_at: datetime, *, is_suppressed: bool
) -> Planned:
    window, why = window_at(digest, recipient.time_zone, scheduled_at)
    if is_suppressed:
        window, why = None, "suppressed"
    elif recipient.window:
        window, why = recipient.window, "finish"
    elif not recipient.items:
        window, why = None, "nothing"
    elif not recipient.address:
        window, why = None, "dead_lettered"
    elif window and recipient.last_window and recipient.last_window >= window:
        window, why = None, "already_sent"
    return Planned(recipient.address, recipient.items, window, why or "send")
