"""Events of every message source with given bodies: objects as JSON, text and bytes as they are."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from typing import Any

from local.sample_events import sample_event


def text(body: Any) -> Any:
    return json.dumps(body) if isinstance(body, (dict, list)) else body


def encoded(body: Any) -> str:
    raw = text(body)
    return base64.b64encode(raw if isinstance(raw, bytes) else raw.encode()).decode()


def sqs(*bodies: Any, group: str | None = None, first: int = 0, receive_count: int = 1) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(receive_count)}
    if group:
        attributes["MessageGroupId"] = group
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:ap-southeast-1:123456789012:emails",
                "body": text(one),
                "attributes": attributes,
            }
            for number, one in enumerate(bodies, first)
        ]
    }


def sns(body: Any) -> dict[str, Any]:
    event: dict[str, Any] = sample_event("aws/queue-sns.json").payload
    event["Records"][0]["Sns"]["Message"] = text(body)
    return event


def sns_in_sqs(body: Any, message: str = "95df01b4") -> dict[str, Any]:
    """The same notification as SQS delivers it unless raw delivery is on."""
    topic = "arn:aws:sns:ap-southeast-1:123456789012:orders"
    envelope = {"Type": "Notification", "MessageId": message, "TopicArn": topic, "Message": text(body)}
    return sqs(envelope)


def kafka(partitions: dict[str, list[Any]], first: int = 0) -> dict[str, Any]:
    """Records for partitions such as `emails-0`."""
    return {
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:ap-southeast-1:123456789012:cluster/shop/8b1f2c3d-2",
        "records": {
            name: [
                {
                    "topic": name.rpartition("-")[0],
                    "partition": int(name.rpartition("-")[2]),
                    "offset": offset,
                    "value": encoded(one),
                }
                for offset, one in enumerate(bodies, first)
            ]
            for name, bodies in partitions.items()
        },
    }


def kinesis(*bodies: Any, first: int = 0, shard: int = 0) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:kinesis",
                "eventID": f"shardId-{shard:012}:4959{number:052}",
                "eventSourceARN": "arn:aws:kinesis:ap-southeast-1:123456789012:stream/emails",
                "kinesis": {
                    "partitionKey": "order",
                    "sequenceNumber": f"4959{number:052}",
                    "data": encoded(one),
                    "approximateArrivalTimestamp": 1795574726.091,
                },
            }
            for number, one in enumerate(bodies, first)
        ]
    }


def typed(value: Any) -> dict[str, Any]:
    """Return a value as DynamoDB writes it in its streams."""
    if isinstance(value, dict):
        return {"M": typed_item(value)}
    if isinstance(value, list):
        return {"L": [typed(one) for one in value]}
    if isinstance(value, bool):
        return {"BOOL": value}
    if value is None:
        return {"NULL": True}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def typed_item(value: dict[str, Any]) -> dict[str, Any]:
    return {name: typed(one) for name, one in value.items()}


def dynamodb(*items: Any, name: str = "INSERT", first: int = 0) -> dict[str, Any]:
    """Changes that bring `items`; one that is no object stands in the event as it is."""
    return {
        "Records": [
            {
                "eventSource": "aws:dynamodb",
                "eventName": name,
                "eventID": f"{number:032x}",
                "eventSourceARN": (
                    "arn:aws:dynamodb:ap-southeast-1:123456789012:table/emails/stream/2026-11-23T00:48:05.899"
                ),
                "dynamodb": {
                    "Keys": {"idempotency_key": {"S": str(number)}},
                    "NewImage": typed_item(one) if isinstance(one, dict) else one,
                    "SequenceNumber": f"{number:021}",
                },
            }
            for number, one in enumerate(items, first)
        ]
    }


def kinesis_pipe(*bodies: Any) -> list[dict[str, Any]]:
    """The same records as EventBridge Pipes delivers them."""
    records = kinesis(*bodies)["Records"]
    return [{**record, **record.pop("kinesis")} for record in records]


def kafka_pipe(*bodies: Any) -> list[dict[str, Any]]:
    event = kafka({"emails-0": list(bodies)})
    common = {name: event[name] for name in ("eventSource", "eventSourceArn")}
    return [{**common, "eventSourceKey": "emails-0", **record} for record in event["records"]["emails-0"]]


def activemq(*bodies: Any) -> dict[str, Any]:
    messages = [
        {"messageID": f"ID:{number}", "destination": {"physicalName": "emails"}, "data": encoded(one)}
        for number, one in enumerate(bodies)
    ]
    return {"eventSource": "aws:mq", "messages": messages}


def rabbitmq(*bodies: Any, identified: bool = True) -> dict[str, Any]:
    messages = [
        {"basicProperties": {"messageId": str(number) if identified else None}, "data": encoded(one)}
        for number, one in enumerate(bodies)
    ]
    return {"eventSource": "aws:rmq", "rmqMessagesByQueue": {"emails::/": messages}}


def ckafka(*bodies: Any, first: int = 0, partition: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "Ckafka": {
                    "topic": "emails",
                    "partition": partition,
                    "offset": number,
                    "msgKey": "None",
                    "msgBody": text(one),
                }
            }
            for number, one in enumerate(bodies, first)
        ]
    }


def cmq(*bodies: Any) -> dict[str, Any]:
    return {
        "Records": [
            {"CMQ": {"type": "topic", "topicName": "emails", "msgId": str(number), "msgBody": text(one)}}
            for number, one in enumerate(bodies)
        ]
    }


def tdmq(*bodies: Any, topic_type: str = "0") -> dict[str, Any]:
    alone = sample_event("tencent/queue-tdmq.json").payload
    events = []
    for number, one in enumerate(bodies):
        event = deepcopy(alone)
        event["data"] |= {"msgId": f"1482:{number}", "msgBody": text(one), "TopicType": topic_type}
        events.append(event)
    return {"EventList": events}


def cloud_event(data: Any, **fields: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "A-1", "source": "/shop", "type": "paid", "data": data, **fields}


def rule_event(detail: Any, **fields: Any) -> dict[str, Any]:
    """An event as a rule of Amazon EventBridge passes it on."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "Order paid",
        "source": "shop.orders",
        "account": "123456789012",
        "time": "2026-11-23T09:00:00Z",
        "region": "ap-southeast-1",
        "resources": [],
        "detail": detail,
        **fields,
    }


def failures(answer: dict[str, Any]) -> list[Any]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
