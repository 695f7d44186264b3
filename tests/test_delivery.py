"""One email, one acceptance: what `deliver` makes of every answer of SES and of the ledger."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

import mailer
from factories import email
from mailer.deadline import Deadline
from mailer.delivery import deliver as delivery
from mailer.delivery.deliver import deliver, deliver_stored
from mailer.delivery.outcome import Disposition
from mailer.email.identity import id_for
from mailer.errors import SesFailure, StoreUnavailable
from mailer.ledger import Attempt, DeferPolicy, Ledger, Store
from mailer.ledger.record import State
from mailer.ses.error_table import Action
from stored_times import end_halts, make_due

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.delivery.outcome import Outcome
    from mailer.ledger.record import Record
    from mailer.runtime import Runtime


def record_of(runtime: Runtime, outcome: Outcome) -> Record:
    record = runtime.ledger.get(outcome.id.partition("@")[0])
    assert record
    return record


def soon(seconds: float = 6.0) -> Deadline:
    return Deadline(seconds)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_public_surface_sends_an_email(runtime: Runtime, ses: Emulator) -> None:
    request = mailer.EmailRequest.parse(email().document())
    outcome = mailer.deliver(request)
    assert isinstance(outcome, mailer.Outcome)
    assert outcome.action is None
    assert outcome.state is State.ACCEPTED
    [mail] = ses.inbox()
    assert mail.smtp_message_id == f"<{outcome.id}>"
    assert mail.ses_message_id == outcome.ses_message_id
    assert mailer.Action.HALT is Action.HALT


def test_same_key_again_replays_the_first_answer(runtime: Runtime, ses: Emulator) -> None:
    first = deliver(email(), key="order-1")
    second = deliver(email(), key="order-1")
    assert second.replayed
    assert (second.id, second.ses_message_id, second.request_id) == (
        first.id,
        first.ses_message_id,
        first.request_id,
    )
    assert len(ses.calls()) == 1


def test_key_in_the_request_goes_before_the_triggers_key(runtime: Runtime, ses: Emulator) -> None:
    first = deliver(email(idempotency_key="mine"), key="sqs:1")
    second = deliver(email(idempotency_key="mine"), key="sqs:2")
    assert first.id == second.id
    assert len(ses.inbox()) == 1


def test_another_request_under_the_key_is_refused(runtime: Runtime, ses: Emulator) -> None:
    deliver(email(), key="order-1")
    outcome = deliver(email(subject="Another"), key="order-1")
    assert outcome.disposition is Disposition.KEY_REUSED
    assert outcome.code == "IdempotencyKeyReused"
    assert len(ses.calls()) == 1


def test_twenty_workers_with_one_key_make_one_call(runtime: Runtime, ses: Emulator) -> None:
    barrier = threading.Barrier(20)

    def send(_: int) -> Outcome:
        barrier.wait()
        return deliver(email(), key="order-1")

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(send, range(20)))
    assert len(ses.calls()) == 1
    assert {outcome.disposition for outcome in outcomes} <= {Disposition.ACCEPTED, Disposition.IN_FLIGHT}
    assert (
        sum(outcome.disposition is Disposition.ACCEPTED and not outcome.replayed for outcome in outcomes) == 1
    )


def test_in_flight_says_when_to_come_back(runtime: Runtime) -> None:
    attempt = Attempt(id_for(runtime.settings.account, "order-1"), email(), "test")
    runtime.ledger.admit(attempt)
    outcome = deliver(email(), key="order-1")
    assert outcome.disposition is Disposition.IN_FLIGHT
    assert outcome.retry_after
    assert (outcome.code, outcome.action) == ("InFlight", None)


@pytest.mark.parametrize("fault", ["answer-lost", "http-500", "cut-body", "no-message-id", "InternalError"])
def test_lost_answer_leaves_unknown_and_nothing_sends_again(
    runtime: Runtime, ses: Emulator, fault: str
) -> None:
    request = email(to=f"{fault}@fault.example")
    first = deliver(request, key="order-1", deadline=soon())
    second = deliver(request, key="order-1", deadline=soon())
    assert first.state is second.state is State.UNKNOWN
    assert first.action is Action.RECONCILE
    assert first.disposition is Disposition.PENDING
    assert second.replayed
    assert len(ses.calls()) == 1
    assert record_of(runtime, first).code == first.code


def test_unlisted_code_is_unknown_and_raises_an_alert(
    runtime: Runtime, ses: Emulator, log: io.StringIO
) -> None:
    outcome = deliver(email(to="Brand.NewCode@fault.example"))
    assert outcome.state is State.UNKNOWN
    assert lines(log)[-1]["level"] == "ERROR"


def test_refused_email_is_free_to_be_sent_once_it_is_right(runtime: Runtime, ses: Emulator) -> None:
    wrong = deliver(email(template={"id": 999999}), key="order-1")
    assert wrong.disposition is Disposition.REFUSED
    assert wrong.code == "FailedOperation.InvalidTemplateID"
    assert wrong.detail
    right = deliver(email(), key="order-1")
    assert right.state is State.ACCEPTED
    assert not right.replayed
    assert record_of(runtime, right).attempts == 2


def test_rate_limit_is_retried_within_the_invocation(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("RequestLimitExceeded", times=2)
    outcome = deliver(email(), deadline=soon(12))
    assert outcome.state is State.ACCEPTED
    assert record_of(runtime, outcome).attempts == 3
    assert len(ses.inbox()) == 1


def test_what_is_not_sent_in_time_is_left_to_the_platform(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.ServiceNotAvailable", times=None)
    outcome = deliver(email(), key="order-1", deadline=soon(3))
    assert outcome.disposition is Disposition.RETRY_LATER
    assert outcome.state is State.FAILED
    assert outcome.retry_after
    ses.faults.clear()
    assert deliver(email(), key="order-1").state is State.ACCEPTED


def test_retries_end_even_when_time_does_not(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("AuthFailure.SignatureExpire", times=None)
    outcome = deliver(email(), deadline=Deadline(60))
    assert outcome.disposition is Disposition.HALTED
    assert len(ses.calls()) == 2  # one at once with fresh credentials, then the halt


def test_fresh_credentials_end_an_expired_signature(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("AuthFailure.TokenFailure")
    assert deliver(email()).state is State.ACCEPTED


def test_unsent_email_is_kept_where_nobody_brings_it_again(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.ServiceNotAvailable", times=None)
    outcome = deliver(email(), key="order-1", deadline=soon(3), defer=DeferPolicy.ALWAYS)
    assert outcome.disposition is Disposition.PENDING
    assert record_of(runtime, outcome).state is State.DEFERRED


def test_kept_email_is_retried_within_the_invocation(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.ServiceNotAvailable")
    outcome = deliver(email(), deadline=soon(10), defer=DeferPolicy.ALWAYS)
    assert outcome.state is State.ACCEPTED
    assert len(ses.inbox()) == 1


def test_blocked_provider_defers_and_pauses_its_domain(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.TemporaryBlocked", times=None)
    first = deliver(email(to="a@customer.example"))
    second = deliver(email(to="b@customer.example"))
    assert first.state is second.state is State.DEFERRED
    assert second.code == "FailedOperation.TemporaryBlocked"
    assert len(ses.calls()) == 1
    ses.faults.clear()
    assert deliver(email(to="c@other.example")).state is State.ACCEPTED


def test_blocked_provider_among_several_pauses_none(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.TemporaryBlocked")
    assert deliver(email(to=["a@one.example", "b@two.example"])).state is State.DEFERRED
    assert deliver(email(to="a@one.example")).state is State.ACCEPTED


def test_eleventh_mail_of_an_hour_is_deferred_without_a_call(runtime: Runtime, ses: Emulator) -> None:
    outcomes = [deliver(email(subject=f"Mail {number}")) for number in range(11)]
    assert [outcome.state for outcome in outcomes] == [State.ACCEPTED] * 10 + [State.DEFERRED]
    assert outcomes[-1].code == "Ledger.RecipientRateLimited"
    assert len(ses.calls()) == 10


def test_refused_attempts_do_not_count_for_the_recipients_hour(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.WrongContentJson", times=10)
    for number in range(10):
        deliver(email(subject=f"Mail {number}"))
    assert deliver(email(subject="Good")).state is State.ACCEPTED


def test_suppressed_recipient_is_refused_without_a_call(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.EmailAddrInBlacklist")
    first = deliver(email(to="gone@customer.example"))
    second = deliver(email(to=["ann@customer.example"], cc=["GONE@customer.example"]))
    assert first.action is second.action is Action.SUPPRESS
    assert second.disposition is Disposition.REFUSED
    assert second.pointer == "/cc/0"
    assert len(ses.calls()) == 1


def test_code_for_several_recipients_suppresses_none(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.EmailAddrInBlacklist")
    deliver(email(to=["a@customer.example", "b@customer.example"]))
    assert deliver(email(to="a@customer.example")).state is State.ACCEPTED


def test_unsubscribed_recipient_stays_reachable_for_other_sender_domains(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault("FailedOperation.ReceiverHasUnsubscribed")
    deliver(email())
    assert deliver(email(subject="Again")).disposition is Disposition.REFUSED
    assert deliver(email(sender="news@other.example")).state is State.ACCEPTED


@pytest.mark.parametrize(
    ("code", "other"),
    [
        ("FailedOperation.InsufficientBalance", {"from": "news@other.example"}),
        ("FailedOperation.NotAuthenticatedSender", {"subject": "Same sender"}),
        ("FailedOperation.URLForbidden", {"subject": "Same template"}),
    ],
)
def test_halt_stops_its_scope_without_a_call(
    runtime: Runtime, ses: Emulator, code: str, other: dict[str, Any]
) -> None:
    ses.add_fault(code, times=None)
    first = deliver(email())
    second = deliver(email(**other))
    assert first.disposition is second.disposition is Disposition.HALTED
    assert second.code == code
    assert second.retry_after
    assert len(ses.calls()) == 1


@pytest.mark.parametrize(
    ("code", "other"),
    [
        ("FailedOperation.NotAuthenticatedSender", {"from": "news@other.example"}),
        ("FailedOperation.URLForbidden", {"template": {"id": 100092}}),
    ],
)
def test_halt_leaves_other_scopes_alone(
    runtime: Runtime, ses: Emulator, code: str, other: dict[str, Any]
) -> None:
    ses.add_fault(code)
    deliver(email())
    assert deliver(email(**other)).state is State.ACCEPTED


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("InvalidParameterValue.InvalidEmailIdentity", {"header_from": "ceo@mail.shop.example"}),
        ("FailedOperation.NotAuthenticatedSender", {"headers": {"Sender": "ceo@other.example"}}),
        ("FailedOperation.URLForbidden", {"template": {"id": 100091, "data": {"code": "evil.example"}}}),
    ],
)
def test_what_one_request_brings_about_stops_no_other_of_its_scope(
    runtime: Runtime, ses: Emulator, code: str, fields: dict[str, Any]
) -> None:
    ses.add_fault(code)
    refused = deliver(email(**fields), key="bad", defer=DeferPolicy.ALWAYS)
    assert (refused.state, refused.action, refused.code) == (State.REFUSED, Action.REJECT, code)
    record = record_of(runtime, refused)
    assert type(refused).of_record(record, replayed=True).action is Action.REJECT
    assert deliver(email(), key="good").state is State.ACCEPTED


def test_halted_template_without_a_template_halts_nothing(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.URLForbidden")
    simple = email(template=None, simple={"text": "hello"})
    assert deliver(simple).disposition is Disposition.HALTED
    assert deliver(email(subject="Fine")).state is State.ACCEPTED


def test_halted_email_is_kept_while_the_ledger_has_room(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses.add_fault("FailedOperation.InsufficientBalance")
    assert deliver(email(), defer=DeferPolicy.WHEN_HALTED).state is State.DEFERRED
    assert deliver(email(subject="Two"), defer=DeferPolicy.WHEN_HALTED).state is State.DEFERRED
    monkeypatch.setattr(runtime.ledger, "_backlog_max", 2)
    third = deliver(email(subject="Three"), defer=DeferPolicy.WHEN_HALTED)
    assert third.disposition is Disposition.HALTED


def test_full_ledger_gives_back_what_it_would_defer(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses.add_fault("FailedOperation.TemporaryBlocked")
    deliver(email())
    monkeypatch.setattr(runtime.ledger, "_backlog_max", 1)
    outcome = deliver(email(subject="Two"), defer=DeferPolicy.ALWAYS)
    assert outcome.disposition is Disposition.RETRY_LATER
    assert outcome.code == "Ledger.BacklogFull"


def test_scheduled_email_waits_and_expired_email_is_never_sent(runtime: Runtime, ses: Emulator) -> None:
    now = datetime.now(timezone.utc)
    later = deliver(email(send_at=(now + timedelta(hours=1)).isoformat()))
    assert later.state is State.SCHEDULED
    assert record_of(runtime, later).due_at
    past = deliver(email(expires_at=(now - timedelta(hours=1)).isoformat()))
    assert past.state is State.EXPIRED
    assert past.disposition is Disposition.REFUSED
    assert past.pointer == "/expires_at"
    assert past.code == "Expired"
    assert ses.calls() == []


def test_too_little_time_begins_nothing(runtime: Runtime, ses: Emulator) -> None:
    outcome = deliver(email(), key="order-1", deadline=Deadline(0))
    assert outcome.disposition is Disposition.RETRY_LATER
    assert runtime.ledger.get(outcome.id.partition("@")[0]) is None
    kept = deliver(email(), key="order-2", deadline=Deadline(0), defer=DeferPolicy.ALWAYS)
    assert kept.state is State.DEFERRED
    assert ses.calls() == []


def test_pace_of_the_account_is_waited_for(runtime: Runtime, ses: Emulator) -> None:
    with ThreadPoolExecutor(30) as pool:
        outcomes = list(pool.map(lambda number: deliver(email(to=f"r{number}@customer.example")), range(60)))
    assert all(outcome.state is State.ACCEPTED for outcome in outcomes)
    assert {call.outcome for call in ses.calls()} == {"accepted"}


def test_stale_admission_is_not_used(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_ADMISSION_AGE", -1.0)
    outcome = deliver(email(), deadline=soon(2))
    assert outcome.disposition is Disposition.RETRY_LATER
    assert outcome.code == "Transport.NotStarted"
    assert ses.calls() == []


def test_acceptance_is_told_even_when_the_store_is_gone(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def gone(*_: Any, **__: Any) -> bool:
        raise StoreUnavailable("ConnectionError")

    monkeypatch.setattr(runtime.ledger, "settle", gone)
    outcome = deliver(email(), key="order-1", deadline=soon(2))
    assert outcome.state is State.ACCEPTED
    assert outcome.ses_message_id == ses.inbox()[0].ses_message_id
    assert any(line["message"] == "email: outcome not recorded" for line in lines(log))
    assert deliver(email(), key="order-1").disposition is Disposition.IN_FLIGHT


def test_email_that_is_put_off_for_ever_is_given_up(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_ATTEMPTS", 2)
    ses.add_fault("ResourceInsufficient", times=None)
    first = deliver(email(), key="order-1")
    assert first.state is State.DEFERRED
    identity = first.id.partition("@")[0]
    make_due(runtime, identity)
    attempt = Attempt(identity, email(), "test", stored=True)
    second = deliver_stored(attempt, State.DEFERRED, deadline=soon(), runtime=runtime)
    assert second.disposition is Disposition.REFUSED
    assert second.state is State.FAILED
    assert second.code == "ResourceInsufficient"


def test_deferred_email_is_sent_once_when_two_sweeps_meet(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("ResourceInsufficient")
    identity = deliver(email(), key="order-1").id.partition("@")[0]
    make_due(runtime, identity)
    barrier = threading.Barrier(4)

    def send(_: int) -> Outcome:
        barrier.wait()
        attempt = Attempt(identity, email(), "test", stored=True)
        return deliver_stored(attempt, State.DEFERRED, deadline=soon(), runtime=runtime)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    assert len(ses.inbox()) == 1


def test_halt_is_probed_by_one_email_and_ends_with_its_acceptance(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InsufficientBalance")
    deliver(email())
    end_halts(runtime)
    ses.add_fault("FailedOperation.InsufficientBalance")
    barrier = threading.Barrier(6)

    def send(number: int) -> Outcome:
        barrier.wait()
        return deliver(email(subject=f"Mail {number}"))

    with ThreadPoolExecutor(6) as pool:
        probed = list(pool.map(send, range(6)))
    assert {outcome.disposition for outcome in probed} == {Disposition.HALTED}
    assert len(ses.calls()) == 2  # the first, and one probe
    end_halts(runtime)
    assert deliver(email(subject="Paid")).state is State.ACCEPTED
    assert deliver(email(subject="And on")).state is State.ACCEPTED


def test_logs_tell_states_and_hashes_and_no_person(runtime: Runtime, ses: Emulator, log: io.StringIO) -> None:
    deliver(email(to="ann@customer.example", subject="A secret subject"))
    deliver(email(to="answer-lost@fault.example", subject="A secret subject"), deadline=soon())
    output = log.getvalue()
    first, second = map(json.loads, output.splitlines())
    assert (first["state"], second["state"]) == ("accepted", "unknown")
    assert second["level"] == "WARNING"
    assert first["recipients"] != ["ann@customer.example"]
    for secret in ("ann@", "secret", "1234", "test-secret", "AKID"):
        assert secret not in output


def test_failure_carries_what_a_caller_needs() -> None:
    failure = SesFailure("RequestLimitExceeded", "request-1")
    assert (failure.code, failure.request_id) == ("RequestLimitExceeded", "request-1")


def test_ledger_of_another_account_knows_nothing(runtime: Runtime, store_url: str) -> None:
    outcome = deliver(email(), key="order-1")
    stranger = Ledger(Store(store_url, "stranger"))
    assert stranger.get(outcome.id.partition("@")[0]) is None
    stranger.store.close()
