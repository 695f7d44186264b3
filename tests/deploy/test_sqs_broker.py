"""The queue function behind a real broker: SQS polls, hands over batches, takes answers, fills the DLQs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aws_stack import DEAD, ORDERED, STANDARD
from background import wait_until
from factories import EMAIL
from local.ses_emulator.templates import Template

if TYPE_CHECKING:
    from aws_stack import Aws, Json
    from local.ses_emulator import Emulator

pytestmark = [
    pytest.mark.lambda_runtime,
    pytest.mark.compatible("Platforms", "AWS, a queue of SQS and its DLQ", "emulator", package="ministack"),
]

COMING = Template(id=100999, name="coming", text="{{code}}")


def email(name: str, **fields: object) -> str:
    return json.dumps(
        {**EMAIL, "to": f"{name}@customer.example", "subject": name, "idempotency_key": name, **fields}
    )


def count(broker: Aws, queue: str) -> int:
    """How many messages a queue holds, those that are being handled included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    query = {"QueueUrl": broker.outputs[queue], "AttributeNames": names}
    attributes = broker.call("AmazonSQS.GetQueueAttributes", query)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def take(broker: Aws, queue: str) -> list[str]:
    """Take the messages out of a queue and return their bodies."""
    query = {"QueueUrl": broker.outputs[queue], "MaxNumberOfMessages": 10}
    messages: list[Json] = broker.call("AmazonSQS.ReceiveMessage", query)["Messages"]
    for message in messages:
        handle = {"QueueUrl": broker.outputs[queue], "ReceiptHandle": message["ReceiptHandle"]}
        broker.call("AmazonSQS.DeleteMessage", handle)
    return [message["Body"] for message in messages]


def test_broker_gets_its_bad_messages_back_and_no_other(deployed: Aws, ses: Emulator) -> None:
    # A batch with one poison message, and one whose template SES does not have yet.
    good = {f"good{number}": email(f"good{number}") for number in range(6)}
    early = email("early", template={"id": COMING.id})
    deployed.send({**good, "poison": "{", "early": early})
    wait_until(
        lambda: (count(deployed, STANDARD), count(deployed, DEAD)) == (0, 2),
        "the two are not dead letters",
        patience=90,
    )
    assert len(ses.inbox()) == len(good)

    # Once the template is there, they are redriven: as new messages under new ids, as SQS does it.
    ses.add_template(COMING)
    dead = take(deployed, DEAD)
    assert sorted(dead) == sorted(["{", early])
    for _ in range(2):
        deployed.send({**{str(number): body for number, body in enumerate(dead)}, **good})
        wait_until(
            lambda: (count(deployed, STANDARD), count(deployed, DEAD)) == (0, 1),
            "the poison is not dead again",
            patience=90,
        )
        assert take(deployed, DEAD) == ["{"]
    assert sorted(mail.subject for mail in ses.inbox()) == ["early", *good]
    assert sorted(ses.stats()["acceptances"].values()) == [1] * 7


def test_group_of_the_broker_arrives_in_order(deployed: Aws, ses: Emulator) -> None:
    for fault in ("RequestLimitExceeded", "FailedOperation.ServiceNotAvailable"):
        ses.add_fault(fault, recipient="fifo[13]@customer.example")
    for number in range(5):
        message = {"MessageBody": email(f"fifo{number}"), "MessageGroupId": "one"}
        deployed.call("AmazonSQS.SendMessage", {"QueueUrl": deployed.outputs[ORDERED], **message})
    wait_until(lambda: ses.inbox(to="fifo4@customer.example"), "the group did not arrive")
    assert [mail.subject for mail in ses.inbox()] == [f"fifo{number}" for number in range(5)]
