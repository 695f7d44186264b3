"""`POST /emails/batch`, through the handler."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from factories import body
from http_calls import SHAPES, call
from mailer.errors import StoreUnavailable

if TYPE_CHECKING:
    import io

    from http_calls import Shape
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime


def batch(emails: Any, key: str | None = None, **options: Any) -> tuple[int, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    status, _, answer = call("POST", "/emails/batch", {"emails": emails}, headers=headers, **options)
    return status, answer


def to_many(count: int) -> list[dict[str, Any]]:
    return [body(to=f"r{number}@customer.example") for number in range(count)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_email_has_a_result_in_order_and_a_bad_one_blocks_none(
    runtime: Runtime, ses: Emulator, shape: Shape
) -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    emails = [
        body(to="a@customer.example"),
        body(to="no address"),
        "text",
        body(to="b@customer.example", expires_at="2020-01-01T00:00:00Z"),
        body(template={"id": 100091, "data": {"code": deep}}),
        body(to="answer-lost@fault.example"),
        body(to="c@customer.example"),
    ]
    status, answer = batch(emails, shape=shape)
    assert status == 200
    results = answer["results"]
    assert [result["index"] for result in results] == list(range(7))
    assert [result["status"] for result in results] == [200, 422, 422, 422, 422, 202, 200]
    assert set(results[0]) == {"index", "status", "id", "state", "message_id", "request_id", "replayed"}
    assert results[1]["error"]["errors"][0]["pointer"] == "/to"
    assert results[3]["error"]["state"] == "expired"
    assert results[5]["state"] == "unknown"
    assert [ses.acceptances(results[index]["id"]) for index in (0, 5, 6)] == [1, 1, 1]


def test_whole_request_can_be_retried_under_its_key(runtime: Runtime, ses: Emulator) -> None:
    emails = [*to_many(3), body(to="EmailAddrInBlacklist+once@fault.example")]
    _, first = batch(emails, key='"import-7"')
    _, again = batch(emails, key="import-7")
    assert [result.get("replayed") for result in again["results"]] == [True, True, True, None]
    assert [result["id"] for result in again["results"][:3]] == [
        result["id"] for result in first["results"][:3]
    ]
    assert len(ses.inbox()) == 3


def test_retried_request_sends_no_other_email_in_place_of_a_sent_one(runtime: Runtime, ses: Emulator) -> None:
    batch(to_many(2), key="import-7")
    _, again = batch(to_many(2)[1:], key="import-7")
    assert again["results"][0]["error"]["code"] == "IdempotencyKeyReused"
    assert len(ses.inbox()) == 2


def test_key_of_an_email_takes_precedence_over_that_of_the_request(runtime: Runtime, ses: Emulator) -> None:
    call("POST", "/emails", body(), headers={"Idempotency-Key": "order-1"})
    _, answer = batch([body(idempotency_key="order-1")], key="import-7")
    assert answer["results"][0]["replayed"]
    assert len(ses.inbox()) == 1


def test_emails_under_one_key_are_one_email(runtime: Runtime, ses: Emulator) -> None:
    one = body(idempotency_key="order-1")
    _, answer = batch([one, one, {**one, "subject": "Other"}])
    first, second, third = answer["results"]
    assert (first["replayed"], second["replayed"]) == (False, True)
    assert third["error"]["code"] == "IdempotencyKeyReused"
    assert len(ses.inbox()) == 1


def test_emails_of_a_batch_are_sent_concurrently(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call waits for the others, so calls that are made one after another would time out."""
    meeting = threading.Barrier(5, timeout=20)
    sent = runtime.ses.send

    def send(*arguments: Any) -> Any:
        meeting.wait()
        return sent(*arguments)

    monkeypatch.setattr(runtime.ses, "send", send)
    status, answer = batch(to_many(5))
    assert status == 200
    assert [result["status"] for result in answer["results"]] == [200] * 5


def test_batch_without_time_left_sends_nothing_and_says_when_to_retry(
    runtime: Runtime, ses: Emulator
) -> None:
    _, answer = batch(to_many(2), seconds=1.0)
    assert [result["status"] for result in answer["results"]] == [503, 503]
    assert all(result["error"]["retry_after"] >= 1 for result in answer["results"])
    assert ses.calls() == []


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([], ""),
        ({}, "/emails"),
        ({"emails": {}}, "/emails"),
        ({"emails": []}, "/emails"),
        ({"emails": [1] * 101}, "/emails"),
        ({"emails": [1], "a/b": 1}, "/a~1b"),
        ("{", ""),
    ],
)
def test_body_that_is_not_a_batch_is_422(runtime: Runtime, document: Any, pointer: str) -> None:
    status, _, problem = call("POST", "/emails/batch", document)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)


def test_hundred_emails_are_sent_within_the_rate(runtime: Runtime, ses: Emulator) -> None:
    _, answer = batch(to_many(100))
    assert [result["status"] for result in answer["results"]] == [200] * 100
    assert len(ses.inbox()) == 100
    assert {call.outcome for call in ses.calls()} == {"accepted"}


def test_batch_needs_the_store(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, ses: Emulator) -> None:
    monkeypatch.setenv("MAILER_STORE_URL", "redis://127.0.0.1:1/0")
    status, problem = batch(to_many(2))
    assert (status, problem["code"]) == (503, "StoreUnavailable")
    assert ses.calls() == []


def test_store_that_goes_down_amid_a_batch_is_reported_for_each_email(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def gone(*_arguments: Any, **_options: Any) -> None:
        raise StoreUnavailable("ConnectionError")

    monkeypatch.setattr(runtime.ledger, "admit", gone)
    _, answer = batch(to_many(2))
    assert [result["error"]["code"] for result in answer["results"]] == ["StoreUnavailable"] * 2
    assert {json.loads(line)["index"] for line in log.getvalue().splitlines()} == {0, 1}
