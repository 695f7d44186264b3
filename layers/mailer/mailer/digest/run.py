"""A run of a digest: one email per recipient with pending items whose window is open.

    for each page of recipients:
        freeze the recipient's items into the window   # or resume what an earlier window froze
        render them and deliver the email              # under the key of digest, window and recipient
        once it is accepted, close the window          # and only then drop its items

After a crash or duplicate event, the next run finds the frozen items, and the email under its key. What goes
wrong with one recipient does not stop the run: it is logged and counted as `error`.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.concurrency import ordered_map
from mailer.delivery.attempts import record_of
from mailer.delivery.deliver import deliver
from mailer.errors import InvalidRequest, StoreUnavailable
from mailer.ledger import DeferPolicy
from mailer.ledger.digests import DigestLedger, FrozenBatch, PendingRecipient, email_key
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
MAX_ATTEMPTS = 5  # runs that attempt a window whose email is refused or cannot be rendered
UNFINISHED = "unfinished"
ERROR = "error"
DEAD_LETTERED = "dead_lettered"
UNRESOLVED = "Ledger.Unresolved"  # the ledger has given up on the email, with a dead letter of its own
_IN_LEDGER = frozenset(
    {State.ACCEPTED, State.SENDING, State.UNKNOWN, State.DEFERRED, State.SCHEDULED}
)  # SES has the email, or the ledger keeps it


@dataclass(frozen=True)
class _Run:
    """Parameters shared by all recipients of one run."""

    digest: DigestConfig
    scheduled_at: datetime
    trigger: str
    deadline: Deadline
    runtime: Runtime
    digests: DigestLedger

    def name_in_log(self, recipient: PendingRecipient) -> str:
        """Return the hash of a recipient's address; its key may be an earlier one."""
        hasher = self.runtime.ledger.store.addresses.hasher()
        return hasher(recipient.address) if recipient.address else recipient.key


def digest_named(name: Any, runtime: Runtime) -> DigestConfig:
    """Return the digest of that name; raises InvalidRequest."""
    digest = runtime.config.digests.get(name) if isinstance(name, str) else None
    if digest is None:
        raise InvalidRequest.at("/digest", "must name a digest of mailer.toml")
    return digest


def run_digest(
    name: Any, scheduled_time: str, trigger: str, deadline: Deadline, runtime: Runtime
) -> dict[str, Any]:
    """Send the digest of one scheduled time, after unfinished earlier runs, and return counts by result.

    `unfinished` counts recipients for whom no time was left: the next run continues with them. Raises
    InvalidRequest and StoreUnavailable.
    """
    digest, scheduled_at = digest_named(name, runtime), parse_scheduled_time(scheduled_time)
    digests = DigestLedger(runtime.ledger.store)
    counts: Counter[str] = Counter()
    runs = digests.begin_run(digest.name, format_utc(scheduled_at), scheduled_at.timestamp())
    for begun_at, cursor in runs:
        run = _Run(digest, parse_scheduled_time(begun_at), trigger, deadline, runtime, digests)
        counts.update(_process_pages(run, cursor))
        if counts[UNFINISHED]:
            break
        digests.finish_run(digest.name, begun_at)
    return dict(counts)


def _process_pages(run: _Run, cursor: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    while page := run.digests.page(run.digest.name, cursor, PAGE):
        counts.update(ordered_map(lambda recipient: _send_recipient(run, recipient), page))
        if counts[UNFINISHED]:
            break
        cursor = page[-1].key
        run.digests.save_cursor(run.digest.name, format_utc(run.scheduled_at), cursor)
    return counts


def _send_recipient(run: _Run, recipient: PendingRecipient) -> str:
    """Send one recipient's digest and return the result, as it is counted; raises StoreUnavailable."""
    try:
        return _send_window(run, recipient)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - of this recipient; the others get their digests
        logs.unexpected(run.trigger, error, digest=run.digest.name, recipient=run.name_in_log(recipient))
        return ERROR


def _send_window(run: _Run, recipient: PendingRecipient) -> str:
    window, why = window_at(run.digest, recipient.time_zone, run.scheduled_at)
    if not (window or recipient.window):
        return str(why)
    if not run.deadline.allows_call():
        return UNFINISHED
    batch = run.digests.freeze(run.digest, recipient.key, window, format_utc(run.scheduled_at))
    if isinstance(batch, str):
        return batch
    try:
        result = _send(run, recipient, batch)
    except StoreUnavailable:
        raise
    except Exception as error:
        if batch.attempts < MAX_ATTEMPTS:
            raise
        logs.unexpected(run.trigger, error, digest=run.digest.name, recipient=run.name_in_log(recipient))
        return _end_window(run, recipient.key, batch, {"code": type(error).__name__})
    if result == State.ACCEPTED.value and window and batch.window < window:
        return _send_window(run, recipient)  # the previous window just closed; send the current one too
    return result


def _send(run: _Run, pending: PendingRecipient, batch: FrozenBatch) -> str:
    recipient = pending.key
    if batch.address is None:
        reason = {"code": "Ledger.AddressLost", "detail": "the store has no address for the items"}
        return _end_window(run, recipient, batch, reason)
    try:
        items = [json.loads(item) for item in batch.items]
        rendered = render(run.digest, items, batch.total, batch.address)
        request = run.digest.request(
            batch.address, rendered.subject, rendered.data, run.runtime.config.defaults
        )
    except (RenderFailed, InvalidRequest) as error:
        logs.digest_failed(run.digest.name, run.name_in_log(pending), error)
        reason = {"code": type(error).__name__, "detail": str(error)}
        return _handle_refusal(run, recipient, batch, reason, final=batch.expired)
    outcome = deliver(
        request,
        platform_key=_email_key(run, recipient, batch),
        trigger=run.trigger,
        deadline=run.deadline,
        defer=DeferPolicy.ALWAYS,
        runtime=run.runtime,
    )
    return _handle_outcome(run, recipient, batch, outcome)


def _email_key(run: _Run, recipient: str, batch: FrozenBatch) -> str:
    return email_key(run.digest.name, batch.window, recipient)


def _handle_outcome(run: _Run, recipient: str, batch: FrozenBatch, outcome: Outcome) -> str:
    """Close the window if its email is accepted; leave it to the ledger, or to the next run, if it is not.

    What counts is the state of the email's record: mailer.toml may have changed since it was stored.
    """
    if outcome.state in _IN_LEDGER:
        return _leave_to_ledger(run, recipient, batch, outcome.state, outcome.code)
    if outcome.state is State.FAILED and not batch.expired:
        return str(outcome.state.value)
    final = outcome.action is Action.SUPPRESS or outcome.state is State.EXPIRED or batch.expired
    return _handle_refusal(run, recipient, batch, outcome.reason(), final=final)


def _leave_to_ledger(run: _Run, recipient: str, batch: FrozenBatch, state: State, code: str | None) -> str:
    """Close the window if its email is accepted, or a dead letter of its own; else the ledger ends it."""
    if state is State.ACCEPTED or code == UNRESOLVED:
        run.digests.close(run.digest.name, recipient, batch.window)
    return DEAD_LETTERED if code == UNRESOLVED else str(state.value)


def _handle_refusal(
    run: _Run, recipient: str, batch: FrozenBatch, reason: dict[str, Any], *, final: bool
) -> str:
    """Leave a refused digest to the next run; dead-letter its items once retries are pointless."""
    if not final and batch.attempts < MAX_ATTEMPTS:
        return "refused"
    run.digests.close(run.digest.name, recipient, batch.window, reason)
    return DEAD_LETTERED


def _end_window(run: _Run, recipient: str, batch: FrozenBatch, reason: dict[str, Any]) -> str:
    """Dead-letter the items of a window that cannot be sent, unless the ledger has its email already."""
    record = record_of(_email_key(run, recipient, batch), run.runtime)
    if record and record.state in _IN_LEDGER:
        return _leave_to_ledger(run, recipient, batch, record.state, record.code)
    return _handle_refusal(run, recipient, batch, reason, final=True)
