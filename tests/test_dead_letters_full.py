"""Each trigger's answer where the list of dead letters has no room, and what a letter is cut to."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from dead_letter_lists import SMALLEST_MAX, counted, fill_list, measured
from digest_runs import item
from factories import LambdaContext, body, scf_context
from http_calls import call
from mailer.errors import DeadLettersFull
from mailer.runtime import Runtime
from mailer.triggers.dead_letters import MAX_CUT_BYTES, add_dead_letter
from mailer.triggers.messages import RedeliveryRequired
from mailer.triggers.queue import handle
from queue_events import activemq, ckafka, cmq, failures, kafka, rabbitmq, sns, sqs, tdmq

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from local.ses_emulator import Emulator

FULL = "Ledger.DeadLettersFull"
BAD = {"to": "nobody"}
TOKEN = "a-token-of-the-tests"
TOML = """
[webhooks.contact]
scheme = "token"
secret_env = "MAILER_TOKEN"
[webhooks.contact.email]
from = "Shop <noreply@mail.shop.example>"
subject = "Contact"
template.id = 100091
[webhooks.contact.map]
to = "to"
template.data.name = "name"
"""


@pytest.fixture
def full(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, digests_toml: Path, ses: Emulator
) -> Runtime:
    """The account of a test with a list of dead letters that has no room left."""
    digests_toml.write_text(digests_toml.read_text() + TOML)
    monkeypatch.setenv("MAILER_TOKEN", TOKEN)
    monkeypatch.setenv("MAILER_DEAD_LETTERS_MAX", str(SMALLEST_MAX))
    runtime = Runtime.current()
    fill_list(runtime)
    return runtime


def sent(ses: Emulator) -> list[str]:
    return sorted(mail.subject for mail in ses.inbox())


def post(document: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
    return call("POST", "/webhooks/contact", document, headers={"X-Webhook-Token": TOKEN})


# Triggers


def test_partition_of_kafka_stops_and_the_others_go_on(
    full: Runtime, ses: Emulator, log: io.StringIO
) -> None:
    batch = kafka(
        {
            "emails-0": [body(subject="a 0"), BAD, body(subject="a 2", to="bob@customer.example")],
            "emails-1": [body(subject="b 0", to="eve@customer.example")],
        }
    )
    assert failures(handle(batch, LambdaContext())) == [{"partition": "emails-0", "offset": 1}]
    assert sent(ses) == ["a 0", "b 0"]
    assert FULL in [json.loads(line).get("code") for line in log.getvalue().splitlines()]
    full.ledger.store.client.delete(full.ledger.store.key("dead_size"))
    assert failures(handle(batch, LambdaContext())) == []
    assert sent(ses) == ["a 0", "a 2", "b 0"]


@pytest.mark.parametrize(
    ("event", "context"),
    [
        (ckafka(BAD), scf_context()),
        (cmq(BAD), scf_context()),
        (tdmq(BAD), scf_context()),
        (sns(BAD), LambdaContext()),
        (activemq(BAD), LambdaContext()),
        (rabbitmq(BAD), LambdaContext()),
        ({"to": "nobody"}, LambdaContext()),
    ],
    ids=["ckafka", "cmq", "tdmq", "sns", "activemq", "rabbitmq", "invoke"],
)
def test_platform_without_partial_responses_delivers_the_event_again(
    full: Runtime, event: Any, context: Any
) -> None:
    with pytest.raises(RedeliveryRequired):
        handle(event, context)
    assert len(full.ledger.dead_letters()) == 1


def test_event_of_no_known_shape_is_an_error(full: Runtime) -> None:
    with pytest.raises(DeadLettersFull):
        handle({"what": "is this"}, scf_context())


def test_bad_message_of_sqs_needs_no_room(full: Runtime, ses: Emulator) -> None:
    assert failures(handle(sqs(BAD, body(subject="good")), LambdaContext())) == ["message-0"]
    assert sent(ses) == ["good"]


def test_item_of_a_queue_is_an_item_failure_and_stops_its_group_alone(full: Runtime, ses: Emulator) -> None:
    batch = sqs({"digest": "daily", **item(1)}, body(subject="behind"), group="one")
    assert failures(handle(batch, LambdaContext())) == ["message-0", "message-1"]
    batch = sqs({"digest": "daily", **item(1)}, body(subject="beside"))
    assert failures(handle(batch, LambdaContext())) == ["message-0"]
    assert sent(ses) == ["beside"]


def test_items_over_http_are_503(full: Runtime) -> None:
    status, headers, problem = call("POST", "/digests/daily/items", [item(1)])
    assert (status, problem["code"], problem["retryable"]) == (503, FULL, True)
    assert headers["Retry-After"] == "60"


def test_scheduled_email_over_http_is_503_and_others_are_sent(full: Runtime, ses: Emulator) -> None:
    from promise_steps import in_an_hour

    status, headers, problem = call("POST", "/emails", body(send_at=in_an_hour()))
    assert (status, problem["code"], problem["action"]) == (503, FULL, "retry")
    assert headers["Retry-After"] == "60"
    assert call("POST", "/emails", body())[0] == 200
    results = call("POST", "/emails/batch", {"emails": [body(send_at=in_an_hour()), body()]})[2]["results"]
    assert [result["status"] for result in results] == [503, 200]


def test_refused_webhook_is_503_until_there_is_room_and_others_are_sent(full: Runtime, ses: Emulator) -> None:
    status, headers, problem = post({"to": "nobody", "name": "Ann"})
    assert (status, problem["code"]) == (503, FULL)
    assert headers["Retry-After"] == "60"
    assert post({"to": "ann@customer.example", "name": "Ann"})[0] == 200
    ses.add_fault("FailedOperation.WrongContentJson")
    assert post({"to": "bob@customer.example", "name": "Bob"})[0] == 503
    full.ledger.store.client.delete(full.ledger.store.key("dead_size"))
    assert post({"to": "nobody", "name": "Ann"})[0] == 422
    assert len(full.ledger.dead_letters()) == 2


# What was refused for its size


def letter_of(runtime: Runtime) -> tuple[dict[str, Any], str]:
    [letter] = runtime.ledger.dead_letters()
    return json.loads(letter["reason"]), letter["body"]


@pytest.mark.parametrize(
    "document",
    [
        body(to=["x"] * 6000),
        body(subject="x" * 20_000),
        body(to="x" * 20_000 + "@customer.example"),
        body(sender="x" * 20_000),
        body(headers={f"X-{number}": "x" * 400 for number in range(101)}),
        {**body(), **{f"field {number}": "x" * 200 for number in range(101)}},
        body(template={"id": 1, "data": {"list": [0] * 100_001}}),
        {"digest": "daily", **item(1), "item": {"text": "x" * 20_000}},
        {"digest": "daily", **item(1), "item_id": "x" * 20_000},
        {"digest": "daily", **item(1), **{f"field {number}": "x" * 200 for number in range(101)}},
        {"specversion": "1.0", "id": "1", "source": "/", "type": "x", "data": body(to=["x"] * 6000)},
        {
            **{f"Field{number}": "x" * 400 for number in range(50)},
            "FromEmailAddress": "a@b.example",
            "Subject": "x",
            "Destination": ["x"] * 51,
        },
        {
            "FromEmailAddress": "a@b.example",
            "Subject": "x",
            "Destination": ["a@b.example"],
            "Template": {"TemplateID": 1, "TemplateData": json.dumps({"list": [0] * 100_001})},
        },
        "[" * 20_000,
    ],
)
@pytest.mark.usefixtures("digests_toml")
def test_what_is_too_large_for_the_api_is_cut(environment: dict[str, str], document: Any) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    event = ckafka(text)
    handle(event, scf_context())
    handle(event, scf_context())
    runtime = Runtime.current()
    reason, kept = letter_of(runtime)
    assert (kept, len(kept)) == (text[:MAX_CUT_BYTES], MAX_CUT_BYTES)
    assert reason["cut"] is True
    assert (reason["bytes"], reason["sha256"]) == (len(text), hashlib.sha256(text.encode()).hexdigest())
    assert counted(runtime) == measured(runtime)


def test_attachments_beyond_the_limit_are_cut(environment: dict[str, str]) -> None:
    content = base64.b64encode(b"x" * (4 * 1024 * 1024 + 1)).decode()
    handle(ckafka(body(attachments=[{"filename": "a.pdf", "content": content}])), scf_context())
    reason, kept = letter_of(Runtime.current())
    assert (reason["cut"], len(kept)) == (True, MAX_CUT_BYTES)


@pytest.mark.parametrize(
    "document",
    [
        body(to="nobody", simple={"text": "x" * 100_000}, template=None),  # wrong, and to be mended
        body(subject="x" * 999),  # too long, and short enough to be kept
    ],
)
def test_anything_else_is_kept_whole(environment: dict[str, str], document: Any) -> None:
    handle(ckafka(document), scf_context())
    reason, kept = letter_of(Runtime.current())
    assert kept == json.dumps(document)
    assert not {"cut", "sha256", "bytes"} & reason.keys()


def test_cut_ends_between_characters_and_after_base64(environment: dict[str, str]) -> None:
    runtime = Runtime.current()
    handle(ckafka(json.dumps(body(subject="x" + "ü" * 20_000), ensure_ascii=False)), scf_context())
    _, kept = letter_of(runtime)
    assert kept.endswith("ü")
    assert MAX_CUT_BYTES - 1 <= len(kept.encode()) <= MAX_CUT_BYTES


def test_bodies_that_differ_after_the_cut_have_a_letter_each(environment: dict[str, str]) -> None:
    for last in ("x", "y"):
        handle(ckafka(body(subject="x" * 20_000 + last)), scf_context())
    assert len(Runtime.current().ledger.dead_letters()) == 2


def test_source_of_a_letter_is_short(environment: dict[str, str]) -> None:
    runtime = Runtime.current()
    for length in (1024, 1025):
        add_dead_letter(runtime, "test", "k" * length, {}, "body")
    digest = hashlib.sha256(b"body").hexdigest()
    sources = [letter["source"] for letter in runtime.ledger.dead_letters()]
    assert sources == ["k" * 1024, f"test:{digest}"]


def test_webhook_with_too_much_in_it_is_cut(full: Runtime) -> None:
    full.ledger.store.client.delete(*map(full.ledger.store.key, ("dead", "dead_size")))
    assert post({"to": ["x"] * 6000, "name": "Ann"})[0] == 422
    reason, kept = letter_of(full)
    assert (reason["cut"], len(kept)) == (True, MAX_CUT_BYTES)
    assert "from the expression" in reason["errors"][0]["detail"]


def test_direct_caller_is_answered_as_before(environment: dict[str, str]) -> None:
    answer = handle(body(subject="x" * 20_000), LambdaContext())
    assert set(answer) == {"code", "errors"}
