"""`deliver()`: the single entry point to SendEmail."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailer import clock
from mailer.deadline import DEFAULT_SECONDS, Deadline
from mailer.errors import SesFailure, StoreUnavailable
from mailer.ledger import LEASE_SECONDS, Admission, CallResult, DeferPolicy, Verdict
from mailer.ledger.record import State
from mailer.runtime import Runtime
from mailer.ses.client import CONNECT_TIMEOUT, READ_TIMEOUT
from mailer.ses.error_table import Action, Rule, Scope, rule_for
from mailer.ses.request_faults import rule_for_request

from . import report
from .attempts import EmailKeys, first_attempt, next_attempt
from .not_admitted import in_flight, outcome_without_call
from .outcome import Disposition, Outcome

if TYPE_CHECKING:
    from mailer.email.identity import PlatformKey
    from mailer.email.request import EmailRequest
    from mailer.ledger import Attempt, Settlement
    from mailer.ses.client import Receipt

MAX_CALLS = 5  # of one email within one invocation
MAX_ATTEMPTS = 20  # of one email over all invocations, before it is failed
MAX_DELAY = 3600.0  # seconds; the delay doubles up to this from one attempt to the next
MAX_ADMISSION_AGE = (
    LEASE_SECONDS - CONNECT_TIMEOUT - READ_TIMEOUT - 2.0
)  # a later call could outlive its lease
SETTLE_RETRY = 0.5  # seconds between two tries to record an outcome
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
    platform_key: PlatformKey | str | None = None,
    namespace: str = "",
    trigger: str = "direct",
    deadline: Deadline | None = None,
    defer: DeferPolicy = DeferPolicy.NEVER,
    runtime: Runtime | None = None,
) -> Outcome:
    """Send `request` at most once and return its outcome.

    The email is named by its `idempotency_key`, else by the caller's `key`: under these, other content is
    refused, and they count within `namespace` alone. Else it is named by `platform_key`, under which a
    redelivery is the same email whatever it holds.
    `defer` selects which unsent emails the ledger stores for a later attempt. Without a deadline, the call
    may take 30 seconds.

    Raises StoreUnavailable where the store does not answer: nothing was sent, or the ledger reconciles what
    was, so the caller may try again.
    """
    runtime = runtime or Runtime.current()
    delivery = _Delivery(runtime, deadline or Deadline(DEFAULT_SECONDS), defer)
    keys = EmailKeys(request.idempotency_key or key, platform_key, namespace)
    return _deliver(delivery, first_attempt(request, keys, trigger, runtime.settings.account), None)


def deliver_stored(attempt: Attempt, from_state: State, *, deadline: Deadline, runtime: Runtime) -> Outcome:
    """Send an email that the ledger stores in `from_state`; raises StoreUnavailable."""
    return _deliver(_Delivery(runtime, deadline, DeferPolicy.ALWAYS), attempt, from_state)


def _deliver(delivery: _Delivery, attempt: Attempt, from_state: State | None) -> Outcome:
    failed_codes: list[str] = []
    while True:
        outcome, failed_code = _attempt(delivery, attempt, from_state, failed_codes)
        if failed_code:
            failed_codes.append(failed_code)
        delay = (outcome.retry_after or 0.0) + random.uniform(0.0, 0.25)  # noqa: S311 - spreads retries
        again = failed_code and outcome.action is Action.RETRY and len(failed_codes) < MAX_CALLS
        if not again or not delivery.deadline.allows_call(after=delay):
            report.email_outcome(attempt, outcome, delivery.runtime.ledger.store.addresses.hasher())
            return outcome
        clock.sleep(delay)
        stored = outcome.state is State.DEFERRED
        from_state = State.DEFERRED if stored else None
        attempt = next_attempt(attempt, stored=stored)


def _attempt(
    delivery: _Delivery, attempt: Attempt, from_state: State | None, failed_codes: list[str]
) -> tuple[Outcome, str | None]:
    """Admit, send, settle: once. Return the outcome, and the code of the call if one was made and failed."""
    admission, asked_at = _admit(delivery, attempt, from_state)
    if admission.verdict is not Verdict.SEND:
        outcome = outcome_without_call(attempt, admission)
        return outcome.leaving_out(admission.dropped, attempt.request), None
    started_at = clock.monotonic()
    code = None
    try:
        receipt = _send(delivery, attempt, admission, asked_at)
    except SesFailure as failure:
        code = failure.code
        outcome = _failed(delivery, attempt, admission, failure, _rule(code, failed_codes, attempt.request))
    else:
        outcome = _accepted(delivery, attempt, admission, receipt)
    outcome = replace(outcome, seconds=clock.monotonic() - started_at)
    return outcome.leaving_out(admission.dropped, attempt.request), code


def _admit(delivery: _Delivery, attempt: Attempt, from_state: State | None) -> tuple[Admission, clock.Moment]:
    """Return the admission and when it was asked for, waiting for the rate limit while the deadline allows.

    When it does not, the email is deferred if the policy says so.
    """
    while True:
        in_time = delivery.deadline.allows_call()
        asked_at = clock.Moment()
        admission = delivery.runtime.ledger.admit(
            attempt,
            defer=delivery.defer,
            from_state=from_state,
            in_time=in_time,
            clock_offset=delivery.runtime.clock_offset,
            store_time=delivery.runtime.store_time,
        )
        if admission.store_time is not None:
            delivery.runtime.store_answered(admission.store_time, asked_at)
        if admission.verdict is not Verdict.RATE_LIMITED or not in_time:
            return admission, asked_at
        clock.sleep(admission.wait)


def _send(delivery: _Delivery, attempt: Attempt, admission: Admission, asked_at: clock.Moment) -> Receipt:
    request = attempt.request.without(admission.dropped)
    delivery.runtime.ses.open()
    if asked_at.age() > MAX_ADMISSION_AGE:
        raise SesFailure("Transport.NotStarted")
    return delivery.runtime.ses.send(request, attempt.smtp_message_id, delivery.deadline.remaining())


def _rule(code: str, failed_codes: list[str], request: EmailRequest) -> Rule:
    """Return the table's rule for `code` and this request, or a retry while the rule grants one first."""
    rule = rule_for_request(code, request)
    if failed_codes.count(code) < rule.retries:
        return rule._replace(action=Action.RETRY, scope=Scope.REQUEST, delay=0)
    return rule


def _accepted(delivery: _Delivery, attempt: Attempt, admission: Admission, receipt: Receipt) -> Outcome:
    outcome = Outcome(
        Disposition.ACCEPTED,
        attempt.smtp_message_id,
        State.ACCEPTED,
        ses_message_id=receipt.ses_message_id,
        request_id=receipt.request_id,
    )
    result = CallResult(State.ACCEPTED, ses_message_id=receipt.ses_message_id, request_id=receipt.request_id)
    try:
        settlement = _settle(delivery, attempt, admission, result)
    except StoreUnavailable as error:  # the end of the lease makes it unknown, and the sweep finds it at SES
        report.settle_failed(attempt, outcome, error)
    else:
        if not settlement.own:
            report.accepted_twice(attempt, outcome, settlement.record)
    return outcome


def _failed(
    delivery: _Delivery, attempt: Attempt, admission: Admission, failure: SesFailure, rule: Rule
) -> Outcome:
    record = admission.record
    attempts = record.attempts - record.attempts_before if record else 1
    disposition, state = _resolve_failure(rule, delivery.defer)
    delay = float(rule.delay or 0)
    deferred = state is State.DEFERRED and rule.action is not Action.HALT
    if deferred:
        delay = min(delay * 2.0 ** (attempts - 1), max(delay, MAX_DELAY))
    exhausted = deferred and attempts >= MAX_ATTEMPTS
    if exhausted:
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
    result = CallResult(
        state,
        code=failure.code,
        rule=rule,
        delay=delay,
        request_id=failure.request_id,
        detail=outcome.detail,
        final=exhausted,
    )
    try:
        settlement = _settle(delivery, attempt, admission, result)
    except StoreUnavailable as error:
        report.settle_failed(attempt, outcome, error)
        raise
    return _as_settled(attempt, outcome, settlement)


def _as_settled(attempt: Attempt, outcome: Outcome, settlement: Settlement) -> Outcome:
    """Return the outcome by the state that the record has, which others may have settled meanwhile.

    What the record says of another request under the key holds for that one alone.
    """
    record = settlement.record
    if settlement.other_request and outcome.disposition is not Disposition.REFUSED:
        return outcome_without_call(attempt, Admission(Verdict.MISMATCH, record))
    if settlement.other_request or record.state is outcome.state:
        return outcome
    settled = replace(
        Outcome.of_record(record, replayed=False), retry_after=outcome.retry_after, detail=outcome.detail
    )
    return in_flight(settled) if record.state is State.SENDING else settled


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


def _settle(delivery: _Delivery, attempt: Attempt, admission: Admission, result: CallResult) -> Settlement:
    """Record the result of a call, trying as long as there is time; raises StoreUnavailable."""
    while True:
        try:
            return delivery.runtime.ledger.settle(attempt, admission, result, delivery.runtime.clock_offset)
        except StoreUnavailable:
            if delivery.deadline.remaining() <= SETTLE_RETRY:
                raise
        clock.sleep(SETTLE_RETRY)
