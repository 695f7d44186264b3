"""The HTTP function, through its handler, on every event shape."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import API_KEY, LambdaContext, body
from http_calls import SHAPES, api_gateway_v2, call, scf_url
from mailer.email.identity import id_for
from mailer.http_api import app

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime


@pytest.mark.parametrize("shape", SHAPES)
def test_post_sends_and_get_returns_the_record(runtime: Runtime, ses: Emulator, shape: Any) -> None:
    status, headers, answer = call("POST", "/emails", body(), shape=shape)
    assert status == 200
    assert set(answer) == {"id", "state", "message_id", "request_id", "replayed"}
    assert answer["state"] == "accepted"
    assert headers["Location"] == f"/emails/{answer['id']}"
    assert ses.acceptances(answer["id"]) == 1
    for name in (answer["id"], answer["id"].partition("@")[0], answer["id"].replace("@", "%40")):
        status, _, record = call("GET", f"/emails/{name}", shape=shape)
        assert status == 200
        assert record["state"] == "accepted"
        assert record["attempts"] == 1
        assert [note["state"] for note in record["history"]] == ["sending", "accepted"]
    assert "customer" not in json.dumps(record)


def test_same_key_replays_over_another_shape(runtime: Runtime, ses: Emulator) -> None:
    _, _, first = call("POST", "/emails", body(), headers={"Idempotency-Key": '"order-1"'})
    status, headers, second = call(
        "POST", "/emails", body(), headers={"Idempotency-Key": "order-1"}, shape=scf_url
    )
    assert status == 200
    assert headers["Idempotent-Replayed"] == "true"
    assert second == {**first, "replayed": True}
    assert len(ses.calls()) == 1


def test_another_payload_under_the_key_is_422(runtime: Runtime, ses: Emulator) -> None:
    call("POST", "/emails", body(), headers={"Idempotency-Key": "order-1"})
    status, _, problem = call(
        "POST", "/emails", body(subject="Other"), headers={"Idempotency-Key": "order-1"}
    )
    assert status == 422
    assert problem["code"] == "IdempotencyKeyReused"
    assert not problem["retryable"]
    assert len(ses.calls()) == 1


def test_retry_under_a_key_after_a_change_of_the_defaults_is_replayed(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keyed = {"Idempotency-Key": "order-1"}
    unsent = {name: value for name, value in body().items() if name != "from"}
    ids = []
    for sender in ("noreply@mail.shop.example", "hello@mail.shop.example"):
        path = tmp_path / f"{sender}.toml"
        path.write_text(f"[defaults]\nfrom = '{sender}'\n")
        monkeypatch.setenv("MAILER_CONFIG", str(path))
        status, _, answer = call("POST", "/emails", unsent, headers=keyed)
        _, _, batch = call("POST", "/emails/batch", {"emails": [unsent]}, headers=keyed)
        ids.append((status, answer["id"], batch["results"][0]["status"], batch["results"][0]["id"]))
    assert ids[0] == ids[1]
    assert len(ses.inbox()) == 2
    status, _, problem = call("POST", "/emails", {**unsent, "subject": "Other"}, headers=keyed)
    assert (status, problem["code"]) == (422, "IdempotencyKeyReused")


def test_email_in_flight_is_409_with_retry_after(runtime: Runtime) -> None:
    from mailer.email.request import EmailRequest
    from mailer.ledger import Attempt

    email_id = id_for(runtime.settings.account, "order-1")
    runtime.ledger.admit(Attempt(email_id, EmailRequest.parse(body()), "test"))
    status, headers, problem = call("POST", "/emails", body(), headers={"Idempotency-Key": "order-1"})
    assert status == 409
    assert int(headers["Retry-After"]) > 0
    assert problem["retryable"]
    assert (problem["code"], "action" in problem) == ("InFlight", False)
    _, _, answer = call("POST", "/emails/batch", {"emails": [body(idempotency_key="order-1")]})
    assert [one["error"]["code"] for one in answer["results"]] == ["InFlight"]


@pytest.mark.parametrize("path", ["/emails", "/emails/batch"])
@pytest.mark.parametrize("key", ["", '""', '"order-1', "k" * 256, "a\tb", "a\0b", "é"])
def test_malformed_idempotency_key_is_400_and_named(
    runtime: Runtime, ses: Emulator, path: str, key: str
) -> None:
    document = {"emails": [body()]} if path.endswith("batch") else body()
    status, _, problem = call("POST", path, document, headers={"Idempotency-Key": key})
    assert (status, problem["code"], problem["retryable"]) == (400, "InvalidHeader", False)
    assert "Idempotency-Key" in problem["detail"]
    assert ses.calls() == []


def test_key_as_the_draft_writes_it_is_the_text_in_it(runtime: Runtime, ses: Emulator) -> None:
    call("POST", "/emails", body(idempotency_key='8e03978e "40d5"'))
    headers = {"Idempotency-Key": r'"8e03978e \"40d5\""'}
    assert call("POST", "/emails", body(), headers=headers)[2]["replayed"]
    assert len(ses.calls()) == 1


def test_header_and_body_with_different_keys_are_refused(runtime: Runtime, ses: Emulator) -> None:
    status, _, problem = call(
        "POST", "/emails", body(idempotency_key="one"), headers={"Idempotency-Key": "two"}
    )
    assert status == 422
    assert problem["errors"][0]["pointer"] == "/idempotency_key"
    assert ses.calls() == []


def test_lost_response_is_202_unknown_and_stays_so(runtime: Runtime, ses: Emulator) -> None:
    request = body(to="answer-lost@fault.example")
    for replayed in (False, True):
        status, _, answer = call("POST", "/emails", request, headers={"Idempotency-Key": "order-1"})
        assert status == 202
        assert answer["state"] == "unknown"
        assert answer["replayed"] is replayed
    assert len(ses.inbox()) == 1


def test_refusal_of_ses_is_422_with_code_and_action(runtime: Runtime, ses: Emulator) -> None:
    status, headers, problem = call("POST", "/emails", body(to="EmailAddrInBlacklist@fault.example"))
    assert status == 422
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["code"] == "FailedOperation.EmailAddrInBlacklist"
    assert problem["action"] == "suppress"
    assert problem["state"] == "refused"
    status, _, problem = call("POST", "/emails", body(to="EmailAddrInBlacklist@fault.example"))
    assert problem["errors"][0]["pointer"] == "/to/0"


@pytest.mark.parametrize(
    ("code", "seconds"), [("InsufficientBalance", 30), ("FailedOperation.ServiceNotAvailable", 3)]
)
def test_what_cannot_be_sent_now_is_503_with_retry_after(
    runtime: Runtime, ses: Emulator, code: str, seconds: float
) -> None:
    status, headers, problem = call("POST", "/emails", body(to=f"{code}@fault.example"), seconds=seconds)
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    assert problem["retryable"]


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (body(to=123), "/to"),
        (body(to=[f"r{number}@customer.example" for number in range(51)]), "/to"),
        (body(subject="Hello\r\nBcc: all@customer.example"), "/subject"),
        (body(bcc=["ANN@customer.example"]), "/bcc/0"),
        (
            body(attachments=[{"filename": "a.pdf", "content": base64.b64encode(bytes(4_194_305)).decode()}]),
            "/attachments",
        ),
        ("{not json", ""),
        ("[]", ""),
        (body(colour="red"), "/colour"),
    ],
)
def test_bad_input_is_422_with_field_and_rule(
    runtime: Runtime, ses: Emulator, document: Any, pointer: str
) -> None:
    status, _, problem = call("POST", "/emails", document)
    assert status == 422
    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert all(error["detail"] for error in problem["errors"])
    assert ses.calls() == []


@pytest.mark.parametrize(
    "authorization", ["", "Bearer wrong", "Basic dGVzdC1rZXk=", API_KEY, "Bearer", f"Bearer {API_KEY}x"]
)
def test_missing_or_wrong_key_is_401_and_says_no_more(
    runtime: Runtime, ses: Emulator, authorization: str
) -> None:
    status, headers, problem = call("POST", "/emails", body(), headers={"Authorization": authorization})
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert problem["detail"] == "a valid key is needed: Authorization: Bearer KEY"
    assert ses.calls() == []


def test_all_requests_are_rejected_without_configured_keys(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_API_KEYS", "")
    assert call("POST", "/emails", body())[0] == 401


@pytest.mark.parametrize("name", ["x", "a" * 32, "a" * 32 + "@mail.shop.example"])
def test_unknown_email_is_404(runtime: Runtime, name: str) -> None:
    assert call("GET", f"/emails/{name}")[0] == 404


def test_email_is_not_found_under_another_domain(runtime: Runtime) -> None:
    _, _, answer = call("POST", "/emails", body())
    assert call("GET", f"/emails/{answer['id'].partition('@')[0]}@other.example")[0] == 404


def test_unknown_path_is_404(runtime: Runtime) -> None:
    status, _, problem = call("GET", "/nowhere")
    assert status == 404
    assert problem["code"] == "NotFound"


@pytest.mark.parametrize("shape", SHAPES)
def test_health_is_open(runtime: Runtime, shape: Any) -> None:
    status, _, answer = call("GET", "/health", headers={"Authorization": ""}, shape=shape)
    assert (status, answer) == (200, {"status": "ok"})


def test_store_that_is_down_is_503_and_nothing_is_sent(
    environment: dict[str, str], ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_STORE_URL", "redis://127.0.0.1:1/0")
    for method, path in (("POST", "/emails"), ("GET", "/emails/" + "a" * 32), ("GET", "/health")):
        status, headers, problem = call(method, path, body() if method == "POST" else None)
        assert status == 503
        assert problem["code"] == "StoreUnavailable"
        assert int(headers["Retry-After"]) > 0
    assert ses.calls() == []


def test_wrong_setting_is_503_and_named_in_the_log_alone(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    monkeypatch.setenv("MAILER_RATE", "fast")
    status, _, problem = call("GET", "/health")
    assert (status, problem["code"]) == (503, "ConfigurationError")
    assert "MAILER_" not in json.dumps(problem)
    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["setting"], line["rule"]) == ("MAILER_RATE", "must be a whole number from 1 to 1000")


@pytest.mark.parametrize("event", [None, [], "text", {}, {"Records": []}, {"requestContext": {"http": 1}}])
def test_unknown_event_gets_a_response(environment: dict[str, str], event: Any) -> None:
    answer = app.handle(event, LambdaContext())
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["code"] == "UnknownEvent"


def test_unexpected_error_is_500_without_a_trace(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def broken(_store: Any) -> None:
        raise ZeroDivisionError("ann@customer.example")

    monkeypatch.setattr("mailer.http_api.pages.store_usage", broken)
    answer = app.handle(api_gateway_v2("GET", "/health", {}, None), LambdaContext())
    assert answer["statusCode"] == 500
    assert "Traceback" not in json.dumps(answer)
    logged = json.loads(log.getvalue().splitlines()[-1])
    assert logged["error"] == "ZeroDivisionError"
    assert "ann@" not in log.getvalue()


def test_logs_name_the_key_and_never_hold_it(runtime: Runtime, log: io.StringIO) -> None:
    call("POST", "/emails", body())
    assert json.loads(log.getvalue().splitlines()[-1])["caller"] == "tests"
    assert API_KEY not in log.getvalue()
