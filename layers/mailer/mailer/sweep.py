"""The sweep: sends what was deferred or scheduled, once it is due."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from .delivery import MIN_SECONDS, deliver_kept
from .outcome import Disposition
from .request import EmailRequest

if TYPE_CHECKING:
    from .deadline import Deadline
    from .runtime import Runtime

PAGE = 100
WORKERS = 20


def sweep(trigger: str, deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    """Send what is due while time is left and return how many emails ended in which state.

    Raises StoreUnavailable. What it could not finish is due again a minute later.
    """
    counts: Counter[str] = Counter()
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        while deadline.left() >= MIN_SECONDS and (page := runtime.ledger.due(PAGE)):
            counts.update(pool.map(lambda email: _send(email, trigger, deadline, runtime), page))
    return dict(counts)


def _send(email: str, trigger: str, deadline: Deadline, runtime: Runtime) -> str:
    kept = runtime.ledger.request_of(email)
    if kept is None:
        return "gone"
    state, body = kept
    request = EmailRequest.parse(body)
    outcome = deliver_kept(email, request, state, trigger=trigger, deadline=deadline, runtime=runtime)
    if outcome.disposition is Disposition.REFUSED and not outcome.replayed:
        record = runtime.ledger.look(email)
        reason = {**outcome.reason(), "history": record.history if record else []}
        runtime.ledger.bury(f"email:{email}", reason, body)
    return outcome.state.value
