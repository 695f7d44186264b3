"""What becomes of the emails whose outcome is unknown: found, sent again, held, and never guessed."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, email
from mailer.__main__ import main
from mailer.deadline import Deadline
from mailer.delivery import deliver as delivery
from mailer.delivery import reconcile
from mailer.delivery.deliver import deliver
from mailer.ledger import Attempt, CallResult
from mailer.ledger.record import State
from mailer.ledger.record_json import record_json
from mailer.ledger.unknown import Decision, UnknownLedger
from mailer.triggers.schedule import handle
from stored_times import make_due

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.delivery.outcome import Outcome
    from mailer.ledger.record import Record
    from mailer.runtime import Runtime

pytestmark = pytest.mark.unlimited_status_queries

TICK = {"job": "sweep", "scheduled_time": "2026-05-01T09:00:00Z"}


def identity(outcome: Outcome) -> str:
    return outcome.id.partition("@")[0]


def record_of(runtime: Runtime, outcome: Outcome) -> Record:
    record = runtime.ledger.get(identity(outcome))
    assert record
    return record


def age(runtime: Runtime, seconds: float = 3600) -> None:
    """Let every unknown email have been so for a while, also one whose lease has expired unnoticed."""
    store = runtime.ledger.store
    past = int((time.time() - seconds) * 1000)
    for one in store.client.zrange(store.key("open"), 0, -1):
        record = runtime.ledger.get(one)
        if record is None or record.state is State.UNKNOWN:
            store.client.zadd(store.key("open"), {one: past})


def sweep(runtime: Runtime, seconds: float = 30.0) -> dict[str, Any]:
    age(runtime)
    answer = handle(TICK, LambdaContext(seconds))
    assert answer.pop("job") == "sweep"
    return answer


def in_doubt(ses: Emulator, *, accepted: bool, **fields: Any) -> Outcome:
    """Send an email whose answer does not come back."""
    ses.add_fault("reset-after" if accepted else "reset-before")
    outcome = deliver(email(**fields))
    assert outcome.state is State.UNKNOWN
    return outcome


def test_email_that_ses_has_is_accepted(runtime: Runtime, ses: Emulator, log: io.StringIO) -> None:
    outcome = in_doubt(ses, accepted=True)
    assert sweep(runtime) == {"found": 1}
    record = record_of(runtime, outcome)
    [mail] = ses.inbox()
    assert record.state is State.ACCEPTED
    assert record.ses_message_id == mail.ses_message_id
    assert record.history[-1] | {"at": 0} == {
        "state": "accepted",
        "evidence": "status-query",
        "ses_message_id": mail.ses_message_id,
        "at": 0,
    }
    assert deliver(email(), key=None).state is State.ACCEPTED
    assert "ann@" not in log.getvalue()
    assert sweep(runtime) == {}


def test_email_of_which_ses_has_no_trace_is_sent_again_under_its_message_id(
    runtime: Runtime, ses: Emulator
) -> None:
    outcome = in_doubt(ses, accepted=False)
    assert sweep(runtime) == {"resend": 1, "accepted": 1}
    [mail] = ses.inbox()
    assert mail.smtp_message_id == f"<{outcome.id}>"
    history = record_of(runtime, outcome).history
    assert [note["state"] for note in history] == ["sending", "unknown", "unknown", "sending", "accepted"]
    assert (history[2]["evidence"], history[2]["decision"]) == ("no-trace", "resend")


def test_nothing_is_asked_before_the_grace_time_is_over(runtime: Runtime, ses: Emulator) -> None:
    outcome = in_doubt(ses, accepted=False)
    assert handle(TICK, LambdaContext()) == {"job": "sweep"}
    assert record_of(runtime, outcome).state is State.UNKNOWN


def test_held_email_waits_for_an_operator(runtime: Runtime, ses: Emulator) -> None:
    outcome = in_doubt(ses, accepted=False, on_unknown="hold")
    assert sweep(runtime) == {"needs_operator": 1}
    assert sweep(runtime) == {"needs_operator": 1}
    record = record_of(runtime, outcome)
    assert record.state is State.UNKNOWN
    assert [note.get("decision") for note in record.history] == [None, None, "needs_operator"]
    assert record.code == "Transport.ConnectionLost"
    assert ses.inbox() == []


@pytest.mark.parametrize(
    ("verdict", "state", "accepted"),
    [("accepted", "accepted", 0), ("failed", "failed", 0), ("resend", "accepted", 1)],
)
def test_operator_decides_on_a_held_email(
    runtime: Runtime,
    ses: Emulator,
    capsys: pytest.CaptureFixture[str],
    verdict: str,
    state: str,
    accepted: int,
) -> None:
    outcome = in_doubt(ses, accepted=False, on_unknown="hold")
    sweep(runtime)
    assert main(["resolve", outcome.id, verdict]) == 0
    assert f"{outcome.id}: {state}\n" in capsys.readouterr().out
    record = record_of(runtime, outcome)
    assert record.state.value == state
    assert "operator" in [note.get("evidence") for note in record.history]
    assert ses.acceptances(outcome.id) == accepted
    assert main(["resolve", outcome.id, "resend"]) == 1
    assert ses.acceptances(outcome.id) == accepted


def test_held_email_that_shows_up_late_is_accepted(runtime: Runtime, ses: Emulator) -> None:
    outcome = in_doubt(ses, accepted=True, on_unknown="hold")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ses.mailbox, "records", list)
        assert sweep(runtime) == {"needs_operator": 1}
    assert sweep(runtime) == {"found": 1}
    assert record_of(runtime, outcome).state is State.ACCEPTED


def test_what_was_decided_is_in_the_answer_of_the_http_api(runtime: Runtime, ses: Emulator) -> None:
    outcome = in_doubt(ses, accepted=True)
    sweep(runtime)
    body = record_json(record_of(runtime, outcome), [])
    assert body["state"] == "accepted"
    assert body["history"][-1]["evidence"] == "status-query"


def test_email_that_this_version_cannot_read_stays_in_doubt(runtime: Runtime, ses: Emulator) -> None:
    outcome = in_doubt(ses, accepted=True)
    store = runtime.ledger.store
    store.client.hset(store.key("email", outcome.id.partition("@")[0]), "body", "{}")
    assert sweep(runtime) == {"undecided": 1}
    assert record_of(runtime, outcome).state is State.UNKNOWN


def test_lapsed_lease_is_reconciled_like_a_lost_answer(runtime: Runtime, ses: Emulator) -> None:
    attempt = Attempt("a" * 32, email(), "test")
    runtime.ledger.admit(attempt)
    store = runtime.ledger.store
    store.client.hset(store.key("email", attempt.id), "lease_until", 1)
    store.client.zadd(store.key("open"), {attempt.id: 1})
    assert sweep(runtime) == {"resend": 1, "accepted": 1}
    assert len(ses.inbox()) == 1


def test_email_that_is_still_being_sent_is_left_alone(runtime: Runtime, ses: Emulator) -> None:
    attempt = Attempt("a" * 32, email(), "test")
    runtime.ledger.admit(attempt)
    assert sweep(runtime) == {}
    runtime.ledger.store.client.zadd(
        runtime.ledger.store.key("open"), {attempt.id: 1}
    )  # its lease is not over
    assert sweep(runtime) == {}


def test_message_id_of_another_record_is_never_claimed(runtime: Runtime, ses: Emulator) -> None:
    accepted = deliver(email(subject="One"))
    lost = in_doubt(ses, accepted=False, subject="Two")
    assert sweep(runtime) == {"resend": 1, "accepted": 1}
    assert record_of(runtime, lost).ses_message_id != accepted.ses_message_id
    assert [ses.acceptances(one.id) for one in (accepted, lost)] == [1, 1]


def test_two_emails_and_one_trace_are_not_guessed_apart(runtime: Runtime, ses: Emulator) -> None:
    first = in_doubt(ses, accepted=True, subject="One")
    second = in_doubt(ses, accepted=False, subject="Two")
    runtime.ledger.store.client.zadd(runtime.ledger.store.key("open"), {"vanished": 2e15})
    assert sweep(runtime) == {"ambiguous": 2}
    assert {record_of(runtime, one).state for one in (first, second)} == {State.UNKNOWN}
    assert len(ses.inbox()) == 1


def test_two_emails_and_two_traces_are_both_accepted(runtime: Runtime, ses: Emulator) -> None:
    outcomes = [in_doubt(ses, accepted=True, subject=subject) for subject in ("One", "Two")]
    assert sweep(runtime) == {"found": 2}
    claimed = {record_of(runtime, outcome).ses_message_id for outcome in outcomes}
    assert claimed == {mail.ses_message_id for mail in ses.inbox()}


def test_trace_of_an_email_that_is_still_being_sent_is_left_to_it(runtime: Runtime, ses: Emulator) -> None:
    lost = in_doubt(ses, accepted=False)
    attempt = Attempt("a" * 32, email(subject="Another"), "test")
    admission = runtime.ledger.admit(attempt)
    receipt = runtime.ses.send(attempt.request, attempt.smtp_message_id, 10)
    assert sweep(runtime) == {"ambiguous": 1}
    runtime.ledger.settle(
        attempt, admission, CallResult(State.ACCEPTED, ses_message_id=receipt.ses_message_id)
    )
    assert sweep(runtime) == {"resend": 1, "accepted": 1}
    assert ses.acceptances(lost.id) == 1


def test_trace_for_another_sender_or_time_does_not_count(runtime: Runtime, ses: Emulator) -> None:
    in_doubt(ses, accepted=True, sender="news@other.example")
    lost = in_doubt(ses, accepted=False)
    assert sweep(runtime) == {"found": 1, "resend": 1, "accepted": 1}
    assert ses.acceptances(lost.id) == 1


def test_any_recipient_with_a_trace_proves_the_email(runtime: Runtime, ses: Emulator) -> None:
    outcome = in_doubt(ses, accepted=True, to=["a@one.example", "b@two.example"])
    records = ses.mailbox.records()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ses.mailbox, "records", lambda: [one for one in records if one.to == "b@two.example"])
        assert sweep(runtime) == {"found": 1}
    assert record_of(runtime, outcome).state is State.ACCEPTED


def test_every_page_is_read(runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PAGE", 1)
    for number in range(2):
        deliver(email(subject=f"Mail {number}"))
    outcome = in_doubt(ses, accepted=True)
    assert sweep(runtime) == {"found": 1}
    assert record_of(runtime, outcome).state is State.ACCEPTED


@pytest.mark.parametrize("fault", ["InternalError", "charset", "reset-before", "html"])
def test_status_query_that_fails_decides_nothing(runtime: Runtime, ses: Emulator, fault: str) -> None:
    outcome = in_doubt(ses, accepted=False)
    ses.add_fault(fault, action="GetSendEmailStatus")
    assert sweep(runtime) == {"undecided": 1}
    assert record_of(runtime, outcome).state is State.UNKNOWN
    assert sweep(runtime) == {"resend": 1, "accepted": 1}


def test_queries_go_out_one_a_second_for_the_whole_account(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    unknown = UnknownLedger(runtime.ledger.store)
    assert unknown.acquire_query_slot() == 0
    assert unknown.acquire_query_slot() == 1.05
    unknown.release_query_slot()
    assert 0.5 < unknown.acquire_query_slot() <= 1.05


def test_turn_that_does_not_come_in_time_decides_nothing(runtime: Runtime, ses: Emulator) -> None:
    in_doubt(ses, accepted=False)
    UnknownLedger(runtime.ledger.store).acquire_query_slot()
    assert sweep(runtime, 3) == {"undecided": 1}


def test_turn_is_waited_for(runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    in_doubt(ses, accepted=True)
    monkeypatch.setattr("mailer.ledger.unknown.QUERY_INTERVAL_MS", 300)
    UnknownLedger(runtime.ledger.store).release_query_slot()
    assert sweep(runtime) == {"found": 1}


def test_no_time_left_looks_into_nothing(runtime: Runtime, ses: Emulator) -> None:
    in_doubt(ses, accepted=True)
    age(runtime)
    assert list(reconcile.reconcile(Deadline(0), runtime)) == []


def test_vanished_record_is_forgotten(runtime: Runtime, ses: Emulator) -> None:
    outcome = in_doubt(ses, accepted=True)
    store = runtime.ledger.store
    store.client.delete(store.key("email", identity(outcome)))
    assert sweep(runtime) == {}
    assert store.client.zcard(store.key("open")) == 0


def test_email_settled_during_the_query_is_left_as_it_is(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = in_doubt(ses, accepted=False)
    call = runtime.ses.call

    def late(action: str, *arguments: Any) -> Any:
        store = runtime.ledger.store
        if action == "GetSendEmailStatus":
            store.client.hset(store.key("email", identity(outcome)), "state", "accepted")
        return call(action, *arguments)

    monkeypatch.setattr(runtime.ses, "call", late)
    assert sweep(runtime) == {"superseded": 1}
    assert ses.inbox() == []


def test_two_sweeps_at_once_send_it_once(runtime: Runtime, ses: Emulator) -> None:
    from concurrent.futures import ThreadPoolExecutor

    outcome = in_doubt(ses, accepted=False)
    age(runtime)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: handle(TICK, LambdaContext()), range(4)))
    assert ses.acceptances(outcome.id) == 1


def test_sweep_killed_before_it_sends_again_is_taken_over(runtime: Runtime, ses: Emulator) -> None:
    outcome = in_doubt(ses, accepted=False)
    age(runtime)
    assert list(reconcile.reconcile(Deadline(10), runtime)) == [(identity(outcome), Decision.RESEND)]
    assert sweep(runtime) == {"resend": 1, "accepted": 1}
    assert ses.acceptances(outcome.id) == 1


def test_email_that_never_gets_through_is_given_up_with_its_history(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "MAX_ATTEMPTS", 2)
    outcome = in_doubt(ses, accepted=False)
    ses.add_fault("reset-before")
    assert sweep(runtime) == {"resend": 1, "unknown": 1}
    assert sweep(runtime) == {"exhausted": 1}
    assert record_of(runtime, outcome).state is State.FAILED
    [letter] = runtime.ledger.dead_letters()
    assert json.loads(letter["reason"])["history"][-1]["evidence"] == "no-trace"


def test_expired_email_is_not_sent_again(runtime: Runtime, ses: Emulator) -> None:
    soon = datetime.fromtimestamp(time.time() + 1, timezone.utc).isoformat()
    outcome = in_doubt(ses, accepted=False, expires_at=soon)
    age(runtime)
    [(one, _)] = reconcile.reconcile(Deadline(10), runtime)
    store = runtime.ledger.store
    body = json.loads(store.client.hget(store.key("email", one), "body"))
    past = {**body, "expires_at": "2020-01-01T00:00:00Z"}
    store.client.hset(store.key("email", one), "body", json.dumps(past))
    assert sweep(runtime) == {"resend": 1, "expired": 1}
    assert record_of(runtime, outcome).state is State.EXPIRED
    assert ses.inbox() == []


def test_days_around_midnight_are_both_asked_for() -> None:
    midnight = datetime(2026, 5, 1, 16, 0, tzinfo=timezone.utc).timestamp() * 1000
    now = int(time.time()) * 1000
    window = (int(midnight) - 1000, int(midnight) + 1000)
    assert reconcile._days((window,), now) == ["2026-05-01", "2026-05-02"]
    future = int(time.time() + 30 * 86_400) * 1000
    assert reconcile._days(((future, future),), now) == []


def test_delay_grows_from_attempt_to_attempt_up_to_an_hour(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses.add_fault("ResourceInsufficient", times=None)
    outcome = deliver(email())
    delays = [outcome.retry_after]
    for _ in range(8):
        make_due(runtime, identity(outcome))
        handle(TICK, LambdaContext())
        record = record_of(runtime, outcome)
        assert record.due_at
        delays.append((record.due_at - record.updated_at) / 1000)
    assert delays == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert delivery.MAX_DELAY == 3600
