"""Each outcome adds to the metrics that the alarms and the dashboard read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body, email
from http_calls import call
from mailer.delivery.deliver import deliver
from mailer.triggers.queue import handle
from queue_events import sqs

if TYPE_CHECKING:
    from pathlib import Path

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime


@pytest.fixture
def on_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "mailer-dev-http")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "mailer-dev")


def blobs(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert all(line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Mailer" for line in lines)
    assert all(line["service"] == "mailer-dev" for line in lines)
    return lines


def counted(line: dict[str, Any]) -> set[str]:
    return {metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


@pytest.mark.usefixtures("on_lambda")
@pytest.mark.parametrize(
    ("to", "names"),
    [
        ("ann@customer.example", {"Accepted", "Latency"}),
        ("answer-lost@fault.example", {"Unknown", "Latency"}),
        ("FailedOperation.WrongContentJson@fault.example", {"Refused", "Latency"}),
        ("EmailAddrInBlacklist@fault.example", {"Refused", "Suppressed", "Latency"}),
        ("TemporaryBlocked@fault.example", {"Deferred", "Latency"}),
        ("InsufficientBalance@fault.example", {"Failed", "Halted", "Latency"}),
    ],
)
def test_outcome_is_counted_by_service_and_trigger(
    runtime: Runtime, ses: Emulator, capsys: pytest.CaptureFixture[str], to: str, names: set[str]
) -> None:
    deliver(email(to=to), trigger="sqs")
    [line] = blobs(capsys)
    assert counted(line) == names
    assert line["trigger"] == "sqs"
    dimensions = [set(one) for one in line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]]
    by_code = [{"service", "trigger", "code"}] if "Refused" in names else []
    assert dimensions == [{"service"}, {"service", "trigger"}, *by_code]
    assert "@" not in json.dumps(line)


@pytest.mark.usefixtures("on_lambda")
def test_replay_is_counted_as_such_and_a_reused_key_as_refused(
    runtime: Runtime, ses: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    for subject in ("One", "One", "Two"):
        deliver(email(subject=subject), key="order-1")
    first, replayed, reused = blobs(capsys)
    assert counted(first) == {"Accepted", "Latency"}
    assert counted(replayed) == {"Replayed"}
    assert counted(reused) == {"Refused"}


@pytest.mark.usefixtures("on_lambda")
def test_what_a_condition_leaves_out_is_counted(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "mailer.toml"
    path.write_text(
        "[queues.orders]\nmatch = {source = 'sqs'}\nwhen = 'paid'\n"
        "[webhooks.contact]\nscheme = 'token'\nsecret_env = 'MAILER_TOKEN'\nwhen = 'paid'\n"
    )
    monkeypatch.setenv("MAILER_CONFIG", str(path))
    monkeypatch.setenv("MAILER_TOKEN", "a-token-of-the-tests")
    handle(sqs({"paid": False}, body()), LambdaContext())
    status, _, _ = call(
        "POST", "/webhooks/contact", {"paid": 0}, headers={"X-Webhook-Token": "a-token-of-the-tests"}
    )
    assert status == 204
    lines = blobs(capsys)
    assert [(counted(line), line["trigger"]) for line in lines] == [
        ({"Ignored"}, "sqs"),
        ({"Ignored"}, "sqs"),
        ({"Ignored"}, "api-gateway-v2"),
    ]


def test_service_has_a_name_where_none_is_set(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "http")
    monkeypatch.delenv("POWERTOOLS_SERVICE_NAME", raising=False)
    deliver(email())
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["service"] == "mailer"


def test_off_lambda_the_log_line_is_all(
    runtime: Runtime, ses: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(email())
    assert "_aws" not in capsys.readouterr().out
