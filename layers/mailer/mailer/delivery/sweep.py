"""The sweep: sends what is due, reconciles what is unknown, ends items and dead letters that are old."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mailer.concurrency import WORKERS
from mailer.errors import InvalidRequest, StoreUnavailable
from mailer.ledger.digest_expiry import DigestExpiry
from mailer.ledger.health import store_usage
from mailer.ledger.unknown import Decision, UnknownLedger
from mailer.telemetry import logs
from mailer.telemetry.store_usage import report_usage

from .attempts import stored_attempt
from .deliver import deliver_stored
from .reconcile import reconcile

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailer.deadline import Deadline
    from mailer.runtime import Runtime

PAGE = 100


def sweep(trigger: str, deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    """Send what is due and reconcile what is unknown, while time remains; return counts by result.

    Digest items that are too old become dead letters, counted as `expired_items`; dead letters that are too
    old are removed, counted as `expired_dead_letters`. What it could not finish is due again a minute later.
    Raises StoreUnavailable.
    """
    counts: Counter[str] = Counter()

    def send(email_id: str) -> str:
        return _send(email_id, trigger, deadline, runtime)

    with ThreadPoolExecutor(max_workers=WORKERS + 1) as pool:
        reconciliation = pool.submit(_reconcile, send, pool, deadline, runtime)
        while deadline.allows_call() and (page := runtime.ledger.due(PAGE)):
            counts.update(pool.map(send, page))
        counts.update(reconciliation.result())
    counts.update(_expire_digest_items(deadline, runtime))
    counts.update(_expire_dead_letters(deadline, runtime))
    with suppress(StoreUnavailable):  # the work is done, whether or not the server says how full it is
        report_usage(store_usage(runtime.ledger.store), trigger)
    return dict(counts)


def _reconcile(
    send: Callable[[str], str], pool: ThreadPoolExecutor, deadline: Deadline, runtime: Runtime
) -> Counter[str]:
    """Reconcile unknown emails at the status-query rate and resend where allowed."""
    counts: Counter[str] = Counter()
    resends = []
    for email_id, decision in reconcile(deadline, runtime):
        counts[decision.value] += 1
        if decision is Decision.RESEND:
            resends.append(pool.submit(send, email_id))
    counts.update(resend.result() for resend in resends)
    return counts


def _expire_digest_items(deadline: Deadline, runtime: Runtime) -> dict[str, int]:
    """Dead-letter digest items that are too old: one page of recipients, then more while time remains."""
    expiry, expired = DigestExpiry(runtime.ledger.store, runtime.settings.account), 0
    if deadline.allows_call():
        with suppress(StoreUnavailable):  # a full store takes nothing new: a later sweep adopts them
            expiry.adopt()
    while page := expiry.due(PAGE):
        expired += sum(map(expiry.expire, page))
        if not deadline.allows_call():
            break
    return {"expired_items": expired} if expired else {}


def _expire_dead_letters(deadline: Deadline, runtime: Runtime) -> dict[str, int]:
    """Remove dead letters that are too old: one page of them, then more while time remains."""
    expired, more = runtime.ledger.expire_dead_letters(PAGE)
    while more and deadline.allows_call():
        removed, more = runtime.ledger.expire_dead_letters(PAGE)
        expired += removed
    return {"expired_dead_letters": expired} if expired else {}


def _send(email_id: str, trigger: str, deadline: Deadline, runtime: Runtime) -> str:
    stored = runtime.ledger.stored_request(email_id)
    if stored is None:
        _postpone(email_id, runtime)
        return "gone"
    try:
        attempt = stored_attempt(email_id, stored, trigger)
    except InvalidRequest as error:  # stored by a version with other rules: it waits for one that reads it
        logs.refused(trigger, error, id=email_id)
        _postpone(email_id, runtime)
        return "unreadable"
    return deliver_stored(attempt, stored.state, deadline=deadline, runtime=runtime).state.value


def _postpone(email_id: str, runtime: Runtime) -> None:
    UnknownLedger(runtime.ledger.store).postpone(email_id, runtime.settings.unknown_grace)
