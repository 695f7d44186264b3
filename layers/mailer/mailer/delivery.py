"""`deliver()`: the only road to SendEmail."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import logs, metrics
from .actions import Action, Rule, Scope, rule_for
from .deadline import DEFAULT_SECONDS, Deadline
from .errors import SesFailure, StoreUnavailable
from .identity import email_id, fresh_key
from .ledger import LEASE_SECONDS, Entry, Keep, Verdict
from .outcome import Disposition, Outcome
from .record import State
from .runtime import Runtime
from .ses import CONNECT_TIMEOUT, READ_TIMEOUT

if TYPE_CHECKING:
    from .ledger import Admission
    from .request import EmailRequest
    from .ses import Receipt

MIN_SECONDS = 1.5  # with less than this left no call is begun
MAX_CALLS = 5  # of one email within one invocation
MAX_ATTEMPTS = 20  # of one email over all invocations, before the ledger gives it up
MAX_DELAY = 3600.0  # seconds; the delay doubles up to this from one attempt to the next
FENCE = LEASE_SECONDS - CONNECT_TIMEOUT - READ_TIMEOUT - 2.0  # a call begun later could outlive its lease
IN_FLIGHT_RETRY = 5.0
_WAITING = frozenset({Action.RETRY, Action.DEFER, Action.HALT})


@dataclass(frozen=True)
class _Road:
    """What stays the same from one attempt to the next."""

    runtime: Runtime
    deadline: Deadline
    keep: Keep


def deliver(
    request: EmailRequest,
    *,
    key: str | None = None,
    trigger: str = "direct",
    deadline: Deadline | None = None,
    keep: Keep = Keep.NOTHING,
    runtime: Runtime | None = None,
) -> Outcome:
    """Send `request` at most once and return what became of it; raises StoreUnavailable.

    `key` names the email where the request itself does not; `keep` says what the ledger shall keep of what
    cannot be sent now. Without a deadline, the call may take 30 seconds.
    """
    runtime = runtime or Runtime.current()
    road = _Road(runtime, deadline or Deadline(DEFAULT_SECONDS), keep)
    key = request.idempotency_key or key or fresh_key()
    return _deliver(road, Entry(email_id(runtime.settings.account, key), request, trigger), None)


def deliver_kept(
    email: str, request: EmailRequest, state: State, *, trigger: str, deadline: Deadline, runtime: Runtime
) -> Outcome:
    """Send the email with the id `email`, which the ledger kept in `state`; raises StoreUnavailable."""
    return _deliver(_Road(runtime, deadline, Keep.UNSENT), Entry(email, request, trigger), state)


def _deliver(road: _Road, entry: Entry, claim: State | None) -> Outcome:
    codes: list[str] = []
    while True:
        outcome = _attempt(road, entry, claim, codes)
        delay = (outcome.retry_after or 0.0) + random.uniform(0.0, 0.25)  # noqa: S311 - spreads retries
        again = outcome.action is Action.RETRY and 0 < len(codes) < MAX_CALLS
        if not again or road.deadline.left() < delay + MIN_SECONDS:
            logs.outcome(entry, outcome)
            metrics.count(entry.trigger, outcome)
            return outcome
        time.sleep(delay)
        claim = State.DEFERRED if outcome.state is State.DEFERRED else None
        entry = Entry(entry.id, entry.request, entry.trigger)


def _attempt(road: _Road, entry: Entry, claim: State | None, codes: list[str]) -> Outcome:
    """Admit, send, settle: once. The code of a failed call is added to `codes`."""
    asked_at = time.time()
    admission = _admit(road, entry, claim)
    if admission.verdict is not Verdict.SEND:
        codes.clear()
        return _in_the_way(entry, admission)
    started_at = time.monotonic()
    try:
        receipt = _send(road, entry, asked_at)
    except SesFailure as failure:
        attempts = admission.record.attempts if admission.record else 1
        rule = _rule(failure.code, codes)
        codes.append(failure.code)
        outcome = _failed(road, entry, failure, rule, attempts)
    else:
        outcome = _accepted(road, entry, receipt)
    return replace(outcome, seconds=time.monotonic() - started_at)


def _admit(road: _Road, entry: Entry, claim: State | None) -> Admission:
    """Ask until the pace lets the email go or the time is up; then the ledger keeps it if it is to."""
    while True:
        in_time = road.deadline.left() >= MIN_SECONDS
        admission = road.runtime.ledger.admit(entry, keep=road.keep, claim=claim, in_time=in_time)
        if admission.verdict is not Verdict.WAIT or not in_time:
            return admission
        time.sleep(admission.wait)


def _send(road: _Road, entry: Entry, asked_at: float) -> Receipt:
    road.runtime.ses.open()
    if time.time() - asked_at > FENCE:
        raise SesFailure("Transport.NotStarted")
    return road.runtime.ses.send(entry.request, entry.message_id, road.deadline.left())


def _rule(code: str, codes: list[str]) -> Rule:
    """Return the table's rule for `code`, or a retry while the rule grants one first."""
    rule = rule_for(code)
    if codes.count(code) < rule.retries:
        return rule._replace(action=Action.RETRY, scope=Scope.REQUEST, delay=0)
    return rule


def _accepted(road: _Road, entry: Entry, receipt: Receipt) -> Outcome:
    outcome = Outcome(
        Disposition.ACCEPTED,
        entry.message_id,
        State.ACCEPTED,
        message_id=receipt.message_id,
        request_id=receipt.request_id,
    )
    return _settled(road, entry, outcome, None)


def _failed(road: _Road, entry: Entry, failure: SesFailure, rule: Rule, attempts: int) -> Outcome:
    disposition, state = _consequence(rule, road.keep)
    delay = float(rule.delay or 0)
    if state is State.DEFERRED and rule.action is not Action.HALT:
        delay = min(delay * 2.0 ** (attempts - 1), max(delay, MAX_DELAY))
    if state is State.DEFERRED and rule.action is not Action.HALT and attempts >= MAX_ATTEMPTS:
        rule, disposition, state = rule_for("Ledger.AttemptsExhausted"), Disposition.REFUSED, State.FAILED
    outcome = Outcome(
        disposition,
        entry.message_id,
        state,
        code=failure.code,
        action=rule.action,
        request_id=failure.request_id,
        retry_after=delay if rule.action in _WAITING else None,
        detail=f"{rule.why}; {rule.hint}",
    )
    return _settled(road, entry, outcome, rule)


def _consequence(rule: Rule, keep: Keep) -> tuple[Disposition, State]:
    """Return what an action makes of the request and of its record, by what the ledger shall keep."""
    kept = Disposition.KEPT, State.DEFERRED
    consequences = {
        Action.RETRY: kept if keep is Keep.UNSENT else (Disposition.NOT_SENT, State.FAILED),
        Action.DEFER: kept,
        Action.REJECT: (Disposition.REFUSED, State.REFUSED),
        Action.SUPPRESS: (Disposition.REFUSED, State.REFUSED),
        Action.HALT: (Disposition.HALTED, State.FAILED) if keep is Keep.NOTHING else kept,
        Action.RECONCILE: (Disposition.KEPT, State.UNKNOWN),
    }
    return consequences[rule.action]


def _settled(road: _Road, entry: Entry, outcome: Outcome, rule: Rule | None) -> Outcome:
    """Record the outcome; if the store is gone by now, the lease makes it `unknown` by itself."""
    try:
        road.runtime.ledger.settle(
            entry,
            outcome.state,
            code=outcome.code,
            rule=rule,
            delay=outcome.retry_after or 0.0,
            message_id=outcome.message_id,
            request_id=outcome.request_id,
        )
    except StoreUnavailable as error:
        logs.unsettled(entry, outcome, error)
    return outcome


def _in_the_way(entry: Entry, admission: Admission) -> Outcome:
    """Return the outcome that stands in the way of sending."""
    record = admission.record
    if record is None:
        code = admission.code or "Ledger.Paced"
        if admission.verdict is Verdict.NO_ROOM:
            code = "Ledger.NoRoom"
        rule = rule_for(code)
        halted = admission.verdict is Verdict.HALTED
        return Outcome(
            Disposition.HALTED if halted else Disposition.NOT_SENT,
            entry.message_id,
            State.FAILED,
            code=code,
            action=Action.HALT if halted else Action.RETRY,
            retry_after=max(admission.wait, 1.0),
            detail=f"{rule.why}; {rule.hint}",
        )
    outcome = Outcome.of_record(record, replayed=admission.verdict is Verdict.RECORDED)
    if admission.verdict is Verdict.MISMATCH:
        return replace(
            outcome,
            disposition=Disposition.KEY_REUSED,
            code="IdempotencyKeyReused",
            action=Action.REJECT,
            detail="this idempotency key already belongs to another request",
        )
    if outcome.disposition is Disposition.IN_FLIGHT:
        return replace(outcome, retry_after=IN_FLIGHT_RETRY, detail="this email is being sent right now")
    if admission.verdict is Verdict.STOPPED:
        return replace(outcome, pointer=_pointer(entry, admission), code=outcome.code or "Expired")
    return outcome


def _pointer(entry: Entry, admission: Admission) -> str:
    """Return the JSON pointer to the field that stopped the email."""
    index = admission.record.history[-1].get("recipient") if admission.record else None
    if index is None:
        return "/expires_at"
    places = [
        f"/{name}/{place}"
        for name in ("to", "cc", "bcc")
        for place in range(len(getattr(entry.request, name)))
    ]
    return places[int(index)]
