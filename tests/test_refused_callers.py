"""Refused callers and server errors: the lines that they leave, and the metrics behind the alarms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body
from http_calls import api_gateway_v2, call
from mailer import clock
from mailer.http_api import app
from mailer.telemetry.refused_callers import LineLimit

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

WEBHOOK = """
[webhooks.contact]
scheme = "token"
secret_env = "MAILER_WEBHOOK_CONTACT"
"""


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch, lines_unlimited: None) -> list[float]:
    """The time by which lines are left out; tests set it."""
    moment = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: moment[0])
    return moment


@pytest.fixture
def on_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "mailer-dev-http")


@pytest.fixture
def with_webhook(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "mailer.toml").write_text(WEBHOOK, encoding="utf-8")
    monkeypatch.setenv("MAILER_CONFIG", str(tmp_path / "mailer.toml"))
    monkeypatch.setenv("MAILER_WEBHOOK_CONTACT", "a-token-of-the-contact-form")


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def counts(capsys: pytest.CaptureFixture[str], name: str) -> list[dict[str, Any]]:
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    return [line for line in written if name in line]


def refuse(path: str = "/emails", **headers: str) -> int:
    return call("POST", path, body(), headers={"Authorization": "Bearer wrong", **headers})[0]


@pytest.mark.usefixtures("with_webhook", "now")
@pytest.mark.parametrize(
    ("path", "status", "proof"),
    [
        ("/emails", 401, "key"),
        ("/webhooks/contact", 401, "webhook:contact"),
        ("/ses/events/a-token-that-is-wrong", 404, "callback_token"),
    ],
)
def test_refused_caller_leaves_a_line_that_names_the_proof(
    log: io.StringIO, path: str, status: int, proof: str
) -> None:
    assert refuse(path, **{"X-Webhook-Token": "a-token-that-is-wrong"}) == status
    (line,) = lines(log)
    assert (line["message"], line["code"], line["proof"]) == ("caller refused", "Unauthorized", proof)
    assert (line["trigger"], line["left_out"]) == ("api-gateway-v2", 0)
    assert "wrong" not in log.getvalue()


@pytest.mark.usefixtures("environment", "on_lambda")
def test_one_line_a_second_says_how_many_were_left_out(
    now: list[float], log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    for moment in (1000.0, 1000.1, 1000.9, 1001.0, 1001.5, 1002.5):
        now[0] = moment
        assert refuse() == 401
    assert [line["left_out"] for line in lines(log)] == [0, 2, 1]
    assert [metric["Unauthorized"] for metric in counts(capsys, "Unauthorized")] == [[1], [3], [2]]


@pytest.mark.usefixtures("environment", "now")
def test_each_kind_has_its_own_second(log: io.StringIO) -> None:
    for _ in range(3):
        refuse()
        refuse("/ses/events/a-token-that-is-wrong")
    assert [line["proof"] for line in lines(log)] == ["key", "callback_token"]


def test_first_line_is_never_left_out() -> None:
    assert LineLimit().left_out("key") == 0


@pytest.mark.usefixtures("on_lambda")
def test_503_is_counted_by_its_code(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAILER_STORE_URL", "redis://127.0.0.1:1/0")
    assert call("POST", "/emails", body())[0] == 503
    (metric,) = counts(capsys, "ServerError")
    assert (metric["code"], metric["trigger"]) == ("StoreUnavailable", "api-gateway-v2")


@pytest.mark.usefixtures("on_lambda")
def test_email_that_cannot_be_sent_now_is_counted(
    runtime: Runtime, ses: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("POST", "/emails", body(to="InsufficientBalance@fault.example"))[0] == 503
    (metric,) = counts(capsys, "ServerError")
    assert metric["code"] == "FailedOperation.InsufficientBalance"


@pytest.mark.usefixtures("environment", "on_lambda")
@pytest.mark.parametrize("name", ["read_http", "is_preflight"])
def test_500_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def broken(_value: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(app, name, broken)
    answer = app.handle(api_gateway_v2("OPTIONS", "/health", {}, None), LambdaContext())
    assert answer["statusCode"] == 500
    (metric,) = counts(capsys, "ServerError")
    assert metric["code"] == "InternalError"


@pytest.mark.usefixtures("on_lambda")
def test_what_the_caller_did_wrong_is_no_server_error(
    runtime: Runtime, ses: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [refuse(), call("POST", "/emails", "{")[0], call("GET", "/nowhere")[0]] == [401, 422, 404]
    assert counts(capsys, "ServerError") == []
