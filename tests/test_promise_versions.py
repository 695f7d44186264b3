"""One version, or one mailer.toml, keeps an email and another one reads it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from factories import EMAIL, email
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition
from mailer.delivery.sweep import sweep
from mailer.email.identity import unkeyed_hash
from mailer.email.request import EmailRequest
from mailer.ledger import Admission, Attempt, CallResult, Verdict
from mailer.ledger.record import State
from mailer.ledger.record_json import record_json
from promise_steps import UNSENT, attempt, email_id, field, record_of, score, sweep_all
from stored_times import make_due

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

pytestmark = pytest.mark.unlimited_status_queries

WRITTEN = {name: value for name, value in EMAIL.items() if name != "from"}
FIRST_DEFAULTS = {"from": "Shop <noreply@mail.shop.example>"}
CHANGED_DEFAULTS = {"from": "Store <hello@mail.shop.example>", "reply_to": "care@shop.example"}


# mailer.toml changes between two deliveries.


def test_same_words_of_a_caller_are_the_same_email_under_changed_defaults(
    runtime: Runtime, ses: Emulator
) -> None:
    first = deliver(EmailRequest.parse(WRITTEN, FIRST_DEFAULTS), key="order-1")
    again = deliver(EmailRequest.parse(WRITTEN, CHANGED_DEFAULTS), key="order-1")
    assert (again.state, again.replayed, again.id) == (State.ACCEPTED, True, first.id)
    assert len(ses.calls()) == 1


def test_other_words_of_a_caller_under_one_key_are_refused(runtime: Runtime, ses: Emulator) -> None:
    deliver(EmailRequest.parse(WRITTEN, FIRST_DEFAULTS), key="order-1")
    other = EmailRequest.parse({**WRITTEN, "subject": "Another"}, FIRST_DEFAULTS)
    assert deliver(other, key="order-1").disposition is Disposition.KEY_REUSED
    assert len(ses.calls()) == 1


def test_redelivery_of_a_platform_is_the_same_email_whatever_it_holds_by_now(
    runtime: Runtime, ses: Emulator
) -> None:
    first = deliver(email(), platform_key="sqs:1")
    again = deliver(email(subject="As mapped by today's mailer.toml"), platform_key="sqs:1")
    assert (again.state, again.replayed, again.id) == (State.ACCEPTED, True, first.id)
    assert len(ses.calls()) == 1


def test_key_of_the_caller_goes_before_the_key_of_the_platform(runtime: Runtime, ses: Emulator) -> None:
    first = deliver(email(idempotency_key="mine"), platform_key="sqs:1")
    second = deliver(email(idempotency_key="mine"), platform_key="sqs:2")
    third = deliver(email(idempotency_key="mine", subject="Another"), platform_key="sqs:1")
    assert (first.id, second.replayed) == (second.id, True)
    assert third.disposition is Disposition.KEY_REUSED


@pytest.mark.parametrize("fault", [UNSENT, "reset-before"])
def test_kept_email_is_sent_though_this_version_reads_it_differently(
    runtime: Runtime, ses: Emulator, fault: str
) -> None:
    """The sweep takes up what the ledger keeps; it compares it with nothing."""
    ses.add_fault(fault)
    deliver(email(), key="order-1")
    store = runtime.ledger.store
    name = store.key("email", email_id(runtime))
    body = {**json.loads(store.client.hget(name, "body")), "trigger_type": "transactional"}
    store.client.hset(name, mapping={"body": json.dumps(body), "fingerprint": "written:0000"})
    assert sweep_all(runtime)["accepted"] == 1
    assert len(ses.inbox()) == 1


def test_claim_of_the_sweep_is_not_compared_with_the_record(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault(UNSENT)
    deliver(email(), key="order-1")
    make_due(runtime, email_id(runtime))
    one = Attempt(email_id(runtime), email(), "test", fingerprint="written:0000", stored=True)
    assert runtime.ledger.admit(one, from_state=State.DEFERRED).verdict is Verdict.SEND


# Records of 0.1.0.


def write_old_record(runtime: Runtime, state: str, **more: Any) -> None:
    """Write what the scripts of 0.1.0 wrote of an email that was attempted a minute ago."""
    store, now = runtime.ledger.store, int(time.time() * 1000)
    one = attempt(runtime)
    sent_at = now - 60_000
    history = [{"state": "sending", "at": sent_at, "attempt": 1}]
    if state != "sending":
        history.append({"state": state, "at": sent_at + 100, "attempt": 1, **more.pop("note", {})})
    fields = {
        "id": one.id,
        "state": state,
        "created_at": sent_at,
        "updated_at": sent_at + 100,
        "history": json.dumps(history),
        "fingerprint": "9f" * 32,
        "smtp_message_id": one.smtp_message_id,
        "trigger": "sqs",
        "attempts": 1,
        "sent_at": sent_at,
        "body": json.dumps(one.request.document()),
        "route": json.dumps(
            [unkeyed_hash("noreply@mail.shop.example"), unkeyed_hash("ann@customer.example")]
        ),
        "token": "old-token",
        "lease_until": sent_at + 30_000,
        "probe": "0",
        **more,
    }
    store.client.hset(store.key("email", one.id), mapping=fields)
    if state == "deferred":
        store.client.zadd(store.key("due"), {one.id: fields["due_at"]})
    elif state in {"sending", "unknown"}:
        store.client.zadd(store.key("open"), {one.id: sent_at + 30_000})


def test_deferred_email_of_0_1_0_is_a_duplicate_and_is_sent(runtime: Runtime, ses: Emulator) -> None:
    write_old_record(runtime, "deferred", due_at=1, code="Ledger.Paced", note={"code": "Ledger.Paced"})
    told = deliver(email(), key="order-1")
    assert (told.state, told.replayed, told.code) == (State.DEFERRED, True, "Ledger.RateLimited")
    assert sweep("test", Deadline(5), runtime) == {"accepted": 1}
    record = record_of(runtime)
    assert (record.attempts, record.attempts_before) == (2, 0)
    for gone in ("body", "token", "probe", "probes", "route"):
        assert field(runtime, gone) is None


def test_deferred_email_of_0_1_0_that_is_refused_leaves_a_dead_letter(
    runtime: Runtime, ses: Emulator
) -> None:
    write_old_record(runtime, "deferred", due_at=1)
    ses.add_fault("FailedOperation.WrongContentJson")
    assert sweep("test", Deadline(5), runtime) == {"refused": 1}
    assert len(runtime.ledger.dead_letters()) == 1


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("state", ["sending", "unknown"])
def test_unknown_email_of_0_1_0_is_reconciled(
    runtime: Runtime, ses: Emulator, state: str, *, accepted: bool
) -> None:
    write_old_record(runtime, state)
    if accepted:
        runtime.ses.send(email(), attempt(runtime).smtp_message_id, 5)
    assert sweep_all(runtime) == ({"found": 1} if accepted else {"resend": 1, "accepted": 1})
    assert len(ses.inbox()) == 1
    assert record_of(runtime).ses_message_id == ses.inbox()[0].ses_message_id


def test_resend_that_0_1_0_allowed_is_made(runtime: Runtime, ses: Emulator) -> None:
    write_old_record(runtime, "unknown", no_trace=int(time.time() * 1000), code="Transport.ReadTimeout")
    one = Attempt(email_id(runtime), email(), "test", stored=True)
    admission: Admission = runtime.ledger.admit(one, from_state=State.UNKNOWN)
    assert admission.record
    assert admission.record.attempts == 2
    assert (field(runtime, "no_trace"), field(runtime, "resend_allowed_at")) == (None, None)


@pytest.mark.parametrize("result", [State.ACCEPTED, State.DEFERRED, State.UNKNOWN])
def test_worker_settles_the_attempt_that_0_1_0_admitted(runtime: Runtime, result: State) -> None:
    write_old_record(runtime, "sending")
    one = Attempt(email_id(runtime), email(), "sqs", token="old-token")
    admission = runtime.ledger.admit(one)
    assert admission.record is None or admission.record.state is State.UNKNOWN
    record = record_of(runtime)
    settlement = runtime.ledger.settle(
        one,
        Admission(Verdict.SEND, record),
        CallResult(result, code=UNSENT, ses_message_id="m-1", delay=60.0),
    )
    assert (settlement.own, settlement.record.state) == (True, result)


def test_failure_of_an_email_of_0_1_0_is_kept_since_somebody_may_have_been_told(runtime: Runtime) -> None:
    write_old_record(runtime, "unknown")
    one = Attempt(email_id(runtime), email(), "sqs", token="old-token")
    result = CallResult(State.FAILED, code="Transport.ConnectionRefused")
    settlement = runtime.ledger.settle(one, Admission(Verdict.SEND, record_of(runtime)), result)
    assert settlement.record.state is State.DEFERRED


def test_accepted_email_of_0_1_0_is_replayed_and_shown(runtime: Runtime, ses: Emulator) -> None:
    write_old_record(runtime, "accepted", message_id="m-old", request_id="r-old")
    told = deliver(email(), key="order-1")
    assert (told.state, told.replayed, told.ses_message_id) == (State.ACCEPTED, True, "m-old")
    assert record_json(record_of(runtime), [])["message_id"] == "m-old"
    assert ses.calls() == []


def test_failed_email_of_0_1_0_may_be_sent_again(runtime: Runtime, ses: Emulator) -> None:
    write_old_record(runtime, "failed", code="Transport.ConnectionRefused")
    assert deliver(email(), key="order-1").state is State.ACCEPTED
    assert record_of(runtime).attempts_before == 1


def test_lapsed_email_of_0_1_0_raises_no_alert(runtime: Runtime, ses: Emulator, log: io.StringIO) -> None:
    write_old_record(runtime, "unknown", code="Ledger.LeaseLapsed", note={"code": "Ledger.LeaseLapsed"})
    assert deliver(email(), key="order-1").code == "Ledger.LeaseExpired"
    assert "unlisted" not in log.getvalue()


def test_scheduled_email_of_0_1_0_is_sent_when_it_is_due(runtime: Runtime, ses: Emulator) -> None:
    write_old_record(runtime, "scheduled", due_at=1)
    store = runtime.ledger.store
    store.client.zadd(store.key("due"), {email_id(runtime): 1})
    make_due(runtime, email_id(runtime))
    assert sweep("test", Deadline(5), runtime) == {"accepted": 1}
    assert score(runtime, "due") is None
