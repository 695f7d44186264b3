"""Messages that are no email requests: their log lines, and their records where the queue keeps them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body
from http_calls import call
from mailer.delivery.attempts import record_of
from mailer.email.identity import Key, KeyKind
from mailer.ledger import Store
from mailer.ledger.refusals import MAX_DETAIL_CHARACTERS, Refusal, Refusals
from mailer.triggers import messages
from mailer.triggers.queue import handle
from mailer.triggers.refusals import MAX_LINES
from queue_events import failures, kafka, sns_in_sqs, sqs

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.ledger.record import Record
    from mailer.runtime import Runtime

INVALID = body(to=["nobody"])


def answered(event: dict[str, Any]) -> list[str]:
    return failures(handle(event, LambdaContext()))


def lines(log: io.StringIO, message: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.getvalue().splitlines()) if line["message"] == message]


def record(runtime: Runtime, number: int = 0) -> Record | None:
    return record_of(f"sqs:message-{number}", runtime)


@pytest.mark.parametrize(
    ("event", "key", "detail"),
    [
        (sqs(INVALID), "sqs:message-0", "/to/0: "),
        (sqs("no JSON"), "sqs:message-0", "JSON"),
        (sns_in_sqs(INVALID), "sns:95df01b4", "/to/0: "),
        (sqs({"digest": "none", "recipient": "ann@example.com", "item": {}}), "sqs:message-0", "/digest: "),
    ],
    ids=["request", "no JSON", "notification", "digest item"],
)
def test_reason_is_in_the_ledger_under_the_message_id(
    runtime: Runtime, ses: Emulator, event: dict[str, Any], key: str, detail: str
) -> None:
    for _receive in (1, 2):
        assert answered(event) == ["message-0"]
    refused = record_of(key, runtime)
    assert refused
    assert (refused.state.value, refused.code, refused.attempts) == ("refused", "InvalidRequest", 0)
    [note] = refused.history
    assert detail in note["detail"]
    assert ses.calls() == []
    assert runtime.ledger.dead_letters() == []  # the queue keeps the message


def test_record_is_found_by_the_id_in_the_log(runtime: Runtime, log: io.StringIO) -> None:
    answered(sqs(INVALID))
    [line] = lines(log, "event refused")
    status, _headers, shown = call("GET", f"/emails/{line['id']}")
    assert status == 200
    assert (shown["id"], shown["state"], shown["code"]) == (line["id"], "refused", "InvalidRequest")
    assert "/to/0" in shown["history"][0]["detail"]


def test_record_lives_as_long_as_others(runtime: Runtime) -> None:
    answered(sqs(INVALID))
    store = runtime.ledger.store
    key = store.key("email", Key("sqs:message-0", KeyKind.PLATFORM).email_id(runtime.settings.account))
    assert 0 < store.client.pttl(key) <= store.bounds.retention
    assert not store.client.exists(*map(store.key, ("due", "scheduled", "open", "unmatched")))


def test_message_is_sent_once_it_can_be_read(runtime: Runtime, ses: Emulator) -> None:
    """The queue delivers it again after mailer.toml was mended."""
    assert answered(sqs(INVALID, receive_count=1)) == ["message-0"]
    assert answered(sqs(body(), receive_count=2)) == []
    sent = record(runtime)
    assert sent
    assert (sent.state.value, sent.code) == ("accepted", None)
    assert [note["state"] for note in sent.history] == ["refused", "sending", "accepted"]
    assert len(ses.inbox()) == 1


def test_record_of_an_email_is_not_changed(runtime: Runtime, ses: Emulator) -> None:
    assert answered(sqs(body())) == []
    before = record(runtime)
    assert answered(sqs(INVALID)) == ["message-0"]
    assert record(runtime) == before


@pytest.fixture
def broken_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(messages, "read_body", broken)


@pytest.mark.usefixtures("broken_reader")
def test_unexpected_error_is_in_the_ledger(runtime: Runtime, log: io.StringIO) -> None:
    assert answered(sqs(body())) == ["message-0"]
    refused = record(runtime)
    assert refused
    assert (refused.state.value, refused.code) == ("refused", "InternalError")
    [line] = lines(log, "unexpected error")
    assert line["error"] == "ZeroDivisionError"
    assert len(line["id"]) == 32


def test_refused_messages_beyond_the_first_share_a_log_line(runtime: Runtime, log: io.StringIO) -> None:
    answered(sqs(*[INVALID] * (MAX_LINES + 5)))
    assert len(lines(log, "event refused")) == MAX_LINES
    [rest] = lines(log, "more messages refused")
    assert (rest["trigger"], rest["codes"]) == ("sqs", {"InvalidRequest": 5})
    assert all(record(runtime, number) for number in range(MAX_LINES + 5))


@pytest.mark.usefixtures("runtime", "broken_reader")
def test_unexpected_errors_beyond_the_first_share_a_log_line(log: io.StringIO) -> None:
    answered(sqs(*[body()] * (MAX_LINES + 5)))
    assert len(lines(log, "unexpected error")) == MAX_LINES
    [rest] = lines(log, "more messages refused")
    assert rest["codes"] == {"InternalError": 5}


def test_no_line_says_that_no_more_were_refused(runtime: Runtime, log: io.StringIO) -> None:
    answered(sqs(*[INVALID] * MAX_LINES))
    assert lines(log, "more messages refused") == []


def test_record_of_a_dead_letter_is_not_needed(runtime: Runtime) -> None:
    assert answered(kafka({"emails-0": [INVALID]})) == []
    store = runtime.ledger.store
    assert len(runtime.ledger.dead_letters()) == 1
    assert store.client.keys(store.key("email", "*")) == []


def test_message_is_refused_where_the_store_is_down(
    runtime: Runtime, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = runtime.ledger.store
    store.close()
    monkeypatch.setattr(store, "_url", Store("redis://127.0.0.1:9", "default")._url)
    assert answered(sqs(INVALID)) == ["message-0"]
    assert [line["code"] for line in lines(log, "event refused")] == ["InvalidRequest", "StoreUnavailable"]


def test_more_refusals_than_one_call_takes_are_stored(runtime: Runtime) -> None:
    ids = [f"{number:032}" for number in range(250)]
    Refusals(runtime.ledger.store).add(
        "sqs", [Refusal(None, "A", "b"), *(Refusal(one, "A", "b") for one in ids)]
    )
    assert all(runtime.ledger.get(one) for one in (ids[0], ids[99], ids[100], ids[-1]))
    assert len(runtime.ledger.store.client.keys(runtime.ledger.store.key("email", "*"))) == len(ids)


def test_reason_is_cut(runtime: Runtime) -> None:
    answered(sqs({"x" * 200 + str(number): 1 for number in range(20)}))
    refused = record(runtime)
    assert refused
    assert len(refused.history[0]["detail"]) == MAX_DETAIL_CHARACTERS
