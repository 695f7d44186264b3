"""Order is kept where the platform promises it: groups of SQS FIFO, partitions of Kafka, CKafka and TDMQ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body, scf_context
from mailer.errors import StoreUnavailable
from mailer.triggers.messages import RedeliveryRequired
from mailer.triggers.queue import handle
from queue_events import ckafka, failures, kafka, sqs, tdmq

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

ORDERED: dict[str, tuple[Callable[[list[Any]], dict[str, Any]], Any]] = {
    "fifo": (lambda bodies: sqs(*bodies, group="one"), LambdaContext(30)),
    "kafka": (lambda bodies: kafka({"emails-0": bodies}), LambdaContext(30)),
    "ckafka": (lambda bodies: ckafka(*bodies), scf_context(30)),
    "tdmq": (lambda bodies: tdmq(*bodies, topic_type="2"), scf_context(30)),
}


def mails(lane: str, count: int) -> list[dict[str, Any]]:
    """Emails of one lane, each to somebody else so that no recipient's limit is met."""
    return [
        body(to=f"{lane}-{number}@customer.example", subject=f"{lane} {number}") for number in range(count)
    ]


def sent(ses: Emulator, lane: str) -> list[str]:
    return [mail.subject for mail in ses.inbox() if mail.subject.startswith(f"{lane} ")]


def comes_again(batch: dict[str, Any], context: Any) -> bool:
    """Deliver a batch, and tell whether its platform would deliver something of it once more."""
    try:
        return bool(handle(batch, context).get("batchItemFailures"))
    except RedeliveryRequired:
        return True


@pytest.mark.parametrize("source", ORDERED)
def test_lane_arrives_in_order_under_transient_faults(runtime: Runtime, ses: Emulator, source: str) -> None:
    event, context = ORDERED[source]
    for fault in ("RequestLimitExceeded", "FailedOperation.ServiceNotAvailable"):
        ses.add_fault(fault, recipient="a-[13]@customer.example")
    batch = mails("a", 5)
    answer = handle(event(batch), context)
    assert answer in ({"batchItemFailures": []}, {"records": 5})
    assert sent(ses, "a") == [f"a {number}" for number in range(5)]
    assert len(ses.calls()) == 7


def test_groups_and_partitions_do_not_wait_for_each_other(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("RequestLimitExceeded", recipient="b-0@customer.example")
    batch = kafka({f"emails-{number}": mails(lane, 3) for number, lane in enumerate("abc")})
    assert failures(handle(batch, LambdaContext())) == []
    for lane in "abc":
        assert sent(ses, lane) == [f"{lane} {number}" for number in range(3)]


@pytest.mark.parametrize("source", ["fifo", "kafka", "ckafka"])
def test_fault_that_outlasts_the_time_stops_the_lane_until_it_is_delivered_again(
    runtime: Runtime, ses: Emulator, source: str
) -> None:
    event, context = ORDERED[source]
    short = scf_context(3) if source == "ckafka" else LambdaContext(3)
    ses.add_fault("FailedOperation.ServiceNotAvailable", times=5, recipient="a-1@customer.example")
    batch = event(mails("a", 4))
    while comes_again(batch, short):
        assert len(ses.calls()) < 20
    assert sent(ses, "a") == [f"a {number}" for number in range(4)]
    assert ses.stats()["duplicates"] == 0
    assert handle(batch, context) in ({"batchItemFailures": []}, {"records": 4})
    assert len(ses.inbox()) == 4


def test_email_put_off_for_its_recipient_holds_up_no_partition(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.FrequencyLimit", recipient="a-0@customer.example")
    assert handle(ckafka(*mails("a", 3)), scf_context()) == {"records": 3}
    assert sent(ses, "a") == ["a 1", "a 2"]


def test_refused_message_stops_its_group_once_and_then_lets_the_others_pass(
    runtime: Runtime, ses: Emulator
) -> None:
    bodies = ["{not json", *mails("a", 2)]
    first = handle(sqs(*bodies, group="one"), LambdaContext())
    assert failures(first) == ["message-0", "message-1", "message-2"]
    assert ses.inbox() == []
    again = handle(sqs(*bodies, group="one", receive_count=2), LambdaContext())
    assert failures(again) == ["message-0"]
    assert sent(ses, "a") == ["a 0", "a 1"]


@pytest.mark.parametrize("source", ["fifo", "kafka", "ckafka"])
def test_no_time_left_returns_all_without_asking_the_store(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    event, _ = ORDERED[source]
    asked: list[Any] = []
    monkeypatch.setattr(runtime.ledger, "admit", asked.append)
    batch = event(mails("a", 200))
    if source == "ckafka":
        with pytest.raises(RedeliveryRequired, match="200 of 200"):
            handle(batch, scf_context(1))
    else:
        assert len(failures(handle(batch, LambdaContext(1)))) == (200 if source == "fifo" else 1)
    assert asked == []


def test_store_that_goes_down_is_not_asked_for_every_record(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def gone(attempt: Any, **_options: Any) -> None:
        asked.append(attempt)
        raise StoreUnavailable("ConnectionError")

    monkeypatch.setattr(runtime.ledger, "admit", gone)
    assert len(failures(handle(sqs(*mails("a", 500)), LambdaContext()))) == 500
    assert len(asked) <= 20  # one for each that was under way
    assert ses.calls() == []


@pytest.mark.once
def test_ten_thousand_records_with_one_bad_one(runtime: Runtime, ses: Emulator) -> None:
    """Most of them ask for one of twenty emails again: what counts is that no record is passed over."""
    asked = [json.dumps(body(to=f"{lane}@customer.example", idempotency_key=str(lane))) for lane in range(20)]
    bodies = asked * 500
    bodies[7_777] = "{not json"
    assert failures(handle(kafka({"emails-0": bodies}), LambdaContext(120))) == []
    assert sorted(ses.stats()["acceptances"].values()) == [1] * 20
    (letter,) = runtime.ledger.dead_letters()
    assert letter["body"] == "{not json"
    assert letter["source"].endswith(":emails-0:7777")
