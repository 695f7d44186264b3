"""What each sample event is, and each webhook scheme: the names of their rows in docs/compatibility.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.sample_events import sample_events

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

SENDERS = {
    "basic": "Any sender with HTTP Basic",
    "bearer": "Any sender with a bearer token",
    "github": "GitHub",
    "hmac": "Any sender with HMAC, by a table in `mailer.toml`",
    "hubspot": "HubSpot (v3)",
    "lemon-squeezy": "Lemon Squeezy",
    "mailgun": "Mailgun",
    "paddle": "Paddle",
    "shopify": "Shopify",
    "slack": "Slack",
    "standard-webhooks": "Standard Webhooks (Svix, Supabase)",
    "stripe": "Stripe",
    "token": "Any sender with `X-Webhook-Token`",
    "twilio": "Twilio",
}
_REST_API = "Amazon API Gateway, REST API (payload 1.0)"
_HTTP_API = "Amazon API Gateway, HTTP API (payload 2.0)"
_SCF_URL = "SCF function URL"
SOURCES = {
    "aws/http-alb-multi-value": "Application Load Balancer, multi-value headers",
    "aws/http-alb": "Application Load Balancer",
    "aws/http-api-gateway-v1-mapping": f"{_REST_API}, API mapping of a custom domain",
    "aws/http-api-gateway-v1": _REST_API,
    "aws/http-api-gateway-v2-get-email": _HTTP_API,
    "aws/http-api-gateway-v2-gzip": _HTTP_API,
    "aws/http-api-gateway-v2-mapping": f"{_HTTP_API}, API mapping of a custom domain",
    "aws/http-api-gateway-v2": _HTTP_API,
    "aws/http-batch": _HTTP_API,
    "aws/http-digest-items": _HTTP_API,
    "aws/http-function-url": "AWS Lambda function URL",
    "aws/http-vpc-lattice-v1": "Amazon VPC Lattice, version 1.0",
    "aws/http-vpc-lattice-v2": "Amazon VPC Lattice, version 2.0",
    "aws/queue-activemq": "Amazon MQ for ActiveMQ",
    "aws/queue-dynamodb": "Amazon DynamoDB stream",
    "aws/queue-eventbridge-rule": "Amazon EventBridge rule",
    "aws/queue-invoke": "AWS Lambda, direct invocation",
    "aws/queue-kafka-msk": "Apache Kafka, Amazon MSK",
    "aws/queue-kafka-self-managed": "Apache Kafka, self-managed",
    "aws/queue-kinesis": "Amazon Kinesis data stream",
    "aws/queue-pipes-kinesis": "Amazon EventBridge Pipes, from Kinesis",
    "aws/queue-pipes-sqs": "Amazon EventBridge Pipes, from SQS",
    "aws/queue-pipes-transformed": "Amazon EventBridge Pipes, what an input transformer makes",
    "aws/queue-rabbitmq": "Amazon MQ for RabbitMQ",
    "aws/queue-sns": "Amazon SNS",
    "aws/queue-sqs-eventbridge": "Amazon SQS, from an EventBridge rule",
    "aws/queue-sqs-fifo": "Amazon SQS, FIFO",
    "aws/queue-sqs-sns": "Amazon SQS, from SNS",
    "aws/queue-sqs": "Amazon SQS",
    "aws/schedule-digest-eventbridge": "Amazon EventBridge schedule",
    "aws/schedule-eventbridge": "Amazon EventBridge schedule",
    "tencent/http-api-gateway": "API Gateway of Tencent Cloud",
    "tencent/http-clb": "CLB of Tencent Cloud",
    "tencent/http-function-url-compatible": f"{_SCF_URL}, event of API Gateway",
    "tencent/http-function-url-get-docs": _SCF_URL,
    "tencent/http-function-url-get-health": _SCF_URL,
    "tencent/http-function-url-get-openapi": _SCF_URL,
    "tencent/http-function-url": _SCF_URL,
    "tencent/http-ses-events": "Callbacks of Tencent Cloud SES",
    "tencent/queue-ckafka": "CKafka",
    "tencent/queue-cmq": "CMQ",
    "tencent/queue-eventbridge": "EventBridge of Tencent Cloud",
    "tencent/queue-invoke-native": "SCF, direct invocation",
    "tencent/queue-tdmq-list": "TDMQ, a list of events",
    "tencent/queue-tdmq": "TDMQ",
    "tencent/schedule-digest-timer": "SCF timer",
    "tencent/schedule-timer": "SCF timer",
}
# The scheme of each webhook's sample.
WEBHOOKS = {
    "aws/http-webhook-github": "github",
    "aws/http-webhook-hubspot": "hubspot",
    "aws/http-webhook-shopify": "shopify",
    "aws/http-webhook-slack": "slack",
    "aws/http-webhook-standard": "standard-webhooks",
    "aws/http-webhook-stripe": "stripe",
    "tencent/http-webhook-token": "token",
    "tencent/http-webhook-twilio": "twilio",
}


def source(name: str) -> ParameterSet:
    """Return a sample's name as a parameter, whose tests are of its row; raises KeyError for one without."""
    stem = name.removesuffix(".json")
    note = f"[{stem.partition('/')[2]}](../events/{name})"
    if stem in WEBHOOKS:
        return sender(WEBHOOKS[stem], note, value=name)
    return pytest.param(name, marks=pytest.mark.compatible("Event sources", SOURCES[stem], note))


def sender(scheme: str, note: str = "", *, value: Any = None, package: str = "") -> ParameterSet:
    """Return a webhook scheme, or a value in its place, as a parameter whose tests are of its row."""
    mark = pytest.mark.compatible("Webhook senders", SENDERS[scheme], note, package=package)
    return pytest.param(scheme if value is None else value, marks=mark)


every_source = pytest.mark.parametrize("name", [source(event.name) for event in sample_events()])
