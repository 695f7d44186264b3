"""Every message source: matching, reading in each spelling, and its own response."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import LambdaContext, body, scf_context
from local.sample_events import sample_event
from mailer.email.identity import Key, KeyKind
from mailer.errors import ConfigurationError
from mailer.ledger import DeferPolicy
from mailer.triggers.messages import Ack, RedeliveryRequired
from mailer.triggers.queue import SOURCES, handle
from queue_events import (
    activemq,
    ckafka,
    cloud_event,
    cmq,
    dynamodb,
    encoded,
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
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

BATCHES: dict[str, Callable[..., dict[str, Any]]] = {
    "sqs": sqs,
    "kafka": lambda *bodies: kafka({"emails-0": list(bodies)}),
    "kinesis": kinesis,
    "dynamodb": dynamodb,
    "activemq": activemq,
    "rabbitmq": rabbitmq,
    "ckafka": ckafka,
    "cmq": cmq,
    "tdmq": tdmq,
}
PARTIAL_RESPONSE = {"sqs", "kafka", "kinesis", "dynamodb"}
every_source = pytest.mark.parametrize("source", BATCHES)
every_source_of_bytes = pytest.mark.parametrize("source", [name for name in BATCHES if name != "dynamodb"])
whole_batch = pytest.mark.parametrize("source", sorted(BATCHES.keys() - PARTIAL_RESPONSE))


def context(source: str, seconds: float = 30.0) -> Any:
    tencent = source in {"ckafka", "cmq", "tdmq"}
    return scf_context(seconds) if tencent else LambdaContext(seconds)


def subjects(ses: Emulator) -> list[str]:
    return [mail.subject for mail in ses.inbox()]


def letters(runtime: Runtime) -> list[dict[str, Any]]:
    return [{**letter, "reason": json.loads(letter["reason"])} for letter in runtime.ledger.dead_letters()]


@every_source
def test_a_batch_is_sent_once_over_five_deliveries(runtime: Runtime, ses: Emulator, source: str) -> None:
    event = BATCHES[source](body(subject="one"), body(subject="two"))
    for _ in range(5):
        answer = handle(event, context(source))
        assert answer in ({"batchItemFailures": []}, {"records": 2})
    assert sorted(subjects(ses)) == ["one", "two"]
    assert len(ses.calls()) == 2


@every_source_of_bytes
@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (b"\xff\xfe{}", "is not UTF-8"),
        ("{not json", "is not JSON"),
        ("[" * 200_000, "nested deeper"),
        ("[1]", "must be a JSON object"),
        (json.dumps(body(to="nobody")), "/to"),
        (json.dumps(body(subject="\ud800")), "/subject"),
        (json.dumps(body(simple={"text": "x" * 9_000_000}, template=None)), "8 MB"),
    ],
    ids=["not UTF-8", "not JSON", "too deep", "no object", "wrong field", "half a pair", "too large"],
)
def test_poison_is_dead_lettered_with_its_reason_and_the_others_are_sent(
    runtime: Runtime, ses: Emulator, source: str, bad: Any, rule: str, log: io.StringIO
) -> None:
    if isinstance(bad, bytes) and source in {"sqs", "ckafka", "cmq", "tdmq"}:
        bad = bad.decode(errors="surrogateescape")  # these platforms deliver text only
        rule = "is not JSON"
    event = BATCHES[source](body(subject="one"), bad, body(subject="two"))
    for _ in range(2):
        answer = handle(event, context(source))
    assert sorted(subjects(ses)) == ["one", "two"]
    if source == "sqs":  # it has a dead-letter queue of its own
        assert failures(answer) == ["message-1"]
        assert letters(runtime) == []
        assert "InvalidRequest" in log.getvalue()
        return
    assert answer in ({"records": 3}, {"batchItemFailures": []})
    (letter,) = letters(runtime)
    assert rule in json.dumps(letter["reason"])
    raw = bad.encode(errors="surrogatepass") if isinstance(bad, str) else bad
    reason, kept = letter["reason"], letter["body"]
    stored = base64.b64decode(kept) if "encoding" in reason else kept.encode()
    if "cut" in reason:  # what was refused for its size
        assert (reason["bytes"], reason["sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest())
        assert len(stored) == 16_384
    assert stored == raw[: len(stored) if "cut" in reason else None]


@every_source
def test_email_that_ses_refuses_is_a_dead_letter(runtime: Runtime, ses: Emulator, source: str) -> None:
    refused = body(template={"id": 999999})
    answer = handle(BATCHES[source](refused, body(subject="good")), context(source))
    assert subjects(ses) == ["good"]
    if source == "sqs":
        assert failures(answer) == ["message-0"]
        return
    (letter,) = letters(runtime)
    assert letter["reason"]["code"] == "FailedOperation.InvalidTemplateID"
    kept = json.loads(letter["body"])
    assert (kept["NewImage"] if source == "dynamodb" else kept) == refused


@every_source
def test_key_in_the_body_is_one_email_over_all_sources(runtime: Runtime, ses: Emulator, source: str) -> None:
    request = body(idempotency_key="order-1")
    handle(sqs(request), LambdaContext())
    handle(BATCHES[source](request), context(source))
    assert len(ses.calls()) == 1


@whole_batch
def test_store_that_is_down_raises_where_there_is_no_partial_response(
    environment: dict[str, str], ses: Emulator, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("MAILER_STORE_URL", "redis://127.0.0.1:1/0")
    with pytest.raises(RedeliveryRequired, match="3 of 3"):
        handle(BATCHES[source](body(), body(subject="Two"), "{not json"), context(source))
    assert ses.calls() == []


def test_wrong_setting_fails_closed_for_every_source(
    environment: dict[str, str], ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_RATE", "fast")
    assert failures(handle(kafka({"emails-0": [body(), body()]}), LambdaContext())) == [
        {"partition": "emails-0", "offset": 0}
    ]
    for event in (rabbitmq(body()), sns(body()), body(), None):
        with pytest.raises(ConfigurationError, match="MAILER_RATE"):
            handle(event, LambdaContext())
    assert ses.calls() == []


def test_kafka_response_has_the_offset_to_continue_from_in_each_partition(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses.add_fault("FailedOperation.ServiceNotAvailable", times=None, recipient="b*@customer.example")
    event = kafka(
        {
            "emails-0": [body(to="a@customer.example"), body(to="b@customer.example"), body(subject="late")],
            "emails-1": [body(subject="free")],
            "emails-2": [body(to="b2@customer.example"), body(subject="late too")],
        },
        first=40,
    )
    assert failures(handle(event, LambdaContext(4))) == [
        {"partition": "emails-0", "offset": 41},
        {"partition": "emails-2", "offset": 40},
    ]
    assert sorted(subjects(ses)) == ["Your code", "free"]


def test_kafka_partition_rewound_is_not_sent_again(runtime: Runtime, ses: Emulator) -> None:
    records = [body(subject=str(number)) for number in range(6)]
    assert failures(handle(kafka({"emails-0": records}), LambdaContext())) == []
    assert failures(handle(kafka({"emails-0": records[2:]}, first=2), LambdaContext())) == []
    assert failures(handle(kafka({"emails-0": records}), LambdaContext())) == []
    assert subjects(ses) == [str(number) for number in range(6)]


def test_clusters_with_one_topic_name_are_distinguished(runtime: Runtime, ses: Emulator) -> None:
    one, two = kafka({"emails-0": [body(subject="one")]}), kafka({"emails-0": [body(subject="two")]})
    two["eventSourceArn"] += "-other"
    handle(one, LambdaContext())
    handle(two, LambdaContext())
    assert subjects(ses) == ["one", "two"]


def self_managed(brokers: str, *bodies: Any) -> dict[str, Any]:
    event = kafka({"emails-0": list(bodies)})
    del event["eventSourceArn"]
    return {**event, "eventSource": "SelfManagedKafka", "bootstrapServers": brokers}


@pytest.mark.parametrize("name", ["SelfManagedKafka", "aws:SelfManagedKafka"])
def test_self_managed_kafka_is_known_by_either_name(runtime: Runtime, ses: Emulator, name: str) -> None:
    event = {**self_managed("a:9092", body()), "eventSource": name}
    assert handle(event, LambdaContext()) == {"batchItemFailures": []}
    assert len(ses.inbox()) == 1


@pytest.mark.parametrize("name", ["aws:mq", "aws:amq"])
def test_activemq_is_known_by_either_name(runtime: Runtime, ses: Emulator, name: str) -> None:
    assert handle({**activemq(body()), "eventSource": name}, LambdaContext()) == {"records": 1}
    assert len(ses.inbox()) == 1


def test_self_managed_clusters_are_distinguished_by_their_brokers(runtime: Runtime, ses: Emulator) -> None:
    for brokers in ("a.example:9092,b.example:9092", "b.example:9092, a.example:9092"):
        assert failures(handle(self_managed(brokers, body()), LambdaContext())) == []
    assert len(ses.calls()) == 1
    assert failures(handle(self_managed("c.example:9092", body()), LambdaContext())) == []
    assert len(ses.calls()) == 2


@pytest.mark.parametrize(
    "change", [{"key": "b3RoZXI="}, {"timestamp": 2}, {"headers": [{"origin": [1]}]}, {"value": None}]
)
def test_record_of_kafka_at_the_same_place_with_other_content_is_another_email(
    runtime: Runtime, ses: Emulator, change: dict[str, Any]
) -> None:
    """As two clusters without an ARN have it, or a topic that was deleted and made anew."""
    event = self_managed("", body())
    (record,) = event["records"]["emails-0"]
    record |= {"timestamp": 1, "key": "b3JkZXI=", "headers": [{"origin": [0]}]}
    handle(event, LambdaContext())
    if "value" in change:
        change = {"value": encoded(body(subject="Other"))}
    record |= change
    for _ in range(2):
        assert failures(handle(event, LambdaContext())) == []
    assert len(ses.calls()) == 2


@pytest.mark.parametrize("change", [{"msgKey": "order-2"}, {"msgBody": json.dumps(body(subject="Other"))}])
def test_record_of_ckafka_at_the_same_place_with_other_content_is_another_email(
    runtime: Runtime, ses: Emulator, change: dict[str, Any]
) -> None:
    event = ckafka(body())
    handle(event, scf_context())
    event["Records"][0]["Ckafka"] |= change
    for _ in range(2):
        assert handle(event, scf_context()) == {"records": 1}
    assert len(ses.calls()) == 2


def test_record_of_kafka_that_cannot_be_hashed_needs_a_key(runtime: Runtime, ses: Emulator) -> None:
    headers: Any = []
    for _ in range(200_000):
        headers = [headers]
    event = kafka({"emails-0": [body(), body(idempotency_key="order-1")]})
    for record in event["records"]["emails-0"]:
        record["headers"] = headers
    assert failures(handle(event, LambdaContext())) == []
    (letter,) = letters(runtime)
    assert letter["reason"]["errors"][0]["pointer"] == "/idempotency_key"
    assert len(ses.calls()) == 1


REDELIVERED: dict[str, Callable[..., dict[str, Any]]] = {
    "sqs": sqs,
    "sns": sns,
    "sns in sqs": sns_in_sqs,
    "dynamodb": dynamodb,
    "activemq": activemq,
    "rabbitmq": rabbitmq,
    "cmq": cmq,
    "tdmq": tdmq,
    "cloud event": cloud_event,
    "event of a rule": rule_event,
    "invoke": lambda one: one,
}


@pytest.mark.parametrize("source", REDELIVERED)
def test_redelivery_by_the_platform_is_the_same_email_whatever_it_holds(
    runtime: Runtime, ses: Emulator, source: str
) -> None:
    for subject in ("one", "two"):
        answer = handle(REDELIVERED[source](body(subject=subject)), context(source))
        assert answer.get("batchItemFailures", []) == []
    assert subjects(ses) == ["one"]
    assert letters(runtime) == []


RULE_EVENT_KEY = "eventbridge:shop.orders:6a7e8feb-b491-4cf7-a9f1-bf3703467718"


@pytest.mark.parametrize(
    ("event", "ctx", "key"),
    [
        (sqs(body()), LambdaContext(), "sqs:message-0"),
        (sns_in_sqs(body()), LambdaContext(), "sns:95df01b4"),
        (cloud_event(body()), scf_context(), "cloudevent:/shop:A-1"),
        (sqs(cloud_event(body())), LambdaContext(), "cloudevent:/shop:A-1"),
        (ckafka(cloud_event(body())), scf_context(), "cloudevent:/shop:A-1"),
        (rule_event(body()), LambdaContext(), RULE_EVENT_KEY),
        (sqs(rule_event(body())), LambdaContext(), RULE_EVENT_KEY),
        (body(), LambdaContext(), "invoke:11111111-2222-3333-4444-555555555555"),
        (body(), scf_context(), "invoke:f03dc946-3df4-45a0-8e54-000000000000"),
    ],
    ids=[
        "sqs",
        "sns",
        "event",
        "event in sqs",
        "event in ckafka",
        "event of a rule",
        "event of a rule in sqs",
        "invoke on lambda",
        "invoke on scf",
    ],
)
def test_identity_of_a_message_is_the_text_that_earlier_versions_stored(
    runtime: Runtime, ses: Emulator, event: dict[str, Any], ctx: Any, key: str
) -> None:
    """Under another text, a redelivery after an upgrade would be sent again.

    `test_message_sources.py` has the texts of every source.
    """
    handle(event, ctx)
    (mail,) = ses.inbox()
    email_id = Key(key, KeyKind.PLATFORM).email_id(runtime.settings.account)
    assert mail.smtp_message_id == f"<{email_id}@mail.shop.example>"


@pytest.mark.parametrize("source", REDELIVERED)
def test_other_content_under_a_key_of_the_caller_is_refused(
    runtime: Runtime, ses: Emulator, source: str
) -> None:
    for subject in ("one", "two"):
        request = body(subject=subject, idempotency_key="order-1")
        answer = handle(REDELIVERED[source](request), context(source))
    assert subjects(ses) == ["one"]
    if "sqs" in source:
        assert failures(answer) == ["message-0"]
        return
    (letter,) = letters(runtime)
    assert letter["reason"]["code"] == "IdempotencyKeyReused"


def test_another_message_under_one_key_has_a_dead_letter_of_its_own(runtime: Runtime, ses: Emulator) -> None:
    refused = [body(to="nobody"), body(to="nobody either")]
    for one in [*refused, *refused]:
        handle(sns(one), LambdaContext())
    found = letters(runtime)
    assert [json.loads(letter["body"]) for letter in found] == refused
    assert len({letter["source"] for letter in found}) == 1


def test_notification_is_one_email_directly_and_inside_sqs(runtime: Runtime, ses: Emulator) -> None:
    direct = sns(body())
    message_id = direct["Records"][0]["Sns"]["MessageId"]
    for _ in range(2):
        assert handle(direct, LambdaContext()) == {"records": 1}
    assert failures(handle(sns_in_sqs(body(), message_id), LambdaContext())) == []
    assert len(ses.calls()) == 1


def test_notification_redriven_under_a_new_message_id_is_not_sent_again(
    runtime: Runtime, ses: Emulator
) -> None:
    event = sns_in_sqs(body())
    handle(event, LambdaContext())
    event["Records"][0]["messageId"] = "redriven"
    assert failures(handle(event, LambdaContext())) == []
    assert len(ses.calls()) == 1


def test_message_redriven_from_the_dead_letter_queue_is_not_sent_again(
    runtime: Runtime, ses: Emulator
) -> None:
    request = body(idempotency_key="order-1")
    handle(sqs(request), LambdaContext())
    assert failures(handle(sqs(request, first=7), LambdaContext())) == []
    assert len(ses.calls()) == 1


def test_notification_that_only_looks_enveloped_is_read_as_it_is(runtime: Runtime, ses: Emulator) -> None:
    request = body(subject="Notification")
    assert failures(handle(sqs(request, "Notification", {"Type": "Notification"}), LambdaContext())) == [
        "message-1",
        "message-2",
    ]
    assert subjects(ses) == ["Notification"]


def test_message_of_activemq_without_any_identity_is_refused(runtime: Runtime, ses: Emulator) -> None:
    event = activemq(body(), body(idempotency_key="order-1"))
    for message in event["messages"]:
        del message["messageID"]
    for _ in range(2):
        assert handle(event, LambdaContext()) == {"records": 2}
    (letter,) = letters(runtime)
    detail = "is required: the message has no identity that lasts over redeliveries"
    assert letter["reason"] == {
        "code": "InvalidRequest",
        "errors": [{"pointer": "/idempotency_key", "detail": detail}],
    }
    assert len(ses.calls()) == 1


def unidentified(request: Any, **properties: Any) -> dict[str, Any]:
    event = rabbitmq(request, identified=False)
    event["rmqMessagesByQueue"]["emails::/"][0]["basicProperties"] |= properties
    return event


@pytest.mark.parametrize(
    "redelivered",
    [
        {},
        {"headers": {"x-delivery-count": 2, "x-death": [{"count": 1}], "origin": "shop"}},
        {"expiration": None, "clusterId": "c", "bodySize": 1},
    ],
    ids=["as it was", "counted", "without its time to live"],
)
def test_message_of_rabbitmq_without_an_id_is_known_by_what_redeliveries_leave(
    runtime: Runtime, ses: Emulator, redelivered: dict[str, Any]
) -> None:
    properties = {
        "timestamp": "Nov 23, 2026, 9:00:00 AM",
        "expiration": "60000",
        "headers": {"origin": "shop"},
    }
    handle(unidentified(body(), **properties), LambdaContext())
    event = unidentified(body(), **{**properties, **redelivered})
    event["rmqMessagesByQueue"]["emails::/"][0]["redelivered"] = True
    assert handle(event, LambdaContext()) == {"records": 1}
    assert len(ses.calls()) == 1
    assert letters(runtime) == []


@pytest.mark.parametrize(
    "other",
    [
        unidentified(body(subject="Other")),
        unidentified(body(), timestamp="Nov 23, 2026, 9:00:01 AM"),
        unidentified(body(), correlationId="c-2"),
        unidentified(body(), headers={"order": "2"}),
        unidentified(body(idempotency_key="order-2")),
        {**rabbitmq(), "rmqMessagesByQueue": {"emails::other": [{"data": encoded(body())}]}},
    ],
    ids=["body", "time", "correlation", "header", "key in the body", "virtual host"],
)
def test_message_of_rabbitmq_without_an_id_is_another_email_if_it_differs(
    runtime: Runtime, ses: Emulator, other: dict[str, Any]
) -> None:
    for event in (unidentified(body()), other, other):
        assert handle(event, LambdaContext()) == {"records": 1}
    assert len(ses.calls()) == 2


@pytest.mark.parametrize(
    ("rename", "name"),
    [("physicalName", "physicalname"), ("physicalName", "nothing")],
)
def test_queue_of_activemq_is_read_in_either_spelling(
    runtime: Runtime, ses: Emulator, rename: str, name: str
) -> None:
    event = activemq(body())
    destination = event["messages"][0]["destination"]
    destination[name] = destination.pop(rename)
    assert handle(event, LambdaContext()) == {"records": 1}
    assert len(ses.inbox()) == 1


def test_number_and_its_text_are_one_key(runtime: Runtime, ses: Emulator) -> None:
    event = ckafka(body())
    handle(event, scf_context())
    record = event["Records"][0]["Ckafka"]
    record |= {"partition": "1", "offset": "0"}
    handle(event, scf_context())
    event = kafka({"emails-0": [body(subject="Two")]})
    handle(event, LambdaContext())
    event["records"]["emails-0"][0]["offset"] = "0"
    handle(event, LambdaContext())
    assert len(ses.calls()) == 2


def test_tdmq_event_alone_and_in_a_list_is_one_email(runtime: Runtime, ses: Emulator) -> None:
    batch = tdmq(body())
    handle(batch, scf_context())
    (alone,) = batch["EventList"]
    alone["specversion"] = "0"  # as an older page of the platform shows it
    alone["data"]["partition"] = alone["data"].pop("partitions")
    handle(alone, scf_context())
    assert len(ses.calls()) == 1


def test_tdmq_message_without_an_id_is_named_by_its_event(runtime: Runtime, ses: Emulator) -> None:
    event = tdmq(body())
    del event["EventList"][0]["data"]["msgId"]
    for _ in range(2):
        handle(event, scf_context())
    assert len(ses.calls()) == 1


def test_any_cloud_event_of_an_event_bus_is_read(runtime: Runtime, ses: Emulator) -> None:
    for _ in range(2):
        assert handle(cloud_event(body()), scf_context()) == {"records": 1}
    assert handle({"EventList": [cloud_event(body(), id="A-2"), 1]}, scf_context()) == {"records": 2}
    assert handle({"specversion": "1.0", "EventList": 1}, scf_context()) == {"records": 1}
    assert len(ses.calls()) == 2
    assert len(letters(runtime)) == 2


@pytest.mark.parametrize("ctx", [LambdaContext(), scf_context()], ids=["lambda", "scf"])
def test_direct_invocation_returns_the_receipt(runtime: Runtime, ses: Emulator, ctx: Any) -> None:
    first, again = handle(body(), ctx), handle(body(), ctx)  # a retry has the same request id
    (mail,) = ses.inbox()
    assert first == {
        "id": again["id"],
        "state": "accepted",
        "message_id": mail.ses_message_id,
        "request_id": first["request_id"],
        "replayed": False,
    }
    assert again["replayed"]


def test_native_body_is_a_direct_invocation_too(runtime: Runtime, ses: Emulator) -> None:
    native = sample_event("tencent/queue-invoke-native.json").payload
    assert handle(native, scf_context())["state"] == "accepted"


def test_direct_invocation_that_is_refused_returns_the_reason_and_is_dead_lettered(
    runtime: Runtime, ses: Emulator
) -> None:
    answer = handle(body(to="nobody"), LambdaContext())
    assert answer["code"] == "InvalidRequest"
    assert answer["errors"][0]["pointer"] == "/to"
    (letter,) = letters(runtime)
    assert json.loads(letter["body"])["to"] == "nobody"


def test_direct_invocation_raises_only_if_it_cannot_be_deferred(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert handle(body(idempotency_key="late"), LambdaContext(0.1))["state"] == "deferred"
    monkeypatch.setattr(runtime.ledger, "_backlog_max", 0)
    with pytest.raises(RedeliveryRequired, match="BacklogFull"):
        handle(body(idempotency_key="no room"), LambdaContext(0.1))
    assert ses.calls() == []


@pytest.mark.parametrize("source", ["cmq", "tdmq"])
def test_pushed_messages_that_cannot_be_sent_now_are_deferred(
    runtime: Runtime, ses: Emulator, source: str
) -> None:
    assert handle(BATCHES[source](body(), body(subject="Two")), scf_context(0.1)) == {"records": 2}
    assert len(runtime.ledger.store.client.zrange(runtime.ledger.store.key("due"), 0, -1)) == 2


@every_source
def test_bug_met_by_one_message_does_not_fail_the_others(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, log: io.StringIO, source: str
) -> None:
    original = runtime.ledger.admit

    def defective(attempt: Any, **options: Any) -> Any:
        if attempt.request.subject == "one":
            raise ZeroDivisionError
        return original(attempt, **options)

    monkeypatch.setattr(runtime.ledger, "admit", defective)
    answer = handle(BATCHES[source](body(subject="one"), body(subject="two")), context(source))
    assert subjects(ses) == ["two"]
    assert "ZeroDivisionError" in log.getvalue()
    if source == "sqs":
        assert failures(answer) == ["message-0"]
    else:
        assert letters(runtime)[0]["reason"] == {"code": "InternalError"}


def test_event_of_no_source_is_dead_lettered_whole(runtime: Runtime, ses: Emulator) -> None:
    event = {"detail-type": "Order", "detail": {"id": 1}}
    assert handle(event, LambdaContext())["code"] == "UnknownEvent"
    (letter,) = letters(runtime)
    assert json.loads(letter["body"]) == event


def test_every_source_has_an_ack_for_every_outcome() -> None:
    for source in SOURCES:
        assert all(isinstance(ack, Ack) for ack in source.ack_policy.values())
        assert source.defer is not DeferPolicy.NEVER


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
SAMPLES = [
    f"{cloud}/queue-{name}.json"
    for cloud, names in {
        "aws": (
            "sqs-fifo",
            "sqs-sns",
            "eventbridge-rule",
            "sns",
            "kafka-msk",
            "kinesis",
            "dynamodb",
            "activemq",
            "rabbitmq",
            "invoke",
        ),
        "tencent": ("ckafka", "cmq", "tdmq", "tdmq-list", "eventbridge", "invoke-native"),
    }.items()
    for name in names
]


@st.composite
def malformed(draw: st.DrawFn) -> Any:
    """A sample event with some of its values, anywhere, replaced or gone."""
    event = sample_event(draw(st.sampled_from(SAMPLES))).payload
    for _ in range(draw(st.integers(1, 3))):
        place: Any = event
        while isinstance(place, (dict, list)) and place:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if draw(st.booleans()) or not isinstance(place[key], (dict, list)):
                if draw(st.booleans()):
                    place[key] = draw(JSON)
                else:
                    del place[key]
                break
            place = place[key]
    return event


@pytest.fixture
def swift(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, ses: Emulator) -> Runtime:
    """A runtime whose SES refuses everything without delay: malformed events matter here, not emails."""
    monkeypatch.setattr(runtime.ledger, "_rate", math.inf)
    ses.add_fault("FailedOperation.WrongContentJson", times=None)
    return runtime


@given(event=malformed() | JSON)
def test_no_event_makes_the_handler_raise_what_it_should_not(swift: Runtime, event: Any) -> None:
    with suppress(RedeliveryRequired):
        assert json.loads(json.dumps(handle(event, LambdaContext(5)))) is not None
