"""`deliver()`: the single entry point to SendEmail."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailer.deadline import DEFAULT_SECONDS, Deadline
from mailer.email.identity import fresh_key, id_for
from mailer.errors import SesFailure, StoreUnavailable
from mailer.ledger import LEASE_SECONDS, Attempt, DeferPolicy, Verdict
from mailer.ledger.record import State
from mailer.runtime import Runtime
from mailer.ses.client import CONNECT_TIMEOUT, READ_TIMEOUT
from mailer.ses.error_table import Action, Rule, Scope, rule_for

from . import report
from .outcome import Disposition, Outcome

if TYPE_CHECKING:
    from mailer.email.request import EmailRequest
    from mailer.ledger import Admission
    from mailer.ses.client import Receipt

MAX_CALLS = 5  # of one email within one invocation
MAX_ATTEMPTS = 20  # of one email over all invocations, before it is failed
MAX_DELAY = 3600.0  # seconds; the delay doubles up to this from one attempt to the next
MAX_ADMISSION_AGE = (
    LEASE_SECONDS - CONNECT_TIMEOUT - READ_TIMEOUT - 2.0
)  # a later call could outlive its lease
IN_FLIGHT_RETRY = 5.0
_RETRYABLE_ACTIONS = frozenset({Action.RETRY, Action.DEFER, Action.HALT})


@dataclass(frozen=True)
class _Delivery:
    """Parameters shared by all attempts of one delivery."""

    runtime: Runtime
    deadline: Deadline
    defer: DeferPolicy


def deliver(
    request: EmailRequest,
    *,
    key: str | None = None,
    trigger: str = "direct",
    deadline: Deadline | None = None,
    defer: DeferPolicy = DeferPolicy.NEVER,
    runtime: Runtime | None = None,
) -> Outcome:
    """Send `request` at most once and return its outcome; raises StoreUnavailable.

    `key` names the email where the request itself does not; `defer` selects which unsent emails the ledger
    stores for a later attempt. Without a deadline, the call may take 30 seconds.
    """
    runtime = runtime or Runtime.current()
    delivery = _Delivery(runtime, deadline or Deadline(DEFAULT_SECONDS), defer)
    key = request.idempotency_key or key or fresh_key()
    return _deliver(delivery, Attempt(id_for(runtime.settings.account, key), request, trigger), None)


def deliver_stored(
    email_id: str,
    request: EmailRequest,
    from_state: State,
    *,
    trigger: str,
    deadline: Deadline,
    runtime: Runtime,
) -> Outcome:
    """Send an email that the ledger stores in `from_state`; raises StoreUnavailable."""
    delivery = _Delivery(runtime, deadline, DeferPolicy.ALWAYS)
    return _deliver(delivery, Attempt(email_id, request, trigger), from_state)


def _deliver(delivery: _Delivery, attempt: Attempt, from_state: State | None) -> Outcome:
    failed_codes: list[str] = []
    while True:
        outcome, failed_code = _attempt(delivery, attempt, from_state, failed_codes)
        if failed_code:
            failed_codes.append(failed_code)
        delay = (outcome.retry_after or 0.0) + random.uniform(0.0, 0.25)  # noqa: S311 - spreads retries
        again = failed_code and outcome.action is Action.RETRY and len(failed_codes) < MAX_CALLS
        if not again or not delivery.deadline.allows_call(after=delay):
            report.email_outcome(attempt, outcome)
            return outcome
        time.sleep(delay)
        from_state = State.DEFERRED if outcome.state is State.DEFERRED else None
        attempt = Attempt(attempt.id, attempt.request, attempt.trigger)


def _attempt(
    delivery: _Delivery, attempt: Attempt, from_state: State | None, failed_codes: list[str]
) -> tuple[Outcome, str | None]:
    """Admit, send, settle: once. Return the outcome, and the code of the call if one was made and failed."""
    admission_started_at = time.time()
    admission = _admit(delivery, attempt, from_state)
    if admission.verdict is not Verdict.SEND:
        return _outcome_without_call(attempt, admission), None
    started_at = time.monotonic()
    code = None
    try:
        receipt = _send(delivery, attempt, admission_started_at)
    except SesFailure as failure:
        code = failure.code
        attempts = admission.record.attempts if admission.record else 1
        outcome = _failed(delivery, attempt, failure, _rule(code, failed_codes), attempts)
    else:
        outcome = _accepted(delivery, attempt, receipt)
    return replace(outcome, seconds=time.monotonic() - started_at), code


def _admit(delivery: _Delivery, attempt: Attempt, from_state: State | None) -> Admission:
    """Retry admission while the rate is reached, until the deadline is near; then defer if `defer` says so"""
    while True:
        in_time = delivery.deadline.allows_call()
        admission = delivery.runtime.ledger.admit(
            attempt, defer=delivery.defer, from_state=from_state, in_time=in_time
        )
        if admission.verdict is not Verdict.RATE_LIMITED or not in_time:
            return admission
        time.sleep(admission.wait)


def _send(delivery: _Delivery, attempt: Attempt, admission_started_at: float) -> Receipt:
    delivery.runtime.ses.open()
    if time.time() - admission_started_at > MAX_ADMISSION_AGE:
        raise SesFailure("Transport.NotStarted")
    return delivery.runtime.ses.send(attempt.request, attempt.smtp_message_id, delivery.deadline.remaining())


def _rule(code: str, failed_codes: list[str]) -> Rule:
    """Return the table's rule for `code`, or a retry while the rule grants one first."""
    rule = rule_for(code)
    if failed_codes.count(code) < rule.retries:
        return rule._replace(action=Action.RETRY, scope=Scope.REQUEST, delay=0)
    return rule


def _accepted(delivery: _Delivery, attempt: Attempt, receipt: Receipt) -> Outcome:
    outcome = Outcome(
        Disposition.ACCEPTED,
        attempt.smtp_message_id,
        State.ACCEPTED,
        ses_message_id=receipt.ses_message_id,
        request_id=receipt.request_id,
    )
    return _settled(delivery, attempt, outcome, None)


def _failed(delivery: _Delivery, attempt: Attempt, failure: SesFailure, rule: Rule, attempts: int) -> Outcome:
    disposition, state = _resolve_failure(rule, delivery.defer)
    delay = float(rule.delay or 0)
    if state is State.DEFERRED and rule.action is not Action.HALT:
        delay = min(delay * 2.0 ** (attempts - 1), max(delay, MAX_DELAY))
    if state is State.DEFERRED and rule.action is not Action.HALT and attempts >= MAX_ATTEMPTS:
        rule, disposition, state = rule_for("Ledger.AttemptsExhausted"), Disposition.REFUSED, State.FAILED
    outcome = Outcome(
        disposition,
        attempt.smtp_message_id,
        state,
        code=failure.code,
        action=rule.action,
        request_id=failure.request_id,
        retry_after=delay if rule.action in _RETRYABLE_ACTIONS else None,
        detail=f"{rule.why}; {rule.hint}",
    )
    return _settled(delivery, attempt, outcome, rule)


def _resolve_failure(rule: Rule, defer: DeferPolicy) -> tuple[Disposition, State]:
    """Map an action to the request's disposition and the record's state."""
    deferred = Disposition.PENDING, State.DEFERRED
    dispositions = {
        Action.RETRY: deferred if defer is DeferPolicy.ALWAYS else (Disposition.RETRY_LATER, State.FAILED),
        Action.DEFER: deferred,
        Action.REJECT: (Disposition.REFUSED, State.REFUSED),
        Action.SUPPRESS: (Disposition.REFUSED, State.REFUSED),
        Action.HALT: (Disposition.HALTED, State.FAILED) if defer is DeferPolicy.NEVER else deferred,
        Action.RECONCILE: (Disposition.PENDING, State.UNKNOWN),
    }
    return dispositions[rule.action]


def _settled(delivery: _Delivery, attempt: Attempt, outcome: Outcome, rule: Rule | None) -> Outcome:
    """Record the outcome; if the store is down by now, the end of the lease makes the record `unknown`."""
    try:
        delivery.runtime.ledger.settle(
            attempt,
            outcome.state,
            code=outcome.code,
            rule=rule,
            delay=outcome.retry_after or 0.0,
            ses_message_id=outcome.ses_message_id,
            request_id=outcome.request_id,
        )
    except StoreUnavailable as error:
        report.settle_failed(attempt, outcome, error)
    return outcome


def _outcome_without_call(attempt: Attempt, admission: Admission) -> Outcome:
    """Return the outcome of an email that was not admitted."""
    record = admission.record
    if record is None:
        code = admission.code or "Ledger.RateLimited"
        if admission.verdict is Verdict.BACKLOG_FULL:
            code = "Ledger.BacklogFull"
        rule = rule_for(code)
        halted = admission.verdict is Verdict.HALTED
        return Outcome(
            Disposition.HALTED if halted else Disposition.RETRY_LATER,
            attempt.smtp_message_id,
            State.FAILED,
            code=code,
            action=Action.HALT if halted else Action.RETRY,
            retry_after=max(admission.wait, 1.0),
            detail=f"{rule.why}; {rule.hint}",
        )
    outcome = Outcome.of_record(record, replayed=admission.verdict is Verdict.DUPLICATE)
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
    if admission.verdict is Verdict.REJECTED:
        return replace(outcome, pointer=_pointer(attempt, admission), code=outcome.code or "Expired")
    return outcome


def _pointer(attempt: Attempt, admission: Admission) -> str:
    """Return the JSON pointer to the field for which the email was rejected."""
    index = admission.record.history[-1].get("recipient") if admission.record else None
    if index is None:
        return "/expires_at"
    pointers = [
        f"/{name}/{position}"
        for name in ("to", "cc", "bcc")
        for position in range(len(getattr(attempt.request, name)))
    ]
    return pointers[int(index)]
