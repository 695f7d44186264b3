"""What is too long is refused by its length, before its items are; refusals and log lines have an end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from digest_runs import item
from factories import EMAIL, LambdaContext, body, email
from http_calls import AUTHORIZED, api_gateway_v2, call
from mailer.email.limits import MAX_HEADERS, MAX_JSON_DEPTH, MAX_JSON_VALUES, MAX_MESSAGES
from mailer.email.native import FIELDS
from mailer.email.request import EmailRequest
from mailer.email.strict_json import check_object, read_json, read_object
from mailer.errors import ConfigurationError, FieldError, InvalidRequest
from mailer.http_api import app
from mailer.telemetry import logs
from mailer.triggers import queue, schedule
from mailer.triggers.messages import BatchTooLarge
from queue_events import failures, kafka, sqs

if TYPE_CHECKING:
    import io

    from mailer.runtime import Runtime

ROOT = Path(__file__).parents[1]
TOO_MUCH = f"holds too much: a document has at most {MAX_JSON_VALUES} values"


def refusal(document: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        EmailRequest.parse(document)
    return refused.value


def only_error(document: Any) -> FieldError:
    error = refusal(document)
    assert error.total == 1
    return error.errors[0]


# Lengths before items


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"to": ["x"] * 51}, FieldError("/to", "has at most 50 items")),
        ({"cc": [{}] * 90_000}, FieldError("/cc", "has at most 20 items")),
        ({"bcc": ["x"] * 21}, FieldError("/bcc", "has at most 20 items")),
        ({"attachments": [{}] * 11}, FieldError("/attachments", "has at most 10 items")),
        ({"headers": {f"x {n}": 1 for n in range(101)}}, FieldError("/headers", "has at most 100 headers")),
        ({"headers": {"X-A": "x" * 999}}, FieldError("/headers/X-A", "has at most 998 characters")),
        (
            {"template": dict.fromkeys(map(str, range(101)))},
            FieldError("/template", "has at most 100 fields"),
        ),
        ({str(n): n for n in range(101)}, FieldError("", "has at most 100 fields")),
        (
            {"attachments": [dict.fromkeys(map(str, range(101)))]},
            FieldError("/attachments/0", "has at most 100 fields"),
        ),
        ({"from": "x" * 999}, FieldError("/from", "has at most 998 characters")),
    ],
)
def test_what_is_too_long_is_one_error(fields: dict[str, Any], error: FieldError) -> None:
    assert only_error({**EMAIL, **fields}) == error


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"Destination": ["x"] * 51}, "/Destination"),
        ({"Attachments": [{"?": 1}] * 11}, "/Attachments"),
        ({"Template": {str(n): n for n in range(101)}}, "/Template"),
        ({"SmtpHeaders": json.dumps({f"X {n}": "1" for n in range(101)})}, "/SmtpHeaders"),
        ({str(n): n for n in range(101)}, ""),
    ],
)
def test_what_is_too_long_in_a_native_body_is_one_error(fields: dict[str, Any], pointer: str) -> None:
    names = {field: name for name, field in FIELDS.items()}
    native = {names[name]: value for name, value in EMAIL.items() if name != "template"}
    native |= {"Destination": ["a@b.example"], "Template": {"TemplateID": 1}}
    assert only_error({**native, **fields}).pointer == pointer


def test_limits_themselves_are_allowed() -> None:
    assert len(email(headers={f"X-{n}": "x" * 998 for n in range(100)}).headers) == 100
    assert email(**{"from": "n" * 500 + " <a@b.example>"}).sender.startswith("nnn")
    assert refusal({str(n): n for n in range(100)}).total == 102


def test_a_long_time_or_language_is_wrong_without_being_read() -> None:
    assert only_error(body(send_at="2026-05-01T09:00:00." + "1" * 1_000_000 + "Z")).pointer == "/send_at"
    assert only_error(body(unsubscribe="english" + "x" * 1_000_000)).pointer == "/unsubscribe"
    assert only_error(body(unsubscribe="traditional_chinese_")).pointer == "/unsubscribe"


# Values of a document


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ('{"to": [' + ",".join(['"x"'] * MAX_JSON_VALUES) + "]}", "/to"),
        ('{"to": [' + ",".join(["{}"] * MAX_JSON_VALUES) + "]}", "/to"),
        ("{" + ",".join(f'"{n}":1' for n in range(MAX_JSON_VALUES + 1)) + "}", ""),
        ('{"a": {"b/\\"\\\\\\u00e9": [[], {"c": 1}, [' + "1," * MAX_JSON_VALUES + "1]]}}", '/a/b~1"\\é/2'),
        ('{"a": [1, ' + '{"b": "]],{}\\"[", "c": "\\\\"},' * MAX_JSON_VALUES + "1]}", "/a"),
    ],
)
def test_more_values_than_memory_is_for_are_refused_before_they_are_made(text: str, pointer: str) -> None:
    for raw in (text, text.encode()):
        with pytest.raises(InvalidRequest) as refused:
            read_json(raw)
        (error,) = refused.value.errors
        assert error.pointer in {pointer, f"{pointer}/{error.pointer.rpartition('/')[2]}"}
        assert error.detail == TOO_MUCH


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [' + "1," * (MAX_JSON_VALUES - 3) + "1]}",
        '{"a": "' + ",[{" * MAX_JSON_VALUES + '"}',
        '{"a": "\\"' + "," * MAX_JSON_VALUES + '\\\\", "b": "' + '\\"[' * MAX_JSON_VALUES + '"}',
    ],
)
def test_a_document_of_few_values_is_read_whatever_is_in_its_texts(text: str) -> None:
    assert read_object(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "," * (MAX_JSON_VALUES + 1),
        "{[" + "1," * (MAX_JSON_VALUES + 1),
        "]" * (MAX_JSON_VALUES * 5) + "," * MAX_JSON_VALUES + "[",
        "]" * 100 + "[" * 100 + "," * MAX_JSON_VALUES,
        '"":' + "," * (MAX_JSON_VALUES + 1),
        '{"\\x": [' + "1," * MAX_JSON_VALUES + "1]}",
        '{"a": "' + "," * (MAX_JSON_VALUES + 1),
    ],
)
def test_long_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_json(text)
    assert refused.value.errors[0].detail in {"is not JSON", TOO_MUCH}


@pytest.mark.parametrize("end", ["", "]]],"])
@pytest.mark.parametrize(("levels", "detail"), [(34, TOO_MUCH), (35, "is nested deeper than 32 levels")])
def test_value_too_many_is_looked_for_as_deep_as_in_a_batch(levels: int, detail: str, end: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_json("[" * levels + end + "1," * (MAX_JSON_VALUES + 1))
    assert refused.value.errors[0].detail == detail


def test_place_of_the_value_too_many_is_found_among_lists_that_are_closed() -> None:
    text = '{"a": [[["x"], {"b]": [{"c": 1}, []]}, 2]], "d": {"e": [0, {"[f": [' + "[1]," * MAX_JSON_VALUES
    with pytest.raises(InvalidRequest) as refused:
        read_json(text)
    assert refused.value.errors[0].pointer.startswith("/d/e/1/[f")


@pytest.mark.parametrize(
    "item", ["[" * 40 + "]" * 40, "[0," * 40 + "[],[]" + "]" * 40, "[[1]," * 40 + "1," * 20]
)
def test_deep_nesting_is_refused_however_wide_it_is(item: str) -> None:
    text = '{"a": [' + ",".join([item] * (MAX_JSON_VALUES // 20))
    with pytest.raises(InvalidRequest, match=f"nested deeper than {MAX_JSON_DEPTH} levels"):
        read_json(text)


def test_deep_nesting_among_many_values_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=f"nested deeper than {MAX_JSON_DEPTH} levels"):
        read_json('{"a": [' + "[" * 40 + "1," * MAX_JSON_VALUES)


def test_a_document_that_was_never_text_has_as_few_values() -> None:
    check_object({"a": [1] * (MAX_JSON_VALUES - 1)})
    with pytest.raises(InvalidRequest) as refused:
        check_object({"b": {"a": [1] * MAX_JSON_VALUES}})
    assert refused.value.errors == (FieldError("/b/a", TOO_MUCH),)
    assert only_error({"to": ["x"] * 1_000_000}) == FieldError("/to", TOO_MUCH)


def test_many_values_under_a_long_name_cost_no_text_for_each() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_object({"n" * 1_000_000: [1] * 99_000 + [float("nan")]})
    (error,) = refused.value.errors
    assert len(error.pointer) == 200
    assert error.pointer.endswith("n…")


# Refusals


def test_a_refusal_lists_20_rules_and_counts_the_others() -> None:
    error = refusal({**EMAIL, "to": ["x"] * 50, **{f"extra{n}": 1 for n in range(7)}})
    assert (len(error.errors), error.total) == (20, 57)
    assert error.errors[19].pointer == "/to/19"
    assert str(error).endswith("; and 37 more")
    assert error.report() == {"errors": error.to_json(), "errors_total": 57}
    moved = error.under("/data")
    assert (moved.total, moved.relative_to("/data").total, moved.errors[0].pointer) == (57, 57, "/data/to/0")
    assert InvalidRequest.merged([error, refusal({})]).total == 57 + refusal({}).total
    assert refusal({}).report() == {"errors": refusal({}).to_json()}


def test_pointers_are_cut() -> None:
    assert FieldError("/" + "x" * 199, "").pointer == "/" + "x" * 199
    assert FieldError("/" + "x" * 200, "").pointer == "/" + "x" * 198 + "…"
    error = only_error({**EMAIL, "x" * 1_000_000: 1})
    assert (len(error.pointer), error.detail) == (200, "unknown field")


def test_a_problem_says_how_many_rules_are_broken(runtime: Runtime) -> None:
    status, _, problem = call("POST", "/emails", body(to=["x"] * 50))
    assert status == 422
    assert (len(problem["errors"]), problem["errors_total"]) == (20, 50)
    assert problem["detail"].endswith("and 30 more")
    status, _, problem = call("POST", "/emails", body(to="x"))
    assert "errors_total" not in problem


def test_a_dead_letter_says_how_many_rules_are_broken(runtime: Runtime) -> None:
    assert failures(queue.handle(kafka({"emails-0": [body(to=["x"] * 50)]}), LambdaContext())) == []
    entries: Any = runtime.ledger.store.client.xrange(runtime.ledger.store.key("dead"))
    reason = json.loads(
        {k.decode() if isinstance(k, bytes) else k: v for k, v in entries[0][1].items()}["reason"]
    )
    assert (len(reason["errors"]), reason["errors_total"]) == (20, 50)


# Other doors


def test_a_batch_is_counted_before_its_emails_are_read(runtime: Runtime) -> None:
    status, _, problem = call("POST", "/emails/batch", {"emails": [{}] * 101})
    assert (status, problem["errors"]) == (
        422,
        [{"pointer": "/emails", "detail": "must have 1 to 100 emails"}],
    )
    unknown = {f"x{n}": 1 for n in range(30)}
    status, _, problem = call("POST", "/emails/batch", {"emails": [{}], **unknown})
    assert (status, len(problem["errors"]), problem["errors_total"]) == (422, 20, 30)


def test_a_callback_has_at_most_1000_events(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_CALLBACK_TOKEN", "a-token-that-nobody-guesses")
    path = "/ses/events/a-token-that-nobody-guesses"
    assert call("POST", path, [{}] * 1000)[2] == {"events": 0, "ignored": 1000}
    status, _, problem = call("POST", path, [{}] * 1001)
    assert (status, problem["detail"]) == (422, "at most 1000 events in one call")


@pytest.mark.usefixtures("digests_toml")
def test_items_of_a_digest_are_counted_and_so_are_their_rules(runtime: Runtime) -> None:
    path = "/digests/daily/items"
    status, _, problem = call("POST", path, [{}] * 101)
    assert (status, problem["detail"]) == (422, "at most 100 items in one call")
    status, _, problem = call("POST", path, [{**item(1), **{str(n): n for n in range(101)}}])
    assert problem["errors"] == [{"pointer": "/0", "detail": "has at most 100 fields"}]
    status, _, problem = call("POST", path, [{**item(1), "recipient": "x"}] * 100)
    assert (status, len(problem["errors"]), problem["errors_total"]) == (422, 20, 100)


def test_headers_of_an_http_event_are_counted_before_they_are_read(runtime: Runtime) -> None:
    event = api_gateway_v2("POST", "/emails", AUTHORIZED | {f"X-{n}": "1" for n in range(100_000)}, "{}")
    assert app.handle(event, LambdaContext())["statusCode"] == 431
    few = AUTHORIZED | {f"X-{n}": "1" for n in range(MAX_HEADERS - len(AUTHORIZED))}
    assert app.handle(api_gateway_v2("POST", "/emails", few, "{}"), LambdaContext())["statusCode"] == 422


def many_records(**fields: Any) -> dict[str, Any]:
    return {"Records": [fields] * (MAX_MESSAGES + 1)}


TOO_LARGE = {
    "sqs": many_records(eventSource="aws:sqs"),
    "sns": many_records(EventSource="aws:sns"),
    "kinesis": many_records(eventSource="aws:kinesis"),
    "dynamodb": many_records(eventSource="aws:dynamodb"),
    "ckafka": many_records(Ckafka={}),
    "cmq": many_records(CMQ={}),
    "kafka": {
        "eventSource": "aws:kafka",
        "records": {"a-0": [{}] * 5000, "a-1": [{}] * 5000, "a-2": [{}] * 1_000_000},
    },
    "activemq": {"eventSource": "aws:mq", "messages": [{}] * 1_000_000},
    "rabbitmq": {"eventSource": "aws:rmq", "rmqMessagesByQueue": {"a::/": [{}] * 9999, "b::/": [1, 2]}},
    "pipes": [{"eventSource": "aws:sqs"}] * (MAX_MESSAGES + 1),
    "eventbridge": {"EventList": [{"specversion": "1.0"}] * (MAX_MESSAGES + 1)},
}


@pytest.mark.once
@pytest.mark.parametrize("trigger", TOO_LARGE)
def test_a_batch_larger_than_any_platform_delivers_is_given_back_untouched(
    trigger: str, runtime: Runtime, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BatchTooLarge, match="at most 10000 messages"):
        queue.handle(TOO_LARGE[trigger], LambdaContext())
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["trigger"], line["code"]) == (trigger, "BatchTooLarge")
    assert runtime.ledger.store.client.xlen(runtime.ledger.store.key("dead")) == 0
    monkeypatch.delenv("MAILER_STORE_URL")
    with pytest.raises((BatchTooLarge, ConfigurationError)):
        queue.handle(TOO_LARGE[trigger], LambdaContext())


@pytest.mark.once
@pytest.mark.no_cover
def test_each_of_10000_messages_has_its_answer(runtime: Runtime) -> None:
    records = [{"eventSource": "aws:sqs", "messageId": str(n), "body": "{}"} for n in range(MAX_MESSAGES)]
    assert failures(queue.handle({"Records": records}, LambdaContext())) == [
        record["messageId"] for record in records
    ]


# Nesting


def nested(levels: int) -> Any:
    """Return lists within each other, of which some versions of Python read more than they write."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "fields",
    [
        {"body": nested(5000)},
        {"headers": {"x": nested(5000)}},
        {"headers": {"x": [nested(5000)]}},
        {"isBase64Encoded": nested(5000)},
        {"rawPath": nested(5000)},
        {"requestContext": {"http": {"method": nested(5000)}, "stage": "$default"}},
        {"requestContext": {"http": {"method": "POST"}, "stage": nested(5000)}},
        {"requestContext": {"http": {"method": "POST"}, "domainName": nested(5000)}},
        {"requestContext": {}, "httpMethod": "GET", "path": nested(5000)},
        {"requestContext": {}, "httpMethod": nested(5000)},
    ],
)
def test_an_http_event_may_be_nested_as_deep_as_it_likes(
    runtime: Runtime, log: io.StringIO, fields: dict[str, Any]
) -> None:
    event = api_gateway_v2("POST", "/emails", AUTHORIZED, json.dumps(body()))
    assert app.handle({**event, **fields}, LambdaContext())["statusCode"] in {200, 302, 401, 404, 405, 422}
    assert "unexpected" not in log.getvalue()


def test_what_is_nested_too_deep_is_a_dead_letter_without_what_is_deepest(runtime: Runtime) -> None:
    answer = queue.handle({"specversion": "1.0", "a": [{"b": nested(5000)}], "c": 1}, LambdaContext())
    assert answer == {"records": 1}
    ((_, letter),) = runtime.ledger.store.client.xrange(runtime.ledger.store.key("dead"))
    kept = json.loads({**letter}.get("body") or letter[b"body"])
    levels, value = 0, kept["a"][0]["b"]
    while isinstance(value, list):
        levels, value = levels + 1, value[0]
    assert (kept["specversion"], kept["c"], levels, value) == ("1.0", 1, 97, "…")


@pytest.mark.parametrize(
    "fields", [{"Message": nested(5000)}, {"Message": '{"job": "sweep"}', "Time": nested(5000)}]
)
def test_a_timer_may_be_nested_as_deep_as_it_likes(runtime: Runtime, fields: dict[str, Any]) -> None:
    answer = schedule.handle({"Type": "Timer", **fields}, LambdaContext())
    assert answer.get("code", answer.get("job")) in {"InvalidRequest", "sweep"}


# Log lines


def test_no_log_line_is_over_16_kb(log: io.StringIO) -> None:
    error = InvalidRequest(FieldError("/" + "\u4e00" * 500, "x") for _ in range(30))
    logs.refused("http", error, index="k" * 100_000, other=["\x01" * 50] * 1000)
    (line,) = log.getvalue().splitlines()
    assert len(line.encode()) < 16_384
    fields = json.loads(line)
    assert (fields["rules"], fields["code"], fields["index"][:3]) == (30, "InvalidRequest", '"kk')
    assert fields["index"].endswith("…")


def test_a_short_log_line_is_left_as_it_is(log: io.StringIO) -> None:
    logs.job_done("eventbridge", "sweep", {"accepted": 3, "at": Path("x")})
    fields = json.loads(log.getvalue())
    assert fields["counts"] == {"accepted": 3, "at": "x"}
    assert (fields["message"], fields["level"]) == ("job", "INFO")


# Memory


@pytest.mark.once
def test_a_refused_event_takes_little_memory(environment: dict[str, str]) -> None:
    names = [
        "recipients, empty objects", "unknown fields", "fields of one text", "headers",
        "names of 300 KB", "a text of emoji",
    ]  # fmt: skip
    script = [sys.executable, "benchmarks/refused_events.py", "--json", *names, "callbacks"]
    variables = {**os.environ, "PYTHONPATH": f"layers/mailer{os.pathsep}."}
    done = subprocess.run(script, cwd=ROOT, env=variables, capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(names) * 4 + 1
    for result in found:
        assert result["growth"] <= 6 * result["size"] + 64, result
        assert result["answer"] in {"422", "1 back", "20 back", "0 back"}


def test_a_refused_message_is_one_of_its_batch(runtime: Runtime) -> None:
    many = '{"to": [' + ",".join(["{}"] * 50_000) + "]}"
    answer = queue.handle(sqs(many, body(), many), LambdaContext())
    assert failures(answer) == ["message-0", "message-2"]
