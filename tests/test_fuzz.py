"""The fuzz itself: a seed is one mutant, and a defect of each kind that it looks for is found."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fuzz import answers, checks, planted
from fuzz.functions import functions, servers
from fuzz.mutant import CHUNK, Mutant, make, samples
from fuzz.nesting import Nested, Raw, closed, encode, opened, texts
from fuzz.reached import OUTCOMES, missing, table
from fuzz.run import run_chunk, run_event
from local import memory
from local.sample_events import sample_events
from mailer.email.request import EmailRequest
from mailer.http_api import app, problems
from mailer.telemetry import logs
from mailer.triggers import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fuzz.functions import Functions

pytestmark = [pytest.mark.once, pytest.mark.no_cover]

SEED = "1"
EVENTS = {
    "http": "aws/http-api-gateway-v2.json",
    "webhook": "aws/http-webhook-standard.json",
    "sqs": "aws/queue-sqs.json",
    "ckafka": "tencent/queue-ckafka.json",
}


@pytest.fixture(scope="module")
def addresses() -> Iterator[tuple[str, str]]:
    with servers() as started:
        yield started


@pytest.fixture
def fuzzed(addresses: tuple[str, str]) -> Iterator[Functions]:
    with functions(*addresses) as made:
        made.reset()
        yield made


def mutant(kind: str, number: int = 1, change: Callable[[Any], None] | None = None) -> Mutant:
    """Return a sample event, planted and changed."""
    name = EVENTS[kind]
    payload = next(sample.payload for sample in samples() if sample.name == name)
    tree = planted.plant(opened(payload), number, f"-{number}")
    if change:
        change(tree)
    cloud, _, rest = name.partition("/")
    return Mutant(number, name, cloud, rest.partition("-")[0], closed(tree), (), 10.0)


def found(functions: Functions, event: Mutant) -> list[str]:
    seen = functions.observe(event)
    return [*checks.faults(event, seen), *checks.costs(event, seen)]


def spoil(tree: Any) -> None:
    """Make a request whose body is refused."""
    target = tree["body"] if "body" in tree else tree["Records"][0]["body"]
    target.document["subject"] = 5


# Mutants


def test_a_seed_and_a_number_are_one_mutant() -> None:
    first = [_identity(make("a", number)) for number in range(200)]
    assert [_identity(make("a", number)) for number in reversed(range(200))] == first[::-1]
    assert [_identity(make("b", number)) for number in range(200)] != first


def _identity(made: Mutant) -> Any:
    return (str(made), made.function, made.seconds, [*texts(made.event)])


def test_events_are_opened_and_closed_without_a_change() -> None:
    for sample in sample_events():
        again = closed(opened(sample.payload))
        assert json.dumps(closed(opened(again))) == json.dumps(again)
        assert _meaning(again) == _meaning(sample.payload)


def _meaning(event: Any) -> Any:
    tree = opened(event)
    return json.loads(encode(tree)) if isinstance(tree, (dict, list)) else tree


def test_documents_within_documents_are_changed_in_place() -> None:
    tree = opened({"body": json.dumps({"data": json.dumps({"a": 1})})})
    tree["body"].document["data"].document["a"] = Raw("1e999", None)
    tree["body"].document["b"] = Nested([1], in_base64=True)
    assert json.loads(closed(tree)["body"]) == {"data": '{"a": 1e999}', "b": "WzFd"}


# Defects


def test_what_is_handled_as_it_must_be_is_no_fault(fuzzed: Functions) -> None:
    for kind in EVENTS:
        assert found(fuzzed, mutant(kind)) == []
    assert found(fuzzed, mutant("http", change=spoil)) == []


def test_an_exception_is_found(fuzzed: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("a defect")

    monkeypatch.setattr(EmailRequest, "parse", broken)
    for kind in ("http", "sqs"):
        assert any("KeyError" in fault for fault in found(fuzzed, mutant(kind)))
    monkeypatch.setitem(fuzzed.handlers, "queue", broken)
    assert "KeyError was raised for sqs" in found(fuzzed, mutant("sqs"))


def test_the_error_of_another_source_is_found(fuzzed: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    def redelivered(*_: Any) -> Any:
        raise messages.RedeliveryRequired("1 of 1")

    monkeypatch.setitem(fuzzed.handlers, "queue", redelivered)
    assert found(fuzzed, mutant("ckafka")) == []
    assert found(fuzzed, mutant("sqs")) == ["RedeliveryRequired was raised for sqs"]


@pytest.mark.parametrize("field", ["subject", "to", "template"])
def test_content_in_the_log_is_found(fuzzed: Functions, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    refused = logs.refused

    def leaking(trigger: str, error: Any, **fields: Any) -> None:
        refused(trigger, error, content=event.event["body"], **fields)

    monkeypatch.setattr(logs, "refused", leaking)
    event = mutant("http", change=lambda tree: tree["body"].document.update({field: 5}))
    assert any(fault.startswith("in the log: ") for fault in found(fuzzed, event))


@pytest.mark.parametrize("secret", planted.SECRETS)
def test_a_secret_in_the_log_or_in_an_answer_is_found(
    fuzzed: Functions, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    answer = printing(json.dumps({"key": secret}), problem_answer(f"the key {secret} is wrong"))
    monkeypatch.setitem(fuzzed.handlers, "http", answer)
    faults = found(fuzzed, mutant("webhook"))
    assert f"in the log: the secret {secret}" in faults
    if secret != planted.API_KEY:
        assert f"in the answer: the secret {secret}" in faults


def printing(line: str, answer: Any) -> Callable[..., Any]:
    def handler(*_: Any) -> Any:
        sys.stdout.write(line + "\n")
        return answer

    return handler


def problem_answer(detail: str) -> dict[str, Any]:
    response = problems.problem(422, "Wrong", detail)
    return {"statusCode": 422, "headers": {}, "body": response.body, "isBase64Encoded": False}


def test_the_content_of_another_caller_in_an_answer_is_found(
    fuzzed: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fuzzed.handlers, "http", lambda *_: problem_answer("differs from zqp7q, not zqp1q"))
    assert found(fuzzed, mutant("http")) == ["in the answer: content of event 7"]


def test_mark_within_the_id_of_an_email_is_chance() -> None:
    assert not planted.MARK.search('"id":"x2qa7dbl5ph4vazqp5qwdt5nobzjvd7wr"')
    assert all(planted.MARK.search(text) for text in ("to ann.zqp5q@customer.example", "zqp5q", '"zqp5q"'))


def test_what_is_slow_is_found(fuzzed: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any, **__: Any) -> bool:
        end = time.process_time() + 1.1
        while time.process_time() < end:
            pass
        return False

    monkeypatch.setattr(app, "_is_json", slow)
    assert any("s of processor time" in fault for fault in found(fuzzed, mutant("http")))


@pytest.mark.parametrize("process", [memory.PROCESS, Path("no-such-folder")], ids=["of Linux", "elsewhere"])
def test_what_takes_memory_is_found(
    fuzzed: Functions, monkeypatch: pytest.MonkeyPatch, process: Path
) -> None:
    monkeypatch.setattr(memory, "PROCESS", process)
    size = int(memory.begin_peak() + 200) * memory.MEGABYTE  # more than any event took before
    monkeypatch.setattr(app, "_is_json", lambda _: len(b"x" * size) < 0)
    assert any("MB of memory" in fault for fault in found(fuzzed, mutant("http")))


def test_a_server_error_without_a_reason_is_found(fuzzed: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"statusCode": 503, "headers": {}, "body": '{"message": null}', "isBase64Encoded": False}
    monkeypatch.setitem(fuzzed.handlers, "http", lambda *_: answer)
    assert found(fuzzed, mutant("http")) == ["503 without a problem that says why"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"statusCode": "200", "headers": {}, "body": "", "isBase64Encoded": False},
        {"statusCode": 200, "headers": {}, "body": None, "isBase64Encoded": False},
        {"statusCode": 200, "headers": {"A": "b\nc"}, "body": "", "isBase64Encoded": False},
        {"statusCode": 200, "headers": {"A": 1}, "body": "", "isBase64Encoded": False},
        {"statusCode": 200, "headers": {}, "body": "\ud800", "isBase64Encoded": False},
        {"statusCode": 200, "headers": {}, "body": "x" * 6_000_000, "isBase64Encoded": False},
        {"statusCode": 200, "headers": {}, "body": ""},
    ],
)
def test_an_answer_that_the_platform_cannot_take_is_found(
    fuzzed: Functions, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setitem(fuzzed.handlers, "http", lambda *_: answer)
    assert len(found(fuzzed, mutant("http"))) == 1


def test_an_identifier_of_no_message_is_found(fuzzed: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        fuzzed.handlers, "queue", lambda *_: {"batchItemFailures": [{"itemIdentifier": "another"}]}
    )
    assert found(fuzzed, mutant("sqs")) == ["an identifier that is no message's"]
    monkeypatch.setitem(fuzzed.handlers, "queue", lambda *_: {"records": 1})
    assert found(fuzzed, mutant("sqs")) == ["no partial batch response"]


def test_a_long_line_and_one_that_is_no_json_are_found(
    fuzzed: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = json.dumps({"a": "b" * 17_000}) + "\nTraceback (most recent call last):"
    monkeypatch.setitem(fuzzed.handlers, "http", printing(lines, problem_answer("")))
    first, second = found(fuzzed, mutant("http"))
    assert (first.startswith("a log line of 17"), "no JSON" in second) == (True, True)


# Runs


def test_chunks_hold_and_events_are_repeated_alone(fuzzed: Functions) -> None:
    chunk = run_chunk(fuzzed, SEED, range(3 * CHUNK, 4 * CHUNK))
    assert (chunk.events, chunk.failures) == (CHUNK, [])
    number = 3 * CHUNK + 20
    alone = run_event(fuzzed, SEED, number)
    assert alone.events == 1
    assert f"event: {make(SEED, number).name}" in alone.reached
    assert not alone.reached - chunk.reached


def test_what_was_never_reached_is_named() -> None:
    reached = Counter({f"event: {sample.name}": 1 for sample in samples()} | dict.fromkeys(OUTCOMES, 1))
    assert missing(reached) == []
    del reached["http: 413"]
    assert missing(reached) == ["http: 413"]
    assert any("http: 413" in line and line.endswith(" 0") for line in table(reached))


def test_every_source_says_what_it_may_raise() -> None:
    from mailer.triggers.queue import SOURCES

    assert answers.MAY_RAISE.keys() == {source.trigger for source in SOURCES} | {"invoke", "http", "schedule"}


def test_value_that_is_nested_deeper_than_python_prints_can_be_shown() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    assert repr([Raw("[[1]]", value)]) == "[[[1]]]"
