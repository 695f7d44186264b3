"""A run of a digest: one email for each recipient who has something to hear and whose hour it is.

    for each page of recipients:
        freeze the recipient's items into the window   # or take up what an earlier window froze
        render them and deliver the email              # under the key of digest, window and recipient
        once it is accepted, close the window          # and only then drop its items

Whatever dies or comes twice on the way, the next run finds the frozen items, and the email under its key.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.delivery.deliver import deliver
from mailer.errors import InvalidRequest
from mailer.ledger import DeferPolicy
from mailer.ledger.digests import DigestLedger, FrozenBatch, PendingRecipient
from mailer.ledger.record import State
from mailer.ses.error_table import Action
from mailer.telemetry import logs

from .clock import format_utc, parse_scheduled_time, window_at
from .render import RenderFailed, render

if TYPE_CHECKING:
    from datetime import datetime

    from mailer.config.digests import DigestConfig
    from mailer.deadline import Deadline
    from mailer.delivery.outcome import Outcome
    from mailer.runtime import Runtime

PAGE = 100
WORKERS = 20
MAX_TRIES = 5  # runs that try a window whose email is refused or cannot be rendered, before it is given up
UNFINISHED = "unfinished"
_OPEN = frozenset({State.SENDING, State.UNKNOWN, State.DEFERRED, State.SCHEDULED})


@dataclass(frozen=True)
class _Run:
    """What stays the same from one recipient to the next."""

    digest: DigestConfig
    tick: str
    moment: datetime
    trigger: str
    deadline: Deadline
    runtime: Runtime
    digests: DigestLedger


def configured(name: Any, runtime: Runtime) -> DigestConfig:
    """Return the digest of that name; raises InvalidRequest."""
    digest = runtime.config.digests.get(name) if isinstance(name, str) else None
    if digest is None:
        raise InvalidRequest.at("/digest", "must name a digest of mailer.toml")
    return digest


def run_digest(
    name: Any, scheduled_time: str, trigger: str, deadline: Deadline, runtime: Runtime
) -> dict[str, Any]:
    """Send the digest for one tick, after what earlier ticks left unfinished, and count what became of whom.

    `unfinished` says that time ran out: the next tick goes on. Raises InvalidRequest and StoreUnavailable.
    """
    digest, moment = configured(name, runtime), parse_scheduled_time(scheduled_time)
    digests = DigestLedger(runtime.ledger.store)
    counts: Counter[str] = Counter()
    for tick, cursor in digests.begin_run(digest.name, format_utc(moment), moment.timestamp()):
        run = _Run(digest, tick, parse_scheduled_time(tick), trigger, deadline, runtime, digests)
        counts.update(_go_through(run, cursor))
        if counts[UNFINISHED]:
            break
        digests.finish_run(digest.name, tick)
    return dict(counts)


def _go_through(run: _Run, cursor: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        while page := run.digests.page(run.digest.name, cursor, PAGE):
            counts.update(pool.map(lambda waiting: _tell(run, waiting), page))
            if counts[UNFINISHED]:
                break
            cursor = page[-1].key
            run.digests.reach(run.digest.name, run.tick, cursor)
    return counts


def _tell(run: _Run, waiting: PendingRecipient) -> str:
    """Send one recipient's digest and return in a word what became of it."""
    window, why = window_at(run.digest, waiting.time_zone, run.moment)
    if not (window or waiting.window):
        return str(why)
    if not run.deadline.allows_call():
        return UNFINISHED
    frozen = run.digests.freeze(run.digest, waiting.key, window, run.tick)
    if isinstance(frozen, str):
        return frozen
    result = _send(run, waiting.key, frozen)
    if result == State.ACCEPTED.value and window and frozen.window < window:
        return _tell(run, waiting)  # an earlier window is over only now, and this one may have its own
    return result


def _send(run: _Run, recipient: str, frozen: FrozenBatch) -> str:
    try:
        words = render(run.digest, frozen.items, frozen.total, frozen.address)
        request = run.digest.request(frozen.address, words.subject, words.data, run.runtime.config.defaults)
    except (RenderFailed, InvalidRequest) as error:
        logs.digest_failed(run.digest.name, recipient, error)
        return _refused(
            run, recipient, frozen, {"code": type(error).__name__, "detail": str(error)}, final=False
        )
    outcome = deliver(
        request,
        key=f"digest:{run.digest.name}:{frozen.window}:{recipient}",
        trigger=run.trigger,
        deadline=run.deadline,
        defer=DeferPolicy.ALWAYS,
        runtime=run.runtime,
    )
    return _conclude(run, recipient, frozen, outcome)


def _conclude(run: _Run, recipient: str, frozen: FrozenBatch, outcome: Outcome) -> str:
    """Close the window if its email is accepted; leave it to the ledger, or to the next run, if it is not.

    What counts is the state of the email's record: mailer.toml may have changed since it was asked for.
    """
    if outcome.state is State.ACCEPTED:
        run.digests.close(run.digest.name, recipient, frozen.window)
        return str(outcome.state.value)
    if outcome.state in _OPEN or outcome.state is State.FAILED:
        return str(outcome.state.value)
    final = outcome.action is Action.SUPPRESS or outcome.state is State.EXPIRED
    return _refused(run, recipient, frozen, outcome.reason(), final=final)


def _refused(run: _Run, recipient: str, frozen: FrozenBatch, reason: dict[str, Any], *, final: bool) -> str:
    """Report a digest that was not taken; its items are a dead letter once there is no point in trying."""
    if not final and frozen.tries < MAX_TRIES:
        return "refused"
    body = {
        "digest": run.digest.name,
        "recipient": frozen.address,
        "window": frozen.window,
        "items": run.digests.frozen_items(run.digest.name, recipient),
    }
    source = f"digest:{run.digest.name}:{frozen.window}:{recipient}"
    run.runtime.ledger.dead_letter(source, reason, json.dumps(body))
    run.digests.close(run.digest.name, recipient, frozen.window)
    return "dead_lettered"
