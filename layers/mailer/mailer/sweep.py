"""The sweep: sends what was deferred or scheduled, once it is due, and reconciles what is in doubt."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from . import logs
from .delivery import MIN_SECONDS, deliver_kept
from .errors import InvalidRequest
from .ledger.doubts import Decision
from .outcome import Disposition
from .reconcile import reconcile
from .request import EmailRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .deadline import Deadline
    from .runtime import Runtime

PAGE = 100
WORKERS = 20


def sweep(trigger: str, deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    """Send what is due and reconcile what is in doubt, while time is left; return how much became what.

    Raises StoreUnavailable. What it could not finish is due again a minute later.
    """
    counts: Counter[str] = Counter()

    def send(email: str) -> str:
        return _send(email, trigger, deadline, runtime)

    with ThreadPoolExecutor(max_workers=WORKERS) as pool, ThreadPoolExecutor(max_workers=1) as beside:
        reconciling = beside.submit(_reconcile, send, pool, deadline, runtime)
        while deadline.left() >= MIN_SECONDS and (page := runtime.ledger.due(PAGE)):
            counts.update(pool.map(send, page))
        counts.update(reconciling.result())
    return dict(counts)


def _reconcile(
    send: Callable[[str], str], pool: ThreadPoolExecutor, deadline: Deadline, runtime: Runtime
) -> Counter[str]:
    """Settle the doubts, at the pace of SES's status queries, and send again what may be sent again."""
    counts: Counter[str] = Counter()
    again = []
    for email, decision in reconcile(deadline, runtime):
        counts[decision.value] += 1
        if decision is Decision.RESEND:
            again.append(pool.submit(send, email))
    counts.update(sent.result() for sent in again)
    return counts


def _send(email: str, trigger: str, deadline: Deadline, runtime: Runtime) -> str:
    kept = runtime.ledger.request_of(email)
    if kept is None:
        return "gone"
    state, body = kept
    try:
        request = EmailRequest.parse(body)
    except InvalidRequest as error:  # kept by a version with other rules: it stays due, for one that reads it
        logs.refused(trigger, error, id=email)
        return "unreadable"
    outcome = deliver_kept(email, request, state, trigger=trigger, deadline=deadline, runtime=runtime)
    if outcome.disposition is Disposition.REFUSED and not outcome.replayed:
        record = runtime.ledger.look(email)
        reason = {**outcome.reason(), "history": record.history if record else []}
        runtime.ledger.bury(f"email:{email}", reason, body)
    return outcome.state.value
