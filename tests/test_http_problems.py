from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.delivery.outcome import DISPOSITIONS, Disposition, Outcome
from mailer.errors import (
    ConfigurationError,
    FieldError,
    Forbidden,
    InvalidHeader,
    InvalidRequest,
    MailerError,
    SesFailure,
    StoreUnavailable,
    UnknownEvent,
)
from mailer.http_api.auth import key_name
from mailer.http_api.emails import idempotency_key
from mailer.http_api.problems import TITLES, error_problem, outcome_problem, problem
from mailer.ledger.record import Record, State
from mailer.ledger.record_json import record_json
from mailer.ses.credentials import NoCredentials
from mailer.ses.error_table import Action

ID = "abcdefghijklmnopqrstuvwxyz234567@mail.shop.example"
printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=255)


def read(response: Any) -> tuple[dict[str, Any], dict[str, str]]:
    assert response.content_type == "application/problem+json"
    document = json.loads(response.body)
    assert document["status"] == response.status_code
    assert document["title"] == TITLES[response.status_code]
    assert response.headers["Content-Type"] == response.content_type
    return document, {name: text for name, text in response.headers.items() if name != "Content-Type"}


@pytest.mark.parametrize(
    ("error", "status", "retryable", "retry_after"),
    [
        (InvalidRequest.at("/to", "is required"), 422, False, None),
        (UnknownEvent.at("", "is no event"), 400, False, None),
        (InvalidHeader.at("", "the header X is malformed"), 400, False, None),
        (StoreUnavailable("TimeoutError"), 503, True, "5"),
        (Forbidden("the key `crm` lacks the permission `send`"), 403, False, None),
        (MailerError("something else"), 500, False, None),
    ],
)
def test_an_error_has_its_status(
    error: MailerError, status: int, retryable: object, retry_after: str | None
) -> None:
    document, headers = read(error_problem(error))
    assert document["status"] == status
    assert (document["code"], document["detail"], document["retryable"]) == (
        error.code,
        str(error),
        retryable,
    )
    assert headers.get("Retry-After") == retry_after


@pytest.mark.parametrize("error", [ConfigurationError("MAILER_RATE", "must be a number"), NoCredentials()])
def test_a_wrong_setting_is_not_named(error: ConfigurationError) -> None:
    document, headers = read(error_problem(error))
    assert (document["status"], document["code"], document["retryable"]) == (503, error.code, False)
    assert document["detail"] == "a setting is missing or wrong; the log names it"
    assert headers == {}


def test_a_refusal_lists_every_error_with_its_pointer() -> None:
    errors = [FieldError("/to/0", "must be an address"), FieldError("/a~1b", "is no field")]
    document, _headers = read(error_problem(InvalidRequest(errors)))
    assert document["errors"] == [
        {"pointer": "/to/0", "detail": "must be an address"},
        {"pointer": "/a~1b", "detail": "is no field"},
    ]


def test_a_problem_names_only_what_there_is() -> None:
    document, headers = read(problem(404, "NotFound", "no such email", action=None, id=ID))
    assert document == {
        "type": "about:blank", "title": "Not Found", "status": 404, "detail": "no such email",
        "code": "NotFound", "retryable": False, "id": ID,
    }  # fmt: skip
    assert headers == {}


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1, "1"), (1.1, "2"), (900, "900")])
def test_retry_after_is_whole_seconds_and_never_too_early(seconds: float, header: str) -> None:
    _document, headers = read(problem(503, "X", "y", retry_after=seconds, headers={"X-A": "1"}))
    assert headers == {"X-A": "1", "Retry-After": header}


@pytest.mark.parametrize(
    ("disposition", "retryable", "code"),
    [
        (Disposition.REFUSED, False, "Refused"),
        (Disposition.KEY_REUSED, False, "KeyReused"),
        (Disposition.RETRY_LATER, True, "RetryLater"),
        (Disposition.HALTED, True, "Halted"),
        (Disposition.IN_FLIGHT, True, "InFlight"),
    ],
)
def test_only_what_may_succeed_later_asks_to_be_tried_again(
    disposition: Disposition, retryable: object, code: str
) -> None:
    outcome = Outcome(disposition, ID, State.FAILED, retry_after=7.5)
    document, headers = read(outcome_problem(503, outcome))
    assert document["retryable"] == retryable
    assert headers.get("Retry-After") == ("8" if retryable else None)
    assert document["code"] == code
    assert document["detail"] == "the email is failed"
    assert "errors" not in document


def test_an_outcome_has_code_action_and_pointer() -> None:
    outcome = Outcome(
        Disposition.REFUSED, ID, State.REFUSED, code="FailedOperation.EmailAddrInBlacklist",
        action=Action.SUPPRESS, request_id="r-1", detail="blocked", pointer="/to/0",
    )  # fmt: skip
    document, _headers = read(outcome_problem(422, outcome))
    assert document == {
        "type": "about:blank", "title": "Unprocessable Content", "status": 422, "detail": "blocked",
        "code": "FailedOperation.EmailAddrInBlacklist", "retryable": False, "action": "suppress", "id": ID,
        "state": "refused", "request_id": "r-1", "errors": [{"pointer": "/to/0", "detail": "blocked"}],
    }  # fmt: skip


def test_every_error_has_the_attributes_that_a_caller_needs() -> None:
    failure = SesFailure("InternalError", "r-1")
    assert (failure.code, failure.request_id, failure.retryable, failure.retry_after) == (
        "InternalError",
        "r-1",
        False,
        None,
    )
    assert issubclass(UnknownEvent, InvalidRequest)
    for kind in (ConfigurationError, InvalidRequest, StoreUnavailable, SesFailure):
        assert issubclass(kind, MailerError)
        assert kind is SesFailure or kind.code == kind.__name__


def test_an_invalid_request_can_be_moved_to_another_document_and_to_json() -> None:
    error = UnknownEvent([FieldError("/0", "must be an object"), FieldError("/0/to", "is required")])
    moved = error.under("/data")
    assert isinstance(moved, UnknownEvent)
    assert moved.to_json() == [
        {"pointer": "/data/0", "detail": "must be an object"},
        {"pointer": "/data/0/to", "detail": "is required"},
    ]
    assert str(moved.relative_to("/data/0")) == "must be an object; /to: is required"


@pytest.mark.parametrize("state", State)
def test_a_record_of_any_state_has_an_outcome(state: State) -> None:
    record = Record("x", state, ID, code="FailedOperation.FrequencyLimit", ses_message_id="m", request_id="r")
    outcome = Outcome.of_record(record, replayed=True)
    assert outcome == Outcome(
        DISPOSITIONS[state], ID, state, code="FailedOperation.FrequencyLimit", action=Action.DEFER,
        ses_message_id="m", request_id="r", replayed=True,
    )  # fmt: skip
    assert Outcome.of_record(Record("x", state, ID), replayed=False).action is None


def test_the_reason_in_a_dead_letter_is_json() -> None:
    refused = Outcome(
        Disposition.REFUSED, ID, State.REFUSED, code="c", action=Action.REJECT, detail="d", pointer="/p"
    )
    assert json.loads(json.dumps(refused.reason())) == {
        "id": ID, "state": "refused", "code": "c", "action": "reject", "request_id": None, "detail": "d",
        "pointer": "/p",
    }  # fmt: skip
    assert Outcome(Disposition.REFUSED, ID, State.EXPIRED).reason()["action"] is None


KEYS = {hashlib.sha256(key.encode()).hexdigest(): name for key, name in {"one": "shop", "two": "crm"}.items()}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Bearer one", "shop"),
        ("bearer two", "crm"),
        ("BEARER  two ", "crm"),
        ("Bearer three", None),
        ("Bearer ", None),
        ("Bearer", None),
        ("Basic one", None),
        ("one", None),
        ("Bearer one two", None),
        ("", None),
        (None, None),
        (f"Bearer {next(iter(KEYS))}", None),
    ],
)
def test_a_bearer_key_has_its_name(header: str | None, name: str | None) -> None:
    assert key_name(header, KEYS) == name


@given(st.text() | st.text().map("Bearer {}".format) | st.none())
def test_without_configured_keys_every_header_is_unknown(header: str | None) -> None:
    assert key_name(header, {}) is None


def test_a_key_with_a_lone_surrogate_is_unknown() -> None:
    assert key_name("Bearer \ud800", KEYS) is None


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, None),
        ("order-1", "order-1"),
        ("  order-1 ", "order-1"),
        ("order 1", "order 1"),
        ('"order-1"', "order-1"),
        (' "order 1" ', "order 1"),
        (r'"a\"b\\c"', r'a"b\c'),
        ('a"b"', 'a"b"'),
        ("a\\b", "a\\b"),
        ("k" * 255, "k" * 255),
        (f'"{"k" * 255}"', "k" * 255),
    ],
)
def test_an_idempotency_key_is_plain_or_a_structured_string(header: str | None, key: str | None) -> None:
    assert idempotency_key(header) == key


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        '""',
        '" a"',
        '"a',
        '"a"b"',
        r'"a\n"',
        '"a\\"',
        '"a"; p=1',
        "é",
        '"é"',
        "a\nb",
        "a\0",
        "k" * 256,
        f'"{"k" * 256}"',
    ],
)
def test_another_idempotency_key_is_refused(header: str) -> None:
    with pytest.raises(InvalidHeader, match="Idempotency-Key must have 1 to 255 printable ASCII"):
        idempotency_key(header)


@given(printable)
def test_a_key_is_the_same_plain_and_quoted(key: str) -> None:
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert idempotency_key(quoted) == key
    if not key.startswith('"'):
        assert idempotency_key(key) == key


def test_the_json_of_a_record_has_no_content_and_no_address() -> None:
    record = Record(
        "abc", State.DEFERRED, ID, attempts=2, code="FailedOperation.TemporaryBlocked", ses_message_id="m",
        request_id="r", created_at=1_777_777_777_001, updated_at=1_777_777_778_000, due_at=0,
        history=[
            {"state": "sending", "at": 1_777_777_777_001, "attempt": 1},
            {"state": "deferred", "at": 0, "due_at": 60_000},
        ],
    )  # fmt: skip
    assert record_json(record, []) == {
        "id": ID, "state": "deferred", "code": "FailedOperation.TemporaryBlocked", "message_id": "m",
        "request_id": "r", "attempts": 2, "created_at": "2026-05-03T03:09:37.001Z",
        "updated_at": "2026-05-03T03:09:38.000Z", "due_at": "1970-01-01T00:00:00.000Z",
        "history": [
            {"state": "sending", "at": "2026-05-03T03:09:37.001Z", "attempt": 1},
            {"state": "deferred", "at": "1970-01-01T00:00:00.000Z", "due_at": "1970-01-01T00:01:00.000Z"},
        ],
        "deliveries": [], "events": [],
    }  # fmt: skip
    assert record_json(Record("abc", State.ACCEPTED, ID), [])["due_at"] is None
