"""What each message source reads out of an event of its platform, field by field."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from mailer.email.identity import PlatformKey
from mailer.triggers.amazon_mq import ACTIVEMQ, RABBITMQ
from mailer.triggers.ckafka import CKAFKA
from mailer.triggers.cmq import CMQ
from mailer.triggers.dynamodb import DYNAMODB
from mailer.triggers.eventbridge import EVENTBRIDGE
from mailer.triggers.fields import (
    arn_name,
    arn_resource,
    as_int,
    as_object,
    as_objects,
    as_text,
    from_base64,
    message_key,
)
from mailer.triggers.invoke import request_id
from mailer.triggers.kafka import KAFKA
from mailer.triggers.kinesis import KINESIS
from mailer.triggers.messages import Message, MessageSource
from mailer.triggers.sns import SNS
from mailer.triggers.sqs import SQS

BODY = '{"to": "ann@customer.example"}'
ENCODED = base64.b64encode(BODY.encode()).decode()
NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "n-1",
    "TopicArn": "arn:aws:sns:eu:1:orders",
    "Message": BODY,
}


def sqs_record(**fields: Any) -> dict[str, Any]:
    return {"eventSource": "aws:sqs", "messageId": "m-1", "body": BODY, **fields}


def kafka_event(records: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"eventSource": "aws:kafka", "records": records, **fields}


# The keys are texts that earlier versions stored: under another text, a redelivery is sent again.
READ: list[tuple[MessageSource, dict[str, Any], Message]] = [
    (
        SQS,
        {
            "Records": [
                sqs_record(
                    eventSourceARN="arn:aws:sqs:eu:1:emails",
                    attributes={"MessageGroupId": "g", "ApproximateReceiveCount": "3"},
                )
            ]
        },
        Message("sqs:m-1", BODY, {"source": "sqs", "queue": "emails"}, "g", 3, "m-1"),
    ),
    (
        SQS,
        {"Records": [sqs_record()]},
        Message("sqs:m-1", BODY, {"source": "sqs", "queue": ""}, item_identifier="m-1"),
    ),
    (
        SQS,
        {"Records": [sqs_record(body=json.dumps(NOTIFICATION), eventSourceARN="arn:aws:sqs:eu:1:emails")]},
        Message(
            "sns:n-1", BODY, {"source": "sqs", "queue": "emails", "topic": "orders"}, item_identifier="m-1"
        ),
    ),
    (
        SNS,
        {"Records": [{"EventSource": "aws:sns", "Sns": NOTIFICATION}]},
        Message("sns:n-1", BODY, {"source": "sns", "topic": "orders"}),
    ),
    (SNS, {"Records": [{"EventSource": "aws:sns"}]}, Message(None, None, {"source": "sns", "topic": ""})),
    (
        KAFKA,
        kafka_event(
            {
                "orders-new-4": [
                    {
                        "topic": "orders-new",
                        "offset": "17",
                        "timestamp": 5,
                        "key": "a2V5",
                        "value": ENCODED,
                        "headers": [{"z": [1], "a": [2]}],
                    }
                ]
            },
            eventSourceArn="arn:aws:kafka:eu:1:cluster/shop",
            bootstrapServers="b:9092",
        ),
        Message(
            "kafka:arn:aws:kafka:eu:1:cluster/shop:orders-new-4:17:84e6e91e2a17ab9ba4b74fdd4350a4d7",
            BODY.encode(),
            {"source": "kafka", "topic": "orders-new"},
            "orders-new-4",
            item_identifier={"partition": "orders-new-4", "offset": 17},
            old_key="kafka:arn:aws:kafka:eu:1:cluster/shop:orders-new-4:17",
        ),
    ),
    (
        KAFKA,
        kafka_event(
            {"orders-new-4": [{"offset": 0, "value": "no base64"}]},
            eventSource="SelfManagedKafka",
            bootstrapServers="b:9092, a:9092",
        ),
        Message(
            "kafka:a:9092,b:9092:orders-new-4:0:6c62f45c1e900df9b698ec658216c9e6",
            "no base64",
            {"source": "kafka", "topic": "orders-new"},
            "orders-new-4",
            item_identifier={"partition": "orders-new-4", "offset": 0},
            old_key="kafka::orders-new-4:0",
        ),
    ),
    (
        KINESIS,
        {
            "Records": [
                {
                    "eventSource": "aws:kinesis",
                    "eventID": "shardId-6:4959",
                    "eventSourceARN": "arn:aws:kinesis:eu:1:stream/orders/consumer/mailer:1795574726",
                    "kinesis": {
                        "partitionKey": "p",
                        "sequenceNumber": "4959",
                        "data": ENCODED,
                        "approximateArrivalTimestamp": 1545084650.987,
                    },
                }
            ]
        },
        Message(
            "kinesis:arn:aws:kinesis:eu:1:stream/orders:shardId-6:4959:e480c53efebb4a985cbbeb3f1ba91ffa",
            BODY.encode(),
            {"source": "kinesis", "topic": "orders"},
            "arn:aws:kinesis:eu:1:stream/orders:shardId-6",
            item_identifier="4959",
        ),
    ),
    (
        KINESIS,
        {"Records": [{"eventSource": "aws:kinesis"}]},
        Message(None, None, {"source": "kinesis", "topic": ""}, ":"),
    ),
    (
        DYNAMODB,
        {
            "Records": [
                {
                    "eventSource": "aws:dynamodb",
                    "eventName": "MODIFY",
                    "eventID": "c81e",
                    "eventSourceARN": "arn:aws:dynamodb:eu:1:table/orders/stream/2026-11-23T00:48:05.899",
                    "dynamodb": {
                        "Keys": {"id": {"N": "101"}},
                        "OldImage": {"id": {"N": "101"}},
                        "NewImage": {"id": {"N": "101"}, "to": {"S": "ann@customer.example"}},
                        "SequenceNumber": "222",
                    },
                }
            ]
        },
        Message(
            "dynamodb:arn:aws:dynamodb:eu:1:table/orders/stream/2026-11-23T00:48:05.899:c81e",
            {
                "eventName": "MODIFY",
                "Keys": {"id": 101},
                "NewImage": {"id": 101, "to": "ann@customer.example"},
                "OldImage": {"id": 101},
            },
            {"source": "dynamodb", "topic": "orders"},
            "arn:aws:dynamodb:eu:1:table/orders/stream/2026-11-23T00:48:05.899",
            item_identifier="222",
        ),
    ),
    (
        DYNAMODB,
        {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": []}]},
        Message(
            None,
            {"eventName": None, "Keys": None, "NewImage": None, "OldImage": None},
            {"source": "dynamodb", "topic": ""},
            "",
        ),
    ),
    (
        CKAFKA,
        {
            "Records": [
                {"Ckafka": {"topic": "t", "partition": 2, "offset": 9, "msgKey": "k", "msgBody": BODY}}
            ]
        },
        Message(
            "ckafka:t:2:9:1f887f92b85a59212c18b9407a478d5e",
            BODY,
            {"source": "ckafka", "topic": "t"},
            "t:2",
            old_key="ckafka:t:2:9",
        ),
    ),
    (
        CKAFKA,
        {"Records": [{"Ckafka": {"topic": "t", "Partition": "3", "offset": "9"}}]},
        Message(
            "ckafka:t:3:9:6d9695b0f6f0de8c737c15a199b16580",
            None,
            {"source": "ckafka", "topic": "t"},
            "t:3",
            old_key="ckafka:t:3:9",
        ),
    ),
    (
        CMQ,
        {"Records": [{"CMQ": {"topicName": "t", "msgId": 5, "msgBody": BODY}}]},
        Message("cmq:t:5", BODY, {"source": "cmq", "queue": "t", "topic": "t"}),
    ),
    (
        ACTIVEMQ,
        {
            "eventSource": "aws:mq",
            "messages": [{"messageID": "i", "data": ENCODED, "destination": {"physicalName": "q"}}],
        },
        Message("activemq:i", BODY.encode(), {"source": "activemq", "queue": "q"}),
    ),
    (
        ACTIVEMQ,
        {"eventSource": "aws:mq", "messages": [{"destination": {"physicalname": "q"}}]},
        Message(None, None, {"source": "activemq", "queue": "q"}),
    ),
    (
        RABBITMQ,
        {
            "eventSource": "aws:rmq",
            "rmqMessagesByQueue": {
                "a::b::/": [{"data": ENCODED, "basicProperties": {"messageId": "i"}}],
            },
        },
        Message("rabbitmq:a::b::/:i", BODY.encode(), {"source": "rabbitmq", "queue": "a::b"}),
    ),
    (
        RABBITMQ,
        {"eventSource": "aws:rmq", "rmqMessagesByQueue": {"q": [{}]}},
        Message(
            "rabbitmq:q:sha256:3ef3e26e162a82a570eafc7b7793ccaf", None, {"source": "rabbitmq", "queue": "q"}
        ),
    ),
    (
        EVENTBRIDGE,
        {
            "specversion": "1.0",
            "source": "s",
            "id": "e",
            "data": {"topic": "p/t", "partitions": 1, "msgId": "i", "msgBody": BODY, "TopicType": "2"},
        },
        Message("tdmq:p/t:i", BODY, {"source": "tdmq", "topic": "t"}, "p/t:1"),
    ),
    (
        EVENTBRIDGE,
        {
            "EventList": [
                {
                    "source": "s",
                    "id": "e",
                    "data": {"topic": "p/t", "partition": 1, "msgBody": "", "TopicType": 1},
                }
            ]
        },
        Message("cloudevent:s:e", "", {"source": "tdmq", "topic": "t"}, "p/t:"),
    ),
    (
        EVENTBRIDGE,
        {"EventList": [{"data": {"topic": "t", "partition": 7, "msgBody": BODY, "TopicType": "2"}}]},
        Message(None, BODY, {"source": "tdmq", "topic": "t"}, "t:7"),
    ),
    (
        EVENTBRIDGE,
        {"EventList": [{"data": {"topic": "t", "msgId": 1, "msgBody": BODY, "TopicType": "0"}}]},
        Message("tdmq:t:1", BODY, {"source": "tdmq", "topic": "t"}),
    ),
    (
        EVENTBRIDGE,
        {"specversion": "1.0", "source": "s", "id": "e", "data": {"to": "a"}},
        Message("cloudevent:s:e", {"specversion": "1.0", "source": "s", "id": "e", "data": {"to": "a"}}),
    ),
    (
        EVENTBRIDGE,
        {"detail-type": "paid", "source": "s", "id": "e", "detail": None},
        Message("eventbridge:s:e", {"detail-type": "paid", "source": "s", "id": "e", "detail": None}),
    ),
]


@pytest.mark.parametrize(("source", "event", "message"), READ, ids=[source.trigger for source, _, _ in READ])
def test_message_has_what_its_event_says(
    source: MessageSource, event: dict[str, Any], message: Message
) -> None:
    assert source.matches(event)
    assert source.messages(event) == [message]


@pytest.mark.parametrize(
    ("source", "event"),
    [
        (SQS, {"Records": [{"eventSource": "aws:sns"}]}),
        (SNS, {"Records": [{"EventSource": "aws:sqs"}]}),
        (KAFKA, {"eventSource": "aws:kafka", "records": []}),
        (KAFKA, {"eventSource": "aws:mq", "records": {}}),
        (KINESIS, {"Records": [{"eventSource": "aws:dynamodb"}]}),
        (DYNAMODB, {"Records": [{"eventSource": "aws:kinesis"}]}),
        (CKAFKA, {"Records": [{"Ckafka": "text"}]}),
        (CMQ, {"Records": [{"CMQ": None}]}),
        (ACTIVEMQ, {"eventSource": "aws:mq", "messages": {}}),
        (ACTIVEMQ, {"eventSource": "aws:rmq", "messages": []}),
        (RABBITMQ, {"eventSource": "aws:rmq", "rmqMessagesByQueue": []}),
        (RABBITMQ, {"eventSource": "aws:mq", "rmqMessagesByQueue": {}}),
        (EVENTBRIDGE, {"EventList": {}}),
        (EVENTBRIDGE, {"source": "s", "id": "e", "data": {}}),
        (EVENTBRIDGE, {"detail-type": "paid", "source": "s", "id": "e"}),
        (EVENTBRIDGE, {"detail-type": "paid", "source": "", "id": "e", "detail": {}}),
        (EVENTBRIDGE, {"detail-type": "paid", "source": "s", "id": 5, "detail": {}}),
    ],
    ids=lambda value: value.trigger if isinstance(value, MessageSource) else "",
)
def test_event_of_another_shape_is_left_to_other_sources(
    source: MessageSource, event: dict[str, Any]
) -> None:
    assert not source.matches(event)
    others: list[Any] = [{}, None, [], "text", {"Records": None}]
    assert not any(map(source.matches, others))


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({**NOTIFICATION, "Type": "Other", "kind": "Notification"}),
        json.dumps({name: value for name, value in NOTIFICATION.items() if name != "TopicArn"}),
        '"Notification"',
        "Notification",
        NOTIFICATION,
    ],
)
def test_only_a_whole_envelope_is_a_notification(body: Any) -> None:
    (message,) = SQS.messages({"Records": [sqs_record(body=body)]})
    assert (message.key, message.body) == ("sqs:m-1", body)
    assert message.origin == {"source": "sqs", "queue": ""}


def test_fields_of_an_event_are_read_whatever_they_hold() -> None:
    assert (as_object({"a": 1}), as_object([1]), as_object(None)) == ({"a": 1}, {}, {})
    assert (as_objects([{"a": 1}, 2]), as_objects({"a": 1})) == ([{"a": 1}, {}], [])
    assert [as_text(value) for value in ("a", 5, True, None, 1.5, "\ud800")] == [
        "a",
        "5",
        "",
        "",
        "",
        "\\ud800",
    ]
    assert [as_int(value) for value in (5, "05", "9" * 19, "9" * 20, "-1", "\u0665", "", None)] == [
        5, 5, 10**19 - 1, None, None, None, None, None,
    ]  # fmt: skip
    assert (message_key("t", "a", 0), message_key("t", "a", None), message_key("t")) == ("t:a:0", None, "t")
    assert (arn_name("a:b:c"), arn_name("c"), arn_name(None)) == ("c", "c", "")
    arns = ("a:stream/s", "a:stream/s/consumer/c:1", "a:table/t/stream/2026-11-23T00:48:05.899", "t", None)
    assert [arn_resource(arn) for arn in arns] == ["s", "s", "t", "t", ""]
    assert [from_base64(value) for value in ("YQ==", "Y Q==", "YQ", 5)] == [b"a", "Y Q==", "YQ", 5]


def test_key_of_version_0_1_0_belongs_to_the_messages_own_key() -> None:
    """A body that brings a key, such as a CloudEvent's, had the same one in that version."""
    message = Message("kafka:c:t-0:1:hash", b"", old_key="kafka:c:t-0:1")
    assert message.platform_key("kafka:c:t-0:1:hash") == PlatformKey("kafka:c:t-0:1:hash", "kafka:c:t-0:1")
    assert message.platform_key("cloudevent:s:e") == PlatformKey("cloudevent:s:e", None)
    assert message.platform_key(None) is None


def test_invocation_is_named_by_its_platform() -> None:
    class Context:
        aws_request_id = "lambda-1"

    assert request_id(Context()) == "lambda-1"
    assert request_id({"request_id": "scf-1", "aws_request_id": "other"}) == "scf-1"
    fresh = [request_id(context) for context in (None, object(), {}, {"request_id": ""})]
    assert all(isinstance(name, str) and name for name in fresh)
    assert len(set(fresh)) == len(fresh)


@pytest.mark.parametrize("identifier", [float("nan"), "\ud800", None, {"a": 1}, 7])
def test_identifier_that_is_no_text_is_one_that_json_can_say(identifier: Any) -> None:
    (message,) = SQS.messages({"Records": [{"eventSource": "aws:sqs", "messageId": identifier}]})
    assert SQS.partial_response
    text = json.dumps(SQS.partial_response([message]), ensure_ascii=False, allow_nan=False)
    assert text.encode()
