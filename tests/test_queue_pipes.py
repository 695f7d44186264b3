"""Amazon EventBridge Pipes: lists of records, and of what an input transformer made of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body
from mailer.errors import ConfigurationError
from mailer.triggers.messages import RedeliveryRequired
from mailer.triggers.queue import handle
from queue_events import (
    activemq,
    dynamodb,
    failures,
    kafka,
    kafka_pipe,
    kinesis,
    kinesis_pipe,
    rabbitmq,
    sqs,
)

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

REFUSED = body(template={"id": 999999})


def activemq_pipe(*bodies: Any) -> list[dict[str, Any]]:
    return [{"eventSource": "aws:amq", **message} for message in activemq(*bodies)["messages"]]


def rabbitmq_pipe(*bodies: Any) -> list[dict[str, Any]]:
    messages = rabbitmq(*bodies)["rmqMessagesByQueue"]["emails::/"]
    return [{"eventSource": "aws:rmq", "eventSourceKey": "emails::/", **message} for message in messages]


# What a pipe delivers, the same messages as an event source mapping delivers them, and what it is answered.
PIPES: dict[str, tuple[Any, Any, Any]] = {
    "sqs": (lambda *one: sqs(*one)["Records"], sqs, {"batchItemFailures": []}),
    "kinesis": (kinesis_pipe, kinesis, {"batchItemFailures": []}),
    "dynamodb": (lambda *one: dynamodb(*one)["Records"], dynamodb, {"batchItemFailures": []}),
    "kafka": (kafka_pipe, lambda *one: kafka({"emails-0": list(one)}), {"records": 2}),
    "activemq": (activemq_pipe, activemq, {"records": 2}),
    "rabbitmq": (rabbitmq_pipe, rabbitmq, {"records": 2}),
}


PIPE_SOURCES = {
    "sqs": "SQS",
    "kinesis": "Kinesis",
    "dynamodb": "DynamoDB",
    "kafka": "Apache Kafka",
    "activemq": "ActiveMQ",
    "rabbitmq": "RabbitMQ",
}


def pipe(source: str) -> ParameterSet:
    subject = f"Amazon EventBridge Pipes, from {PIPE_SOURCES[source]}"
    return pytest.param(source, marks=pytest.mark.compatible("Event sources", subject))


def subjects(ses: Emulator) -> list[str]:
    return sorted(mail.subject for mail in ses.inbox())


@pytest.mark.parametrize("source", [pipe(source) for source in PIPES])
def test_record_is_one_email_through_a_pipe_and_through_a_mapping(
    runtime: Runtime, ses: Emulator, source: str
) -> None:
    pipe, mapping, answer = PIPES[source]
    bodies = (body(subject="one"), body(subject="two"))
    for _ in range(2):
        assert handle(pipe(*bodies), LambdaContext()) == answer
    handle(mapping(*bodies), LambdaContext())
    assert subjects(ses) == ["one", "two"]
    assert len(ses.calls()) == 2


@pytest.mark.parametrize("source", sorted(PIPES.keys() - {"sqs"}))
def test_refused_record_is_a_dead_letter(runtime: Runtime, ses: Emulator, source: str) -> None:
    pipe, _, answer = PIPES[source]
    assert handle(pipe(REFUSED, body(subject="good")), LambdaContext()) == answer
    (letter,) = runtime.ledger.dead_letters()
    assert json.loads(letter["reason"])["code"] == "FailedOperation.InvalidTemplateID"
    assert subjects(ses) == ["good"]


def test_refused_message_of_sqs_goes_to_the_dead_letter_queue_of_its_queue(
    runtime: Runtime, ses: Emulator
) -> None:
    assert failures(handle(sqs(REFUSED, body())["Records"], LambdaContext())) == ["message-0"]
    assert runtime.ledger.dead_letters() == []
    assert len(ses.inbox()) == 1


@pytest.mark.parametrize("source", ["kinesis", "dynamodb"])
def test_records_of_a_stream_are_returned_by_their_event_ids(
    runtime: Runtime, ses: Emulator, source: str
) -> None:
    ses.add_fault("FailedOperation.ServiceNotAvailable", times=None, recipient="b*@customer.example")
    records = PIPES[source][0](body(), body(to="b@customer.example"), body(subject="late"))
    found = failures(handle(records, LambdaContext(4)))
    assert found == [record["eventID"] for record in records[1:]]
    assert subjects(ses) == ["Your code"]


@pytest.mark.parametrize("source", ["kafka", "activemq", "rabbitmq"])
def test_batch_of_another_source_is_redelivered_as_a_whole(
    runtime: Runtime, ses: Emulator, source: str
) -> None:
    with pytest.raises(RedeliveryRequired, match="2 of 2"):
        handle(PIPES[source][0](body(), body(subject="Two")), LambdaContext(1))
    assert ses.calls() == []


def test_request_that_a_transformer_made_needs_a_key(runtime: Runtime, ses: Emulator) -> None:
    keyed, bare = body(idempotency_key="order-1"), body(subject="bare")
    for _ in range(2):
        assert handle([keyed, bare, "text"], LambdaContext()) == {"records": 3}
    assert subjects(ses) == ["Your code"]
    reasons = [json.loads(letter["reason"]) for letter in runtime.ledger.dead_letters()]
    assert [reason["code"] for reason in reasons] == ["InvalidRequest", "InvalidRequest"]
    assert [
        {
            "pointer": "/idempotency_key",
            "detail": "is required: the message has no identity that lasts over redeliveries",
        }
    ] in [reason["errors"] for reason in reasons]


def test_record_without_its_identifier_makes_the_pipe_deliver_all_again(
    runtime: Runtime, ses: Emulator
) -> None:
    assert failures(handle([{"eventSource": "aws:sqs", "body": "{not json"}], LambdaContext())) == [None]
    (record,) = kinesis_pipe(body())
    del record["eventID"]
    assert failures(handle([record], LambdaContext(1))) == [None]


@pytest.mark.parametrize("event", [[], [1, "a", None], [[]]])
def test_list_without_an_object_is_of_no_source(runtime: Runtime, ses: Emulator, event: Any) -> None:
    assert handle(event, LambdaContext())["code"] == "UnknownEvent"


def test_wrong_setting_returns_the_whole_batch(
    environment: dict[str, str], ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_RATE", "fast")
    assert failures(handle(sqs(body())["Records"], LambdaContext())) == ["message-0"]
    with pytest.raises(ConfigurationError, match="MAILER_RATE"):
        handle(kafka_pipe(body()), LambdaContext())
