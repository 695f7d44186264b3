"""Streams of Kinesis and DynamoDB: order per shard, partial responses, changes of items as bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body
from mailer.triggers.attribute_values import plain_item
from mailer.triggers.queue import handle
from queue_events import dynamodb, failures, kinesis, typed_item

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

TABLES = """
[defaults]
from = "Shop <noreply@mail.shop.example>"

[queues.shipped]
match = { source = "dynamodb", topic = "emails" }
when = "eventName == 'MODIFY' && NewImage.status == 'shipped' && OldImage.status != 'shipped'"
[queues.shipped.email]
template.id = 100093
[queues.shipped.map]
to = "NewImage.buyer.email"
subject = "join(' ', ['Order', to_string(Keys.id)])"
template.data.message = "join(', ', NewImage.parcels[*].number)"
"""


def failing(ses: Emulator, recipient: str) -> None:
    ses.add_fault("FailedOperation.ServiceNotAvailable", times=None, recipient=recipient)


def subjects(ses: Emulator) -> list[str]:
    return [mail.subject for mail in ses.inbox()]


@pytest.fixture
def tables(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "mailer.toml"
    path.write_text(TABLES, encoding="utf-8")
    monkeypatch.setenv("MAILER_CONFIG", str(path))


def test_kinesis_response_has_the_record_to_continue_from_in_each_shard(
    runtime: Runtime, ses: Emulator
) -> None:
    failing(ses, "b*@customer.example")
    event = kinesis(body(to="a@customer.example"), body(to="b@customer.example"), body(subject="late"))
    event["Records"] += kinesis(body(subject="free"), first=7, shard=1)["Records"]
    assert failures(handle(event, LambdaContext(4))) == [f"4959{1:052}"]
    assert sorted(subjects(ses)) == ["Your code", "free"]


def test_dynamodb_response_has_the_record_to_continue_from(runtime: Runtime, ses: Emulator) -> None:
    failing(ses, "b*@customer.example")
    event = dynamodb(body(to="a@customer.example"), body(to="b@customer.example"), body(subject="late"))
    assert failures(handle(event, LambdaContext(4))) == [f"{1:021}"]
    assert subjects(ses) == ["Your code"]


@pytest.mark.parametrize(
    "change", [{"partitionKey": "other"}, {"approximateArrivalTimestamp": 1.5}, {"data": None}]
)
def test_record_of_a_stream_that_was_made_anew_is_another_email(
    runtime: Runtime, ses: Emulator, change: dict[str, Any]
) -> None:
    event, other = kinesis(body()), kinesis(body(subject="Other"))
    handle(event, LambdaContext())
    if "data" in change:
        change = {"data": other["Records"][0]["kinesis"]["data"]}
    event["Records"][0]["kinesis"] |= change
    for _ in range(2):
        assert failures(handle(event, LambdaContext())) == []
    assert len(ses.calls()) == 2


def test_consumers_of_one_stream_send_each_record_once(runtime: Runtime, ses: Emulator) -> None:
    event = kinesis(body())
    handle(event, LambdaContext())
    event["Records"][0]["eventSourceARN"] += "/consumer/mailer:1795574726"
    handle(event, LambdaContext())
    assert len(ses.calls()) == 1


def test_table_may_be_an_outbox_of_email_requests(runtime: Runtime, ses: Emulator) -> None:
    item = body(idempotency_key="order-1", subject="Outbox")
    for event in (dynamodb(item), dynamodb(item, first=5)):
        assert failures(handle(event, LambdaContext())) == []
    assert subjects(ses) == ["Outbox"]


def test_item_that_is_no_email_request_is_refused_with_pointers_into_the_change(
    runtime: Runtime, ses: Emulator
) -> None:
    event = dynamodb(body(to="nobody"), None, body(subject="good"))
    for _ in range(2):
        assert failures(handle(event, LambdaContext())) == []
    assert subjects(ses) == ["good"]
    letters = runtime.ledger.dead_letters()
    assert [json.loads(letter["reason"])["errors"][0]["pointer"] for letter in letters] == [
        "/NewImage/to",
        "/NewImage",
    ]
    assert json.loads(letters[0]["body"])["NewImage"] == body(to="nobody")


@pytest.mark.parametrize("name", ["MODIFY", "REMOVE"])
def test_change_that_no_table_takes_is_ignored_and_logged(
    runtime: Runtime, ses: Emulator, log: io.StringIO, name: str
) -> None:
    assert failures(handle(dynamodb(body(), name=name), LambdaContext())) == []
    line = json.loads(log.getvalue().splitlines()[0])
    assert (line["message"], line["trigger"], line["state"]) == ("message ignored", "dynamodb", "ignored")
    assert ses.calls() == []
    assert runtime.ledger.dead_letters() == []


@pytest.mark.usefixtures("tables")
def test_change_of_an_item_is_mapped_with_its_name_keys_and_both_images(ses: Emulator) -> None:
    new = {"id": 7, "status": "shipped", "buyer": {"email": "ann@customer.example"}}
    event = dynamodb(
        {**new, "parcels": [{"number": "A"}, {"number": "B"}]}, {**new, "status": "paid"}, name="MODIFY"
    )
    for record in event["Records"]:
        record["dynamodb"] |= {
            "Keys": typed_item({"id": 7}),
            "OldImage": typed_item({"id": 7, "status": "paid"}),
        }
    assert failures(handle(event, LambdaContext())) == []
    (mail,) = ses.inbox()
    assert (mail.subject, mail.to) == ("Order 7", ["ann@customer.example"])
    assert json.loads(mail.raw["Template"]["TemplateData"]) == {"message": "A, B"}


def test_attributes_of_each_type_are_plain_values() -> None:
    item = {
        "S": {"S": "text"},
        "N": {"N": "-12"},
        "decimal": {"N": "19.99"},
        "BOOL": {"BOOL": False},
        "NULL": {"NULL": True},
        "M": {"M": {"S": {"S": "in a map"}}},
        "L": {"L": [{"N": "1"}, {"L": []}, {"NULL": True}]},
        "SS": {"SS": ["a", "b"]},
        "NS": {"NS": ["1", "2.5"]},
        "B": {"B": "AAE="},
        "BS": {"BS": ["AAE="]},
    }
    assert plain_item(item) == {
        "S": "text",
        "N": -12,
        "decimal": 19.99,
        "BOOL": False,
        "NULL": None,
        "M": {"S": "in a map"},
        "L": [1, [], None],
        "SS": ["a", "b"],
        "NS": [1, 2.5],
        "B": "AAE=",
        "BS": ["AAE="],
    }


@pytest.mark.parametrize(
    "value",
    [
        5,
        {},
        {"S": "two", "N": "5"},
        {"S": 5},
        {"M": []},
        {"L": {}},
        {"SS": "a"},
        {"BOOL": "true"},
        {"T": "unknown"},
    ],
)
def test_what_is_no_attribute_value_stays_as_it_is(value: Any) -> None:
    assert plain_item({"a": value}) == {"a": value}
    assert plain_item(value if isinstance(value, int) else None) is None


@pytest.mark.parametrize("number", ["", "ten", "NaN", "1E+999", "9" * 65, None, 5])
def test_number_that_is_none_stays_as_it_is(number: Any) -> None:
    assert plain_item({"a": {"N": number}}) == {"a": number}


def test_number_has_all_its_digits_if_it_is_an_integer() -> None:
    assert plain_item({"a": {"N": "9" * 38}, "b": {"N": "1E+2"}}) == {"a": int("9" * 38), "b": 100.0}


@pytest.mark.parametrize("kind", ["M", "L"])
def test_item_nested_deeper_than_dynamodb_does_is_read_to_its_levels(kind: str) -> None:
    value: Any = {"S": "deepest"}
    for _ in range(100_000):
        value = {"M": {"a": value}} if kind == "M" else {"L": [value]}
    plain: Any = plain_item({"a": value})
    plain = plain["a"]
    for _ in range(32):
        plain = plain["a"] if kind == "M" else plain[0]
    assert set(plain) == {kind}
