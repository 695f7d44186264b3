"""Message bodies: an email request in either form, a CloudEvent around it, an item, a mapped payload."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body, scf_context
from mailer.config.file import Config
from mailer.email.identity import Key, KeyKind
from mailer.errors import ConfigurationError
from mailer.triggers.queue import handle
from mailer.triggers.schedule import handle as run_schedule
from queue_events import (
    activemq,
    ckafka,
    cloud_event,
    cmq,
    failures,
    kafka,
    kinesis,
    rabbitmq,
    rule_event,
    sns,
    sns_in_sqs,
    sqs,
    tdmq,
)

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

NATIVE = {
    "FromEmailAddress": "Shop <noreply@mail.shop.example>",
    "Destination": ["ann@customer.example"],
    "Subject": "Your code",
    "Template": {"TemplateID": 100091, "TemplateData": '{"code": "1234"}'},
}
ORDER = {"order_id": "o-1", "buyer": {"email": "ann@customer.example", "name": "Ann"}, "paid": True}
MAPPING = """
[defaults]
from = "Shop <noreply@mail.shop.example>"

[queues.orders]
match = {match}
when = "paid"
[queues.orders.email]
subject = "Thank you"
template.id = 100093
template.data.message = "your order is paid."
[queues.orders.map]
to = "buyer.email"
idempotency_key = "order_id"
template.data.name = "buyer.name"

[queues.unpaid]
match = {match}
when = "due"
[queues.unpaid.email]
subject = "Please pay"
template.id = 100093
template.data.message = "your order waits."
[queues.unpaid.map]
to = "buyer.email"
template.data.name = "buyer.name"
"""


def reason(runtime: Runtime) -> Any:
    (letter,) = runtime.ledger.dead_letters()
    return json.loads(letter["reason"])


@pytest.fixture
def configured(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write mailer.toml with tables that match the messages of one origin."""

    def write(match: str, mapping: str = MAPPING) -> None:
        path = tmp_path / "mailer.toml"
        path.write_text(mapping.replace("{match}", match))
        monkeypatch.setenv("MAILER_CONFIG", str(path))

    return write


@pytest.mark.parametrize(
    "wrapped",
    [
        body(),
        NATIVE,
        cloud_event(body()),
        cloud_event(NATIVE),
        cloud_event(json.dumps(body())),
        {**cloud_event(None), "data_base64": base64.b64encode(json.dumps(body()).encode()).decode()},
    ],
    ids=["own", "native", "event", "event around native", "event around text", "event around base64"],
)
def test_every_form_of_body_becomes_the_same_email(
    runtime: Runtime, ses: Emulator, wrapped: dict[str, Any]
) -> None:
    assert handle(ckafka(wrapped), scf_context()) == {"records": 1}
    (mail,) = ses.inbox()
    assert (mail.subject, mail.to) == ("Your code", ["ann@customer.example"])
    assert json.loads(mail.raw["Template"]["TemplateData"]) == {"code": "1234"}


def test_cloud_event_is_one_email_through_every_source(runtime: Runtime, ses: Emulator) -> None:
    event = cloud_event(body())
    handle(sqs(event), LambdaContext())
    handle(sqs(event, first=7), LambdaContext())  # redriven
    handle(ckafka(event), scf_context())
    handle(event, scf_context())
    assert len(ses.calls()) == 1
    handle(sqs(cloud_event(body(), id="A-2"), cloud_event(body(), source="/other")), LambdaContext())
    assert len(ses.calls()) == 3


ADDRESS = "must be an address such as `name@mail.example` (other scripts in punycode)"
NOT_EMPTY = "must be a text that is not empty"
NOT_UTF_8 = "the body is not UTF-8"
NO_DIGEST = "must name a digest of mailer.toml"
ITEM = {"digest": "daily", "recipient": "ann@customer.example", "item": {"title": "New"}, "item_id": "c-1"}


@pytest.mark.parametrize(
    ("event", "errors"),
    [
        (cloud_event(body(), specversion="0.3"), {"/specversion": "must be 1.0"}),
        (cloud_event(body(), id="", source=7), {"/id": NOT_EMPTY, "/source": NOT_EMPTY}),
        (
            cloud_event(body(to="nobody", subject="")),
            {"/data/to": ADDRESS, "/data/subject": "must not be empty"},
        ),
        (cloud_event(None), {"/data": "must be a JSON object"}),
        (cloud_event("{not json"), {"/data": "is not JSON"}),
        ({**cloud_event(None), "data_base64": "!"}, {"/data": "is not JSON"}),
        ({**cloud_event(None), "data_base64": "/w=="}, {"/data": NOT_UTF_8}),
        (ITEM, {"/digest": NO_DIGEST}),
        (cloud_event(ITEM), {"/data/digest": NO_DIGEST}),
        ({"digest": "daily", "recipient": "a@b.example"}, {"/digest": NO_DIGEST, "/item": "is required"}),
    ],
)
def test_bad_body_is_refused_with_pointers_into_it(
    runtime: Runtime, ses: Emulator, event: dict[str, Any], errors: dict[str, str]
) -> None:
    handle(ckafka(event), scf_context())
    found = reason(runtime)
    assert [(error["pointer"], error["detail"]) for error in found.pop("errors")] == [*errors.items()]
    assert found == {"code": "InvalidRequest"}
    assert ses.calls() == []


def test_body_that_is_not_text_is_refused_and_kept_as_base64(runtime: Runtime, ses: Emulator) -> None:
    handle(kafka({"emails-0": [b"\xff"]}), LambdaContext())
    assert reason(runtime) == {
        "code": "InvalidRequest",
        "errors": [{"pointer": "", "detail": NOT_UTF_8}],
        "encoding": "base64",
    }
    (letter,) = runtime.ledger.dead_letters()
    assert letter["body"] == "/w=="


@pytest.mark.parametrize("around", [lambda request: request, cloud_event], ids=["alone", "in an event"])
def test_sender_that_a_request_leaves_out_is_the_one_of_mailer_toml(
    configured: Any, ses: Emulator, around: Any
) -> None:
    configured('{ topic = "another" }')
    request = {name: value for name, value in body().items() if name != "from"}
    assert failures(handle(sqs(around(request)), LambdaContext())) == []
    (mail,) = ses.inbox()
    assert mail.raw["FromEmailAddress"] == "Shop <noreply@mail.shop.example>"


ORIGINS = {
    '{ topic = "emails" }': (ckafka(ORDER), kafka({"emails-0": [ORDER]}), cmq(ORDER), tdmq(ORDER)),
    '{ topic = "orders" }': (sns(ORDER), sns_in_sqs(ORDER)),
    '{ queue = "emails" }': (sqs(ORDER), activemq(ORDER), rabbitmq(ORDER), cmq(ORDER)),
    '{ queue = "emails", topic = "orders" }': (sns_in_sqs(ORDER),),
    '{ source = "sqs" }': (sqs(ORDER),),
    '{ source = "invoke" }': (ORDER,),
}


@pytest.mark.parametrize("match", ORIGINS)
def test_foreign_payload_is_mapped_by_where_it_comes_from(configured: Any, ses: Emulator, match: str) -> None:
    configured(match)
    for event in ORIGINS[match]:
        handle(event, LambdaContext())
    (mail,) = ses.inbox()  # one order, through every source
    assert (mail.subject, mail.to) == ("Thank you", ["ann@customer.example"])
    assert json.loads(mail.raw["Template"]["TemplateData"]) == {
        "message": "your order is paid.",
        "name": "Ann",
    }


def test_foreign_cloud_event_is_mapped_as_a_whole_by_its_source(configured: Any, ses: Emulator) -> None:
    configured('{ source = "/shop" }')
    handle(sqs(cloud_event(None, **ORDER)), LambdaContext())
    assert [mail.subject for mail in ses.inbox()] == ["Thank you"]


FRAMED = b"\0\0\0\1\x11" + json.dumps(body()).encode()


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (FRAMED, "Confluent's schema registry (schema 273)"),
        (b"\0\0\0\0\7", "is not JSON"),
        (b"\0{\0}\0\0", "is not JSON"),
        (b"Obj\1\4\x14avro.codec", "an Avro object container file"),
        (b"\xc3\1" + bytes(8) + b"\2a", "Avro in the single-object encoding"),
        (b"\3\0" + bytes(16) + b"{}", "AWS Glue Schema Registry"),
        (b"\3\5" + bytes(16) + b"x", "AWS Glue Schema Registry"),
        (b"\xf3\x89\x9a\xc2\n\1a", "Kinesis Producer Library"),
        (gzip.compress(json.dumps(body()).encode()), "compressed with gzip"),
    ],
)
@pytest.mark.parametrize(
    "source", [lambda value: kafka({"emails-0": [value]}), kinesis], ids=["kafka", "kinesis"]
)
def test_value_of_another_format_is_refused_by_its_name(
    runtime: Runtime, ses: Emulator, source: Any, value: bytes, what: str
) -> None:
    assert failures(handle(source(value), LambdaContext())) == []
    assert what in reason(runtime)["errors"][0]["detail"]
    assert ses.calls() == []


def test_framed_value_is_named_where_a_platform_delivers_it_as_text(runtime: Runtime, ses: Emulator) -> None:
    handle(ckafka(FRAMED.decode()), scf_context())
    assert "(schema 273)" in reason(runtime)["errors"][0]["detail"]


@pytest.mark.parametrize(
    "name",
    [
        "software.amazon.payloadoffloading.PayloadS3Pointer",
        "com.amazon.sqs.javamessaging.MessageS3Pointer",
        "com.example.MessageCosPointer",
    ],
)
def test_pointer_of_an_extended_client_is_refused_by_its_name(
    runtime: Runtime, ses: Emulator, log: io.StringIO, name: str
) -> None:
    pointer = [name, {"s3BucketName": "bodies", "s3Key": "988ab98b"}]
    handle(sns(pointer), LambdaContext())
    assert "a pointer to a payload" in reason(runtime)["errors"][0]["detail"]
    assert failures(handle(sqs(pointer), LambdaContext())) == ["message-0"]
    assert "bodies" not in log.getvalue()


@pytest.mark.parametrize("event", [kafka({"emails-0": [b""]}), ckafka("")], ids=["kafka", "ckafka"])
def test_tombstone_is_ignored_and_logged(
    runtime: Runtime, ses: Emulator, log: io.StringIO, event: dict[str, Any]
) -> None:
    record = event["Records"][0]["Ckafka"] if "Records" in event else event["records"]["emails-0"][0]
    record["msgBody" if "Records" in event else "value"] = None
    handle(event, LambdaContext())
    line = json.loads(log.getvalue().splitlines()[0])
    assert (line["message"], line["state"]) == ("message ignored", "ignored")
    assert runtime.ledger.dead_letters() == []
    handle(sns(None), LambdaContext())  # of other sources a message without a body is a mistake
    assert reason(runtime)["code"] == "InvalidRequest"


OF_DETAILS = """
[queues.orders]
match = {match}
when = '''"detail-type" == 'Order paid' && detail.paid'''
[queues.orders.email]
from = "Shop <noreply@mail.shop.example>"
subject = "Thank you"
template.id = 100093
[queues.orders.map]
to = "detail.buyer.email"
template.data.message = "source"
"""


@pytest.mark.parametrize(
    "match", ['{ source = "shop.orders" }', '{ queue = "emails" }', '{ source = "sqs" }'], ids=str
)
def test_event_of_a_rule_is_mapped_as_a_whole_by_its_source_or_queue(
    configured: Any, ses: Emulator, match: str
) -> None:
    configured(match, OF_DETAILS)
    handle(sqs(rule_event(ORDER), rule_event({**ORDER, "paid": False}, id="2")), LambdaContext())
    assert [mail.subject for mail in ses.inbox()] == ["Thank you"]


def test_detail_of_a_rules_event_is_the_body(runtime: Runtime, ses: Emulator) -> None:
    event = rule_event(body(subject="directly"))
    assert handle(event, LambdaContext()) == {"records": 1}
    assert failures(handle(sqs(event, rule_event(body(subject="queued"), id="2")), LambdaContext())) == []
    assert [mail.subject for mail in ses.inbox()] == ["directly", "queued"]
    handle(rule_event(body(to="nobody"), id="3"), LambdaContext())
    assert reason(runtime)["errors"][0]["pointer"] == "/detail/to"


def test_other_origins_are_not_mapped(configured: Any, ses: Emulator) -> None:
    configured('{ topic = "orders" }')
    assert failures(handle(sqs(ORDER, body()), LambdaContext())) == ["message-0"]
    assert len(ses.inbox()) == 1


def test_first_table_that_matches_the_payload_maps_it_and_others_are_ignored(
    configured: Any, ses: Emulator
) -> None:
    configured('{ queue = "emails" }')
    unpaid = {**ORDER, "paid": False, "due": True}
    neither = {**ORDER, "paid": False}
    assert failures(handle(sqs(ORDER, unpaid, neither), LambdaContext())) == []
    assert sorted(mail.subject for mail in ses.inbox()) == ["Please pay", "Thank you"]


def test_message_that_no_table_selects_is_logged_without_its_content(
    configured: Any, runtime: Runtime, log: io.StringIO
) -> None:
    configured('{ queue = "emails" }')
    assert failures(handle(sqs({**ORDER, "paid": False}), LambdaContext())) == []
    assert failures(handle(sqs(body(), first=1), LambdaContext())) == []  # an email request is mapped too
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    account = runtime.settings.account
    names = ("message", "trigger", "id", "tables", "state")
    assert [tuple(line[name] for name in names) for line in lines] == [
        (
            "message ignored",
            "sqs",
            Key(key, KeyKind.PLATFORM).email_id(account),
            ["queues.orders", "queues.unpaid"],
            "ignored",
        )
        for key in ("sqs:message-0", "sqs:message-1")
    ]
    for content in ("ann@", "o-1", "message-0"):
        assert content not in log.getvalue()


def test_message_without_an_identity_that_no_table_selects_is_logged(
    configured: Any, runtime: Runtime, log: io.StringIO
) -> None:
    configured('{ queue = "emails" }')
    event = activemq({**ORDER, "paid": False})
    del event["messages"][0]["messageID"]
    handle(event, LambdaContext())
    line = json.loads(log.getvalue())
    assert (line.get("id"), line["state"]) == (None, "ignored")


@pytest.mark.parametrize("order", [ORDER, {**ORDER, "paid": False, "due": True}], ids=["keyed", "not keyed"])
def test_redelivery_after_a_change_of_mailer_toml_is_the_same_email(
    configured: Any, runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, order: Any
) -> None:
    match = '{ topic = "emails" }'
    configured(match)
    handle(cmq(order), scf_context())
    configured(match, MAPPING.replace('subject = "', 'subject = "New: ').replace("Shop <", "Our shop <"))
    monkeypatch.setenv("MAILER_RATE", "19")  # another process, which reads mailer.toml anew
    handle(cmq(order), scf_context())
    assert len(ses.calls()) == 1
    assert runtime.ledger.dead_letters() == []


def test_key_that_a_mapping_finds_is_the_callers(configured: Any, runtime: Runtime, ses: Emulator) -> None:
    configured('{ topic = "emails" }')
    for order in (ORDER, ORDER):
        handle(cmq(order), scf_context())
    assert len(ses.calls()) == 1
    handle(cmq({**ORDER, "buyer": {"email": "bob@customer.example", "name": "Bob"}}), scf_context())
    assert reason(runtime)["code"] == "IdempotencyKeyReused"
    assert len(ses.calls()) == 1


def test_payload_that_does_not_fit_its_mapping_is_refused_by_name(
    configured: Any, runtime: Runtime, ses: Emulator
) -> None:
    configured('{ topic = "emails" }')
    handle(ckafka({**ORDER, "buyer": {"name": "Ann"}}), scf_context())
    (error,) = reason(runtime)["errors"]
    assert error["pointer"] == "/to"
    assert "buyer.email" in error["detail"]


@pytest.mark.parametrize(
    ("table", "setting"),
    [
        (5, "mailer.toml [queues]"),
        ({"orders": 5}, "mailer.toml [queues.orders]"),
        ({"orders": {"match": {"topic": "a"}, "to": "b"}}, "mailer.toml [queues.orders] to"),
        ({"orders": {}}, "mailer.toml [queues.orders] match"),
        ({"orders": {"match": {}}}, "mailer.toml [queues.orders] match"),
        ({"orders": {"match": {"Topic": "a"}}}, "mailer.toml [queues.orders] match"),
        ({"orders": {"match": {"topic": ""}}}, "mailer.toml [queues.orders] match"),
        ({"orders": {"match": {"topic": "a"}, "when": "=="}}, "mailer.toml [queues.orders] when"),
    ],
)
def test_wrong_table_is_named(table: Any, setting: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Config.from_toml({"queues": table})
    assert error.value.setting == setting


@pytest.mark.parametrize("around", [lambda item: item, cloud_event], ids=["alone", "in an event"])
@pytest.mark.usefixtures("digests_toml")
def test_item_of_a_digest_is_queued_once_and_sent_with_its_run(
    runtime: Runtime, ses: Emulator, around: Any
) -> None:
    unnamed = {name: value for name, value in ITEM.items() if name != "item_id"}
    event = ckafka(around(ITEM), around(unnamed))
    event["Records"][1]["Ckafka"]["topic"] = "t" * 249  # the longest name there is
    for _ in range(2):
        assert handle(event, scf_context()) == {"records": 2}
    job = {"job": "digest", "digest": "daily", "scheduled_time": "2026-05-01T09:00:00Z"}
    run_schedule(job, scf_context())
    (mail,) = ses.inbox()
    assert mail.subject == "2 updates"
    assert mail.to == ["ann@customer.example"]


LONG = "x" * (255 - len("invoke:"))


@pytest.mark.usefixtures("digests_toml")
@pytest.mark.parametrize(
    ("request_id", "item_id"),
    [
        ("r-1", "invoke:r-1"),
        (LONG, f"invoke:{LONG}"),
        (f"{LONG}x", "2bbc61b28eefc548f7fcc3307810bf4c845e58939266d306016cb79915076409"),
    ],
    ids=["short", "as long as an item_id may be", "too long"],
)
def test_item_without_an_id_is_identified_by_its_message_in_every_version(
    request_id: str, item_id: str
) -> None:
    unnamed = {name: value for name, value in ITEM.items() if name != "item_id"}
    context = scf_context() | {"request_id": request_id}
    assert handle(unnamed, context) == {"state": "queued", "duplicate": False}
    assert handle({**unnamed, "item_id": item_id}, scf_context()) == {"state": "queued", "duplicate": True}


def test_invocation_that_no_table_selects_is_answered_so(configured: Any) -> None:
    configured('{ source = "invoke" }')
    assert handle({**ORDER, "paid": False}, LambdaContext()) == {"state": "ignored"}
