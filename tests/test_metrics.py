"""Each outcome adds to the metrics that the alarms and the dashboard read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dead_letter_lists import add_uncounted
from factories import LambdaContext, body, email
from http_calls import call
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver
from mailer.delivery.sweep import sweep
from mailer.errors import StoreUnavailable
from mailer.triggers.queue import handle
from queue_events import sqs

if TYPE_CHECKING:
    import io
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


@pytest.mark.usefixtures("on_lambda")
def test_sweep_says_how_full_the_store_and_its_dead_letters_are(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    add_uncounted(runtime, 2, body="x" * runtime.settings.dead_letters_max)
    client = runtime.ledger.store.client
    sweep("eventbridge", Deadline(5), runtime)
    client.config_set("maxmemory", 2 * client.info("memory")["used_memory"])
    try:
        sweep("eventbridge", Deadline(5), runtime)
    finally:
        client.config_set("maxmemory", 0)
    without_limit, line = blobs(capsys)
    assert counted(without_limit) == {"DeadLetters", "DeadLettersUsed"}
    assert counted(line) == {"DeadLetters", "DeadLettersUsed", "StoreUsed"}
    assert line["DeadLetters"] == [2.0]
    assert line["DeadLettersUsed"] == [200.0]
    assert 40 < line["StoreUsed"][0] < 60
    units = {metric["Name"]: metric["Unit"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert units == {"DeadLetters": "Count", "DeadLettersUsed": "Percent", "StoreUsed": "Percent"}
    assert [set(one) for one in line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]] == [
        {"service"},
        {"service", "trigger"},
    ]


def test_sweep_logs_how_full_the_store_is_and_warns_from_80_percent_on(
    runtime: Runtime, log: io.StringIO
) -> None:
    add_uncounted(runtime, 1)
    for used in (79, 80):
        store = runtime.ledger.store
        size = {"letters": 1, "bytes": runtime.settings.dead_letters_max * used // 100 + 1}
        store.client.hset(store.key("dead_size"), mapping=size)
        sweep("scf-timer", Deadline(5), runtime)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["level"], line["message"], line["trigger"]) for line in lines] == [
        ("INFO", "store", "scf-timer"),
        ("WARNING", "store", "scf-timer"),
    ]
    assert [line["dead_letters_used"] for line in lines] == [79.0, 80.0]
    assert [(line.get("store_used"), line["dead_letters"]) for line in lines] == [(None, 1)] * 2


def test_sweep_has_done_its_work_where_the_server_does_not_say_how_full_it_is(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_uncounted(runtime, 1, days=31)
    monkeypatch.setattr("mailer.delivery.sweep.store_usage", lambda _store: fail())
    assert sweep("test", Deadline(5), runtime) == {"expired_dead_letters": 1}


def fail() -> None:
    raise StoreUnavailable("ResponseError")


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
