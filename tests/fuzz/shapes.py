"""Shapes of events that no sample has: what else the functions may be given."""

from __future__ import annotations

import base64
import json
from typing import Any

from local.sample_events import SampleEvent

EMAIL = {
    "from": "Shop <noreply@mail.shop.example>",
    "to": ["olga@customer.example"],
    "subject": "Your receipt",
    "template": {"id": 100093, "data": {"name": "Olga", "message": "thank you."}},
}
_BODY = json.dumps(EMAIL)
_DATA = base64.b64encode(_BODY.encode()).decode()
_CLOUD_EVENT = {"specversion": "1.0", "id": "A-1", "source": "/shop", "type": "paid"}
_ITEM = {"digest": "daily", "recipient": "pavel@customer.example", "item": {"title": "A reply"}}
_AUTHORIZED = {"authorization": "Bearer demo-key", "content-type": "application/json"}


def _sqs(*bodies: Any, **attributes: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"059f36b4-{number}",
                "body": json.dumps(body),
                "attributes": {"ApproximateReceiveCount": "1", **attributes},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:ap-southeast-1:123456789012:emails",
            }
            for number, body in enumerate(bodies)
        ]
    }


def _http(path: str, body: Any, method: str = "POST") -> dict[str, Any]:
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": dict(_AUTHORIZED),
        "requestContext": {"http": http, "stage": "$default", "domainName": "id.lambda-url.example"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


SHAPES: dict[str, Any] = {
    "aws/http-options": _http("/emails", None, "OPTIONS"),
    "aws/http-head": _http("/health", None, "HEAD"),
    "aws/http-get-email": _http("/emails/u7elyk2bk5cxhjl37sjgmwm5mph74mtq", None, "GET"),
    "aws/http-cloud-event": _http("/emails", {**_CLOUD_EVENT, "data": EMAIL}),
    "aws/http-scheduled": _http("/emails", {**EMAIL, "send_at": "2100-01-01T00:00:00Z", "tags": {"a": "b"}}),
    "aws/http-head-email": _http("/emails/u7elyk2bk5cxhjl37sjgmwm5mph74mtq", None, "HEAD"),
    "aws/http-root-of-mapping": {**_http("/mail/", None, "GET"), "routeKey": "GET /"},
    "tencent/http-api-gateway-prefix": {
        "requestContext": {"serviceId": "service-1", "path": "/mailer", "httpMethod": "POST"},
        "headers": dict(_AUTHORIZED),
        "httpMethod": "POST",
        "path": "/mailer/emails/",
        "body": _BODY,
    },
    "aws/http-lattice": {
        "version": "2.0",
        "path": "/emails",
        "method": "POST",
        "headers": {name: [value] for name, value in _AUTHORIZED.items()},
        "body": _BODY,
        "requestContext": {"serviceNetworkArn": "arn:aws:vpc-lattice:x"},
    },
    "tencent/http-clb-base64": {
        "headers": {**_AUTHORIZED, "X-Method": "POST", "X-Uri": "/emails?a=1"},
        "payload": _DATA,
        "isBase64Encoded": "true",
    },
    "aws/queue-sqs-many": _sqs(*[EMAIL] * 10, {**_CLOUD_EVENT, "data_base64": _DATA}, _ITEM),
    "aws/queue-sqs-retried": _sqs({}, EMAIL, MessageGroupId="a", ApproximateReceiveCount="3"),
    "aws/queue-kafka-null": {
        "eventSource": "aws:kafka",
        "records": {
            "a-0": [{"topic": "a", "offset": 1, "value": None}, {"topic": "a", "offset": 2, "value": _DATA}]
        },
    },
    "aws/queue-pipes-transformed": [EMAIL, {**EMAIL, "idempotency_key": "order-1"}],
    "aws/queue-pipes-kafka": [
        {"eventSource": "aws:kafka", "eventSourceKey": "a-0", "topic": "a", "offset": 1, "value": _DATA}
    ],
    "aws/queue-invoke-digest-item": _ITEM,
    "tencent/queue-cloud-event-base64": {**_CLOUD_EVENT, "data_base64": _DATA},
    "tencent/queue-ckafka-fault": {
        "Records": [
            {
                "Ckafka": {
                    "topic": "a",
                    "partition": 0,
                    "offset": n,
                    "msgKey": "None",
                    "msgBody": json.dumps(EMAIL),
                }
            }
            for n in range(3)
        ]
    },
    "aws/schedule-plan": {"job": "plan", "digest": "daily", "scheduled_time": "2026-11-23T01:00:00Z"},
    "aws/schedule-unknown": {"job": "none"},
}


def shapes() -> list[SampleEvent]:
    """Return the shapes as events."""
    return [SampleEvent(name, payload) for name, payload in SHAPES.items()]
