"""Order is kept where the platform promises it: groups of SQS FIFO, partitions of Kafka, CKafka and TDMQ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body, scf_context
from mailer.errors import StoreUnavailable
from mailer.triggers.messages import RedeliveryRequired
from mailer.triggers.queue import handle
from queue_events import ckafka, dynamodb, failures, kafka, kinesis, sqs, tdmq

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

ORDERED: dict[str, tuple[Callable[[list[Any]], dict[str, Any]], Any]] = {
    "fifo": (lambda bodies: sqs(*bodies, group="one"), LambdaContext(30)),
    "kafka": (lambda bodies: kafka({"emails-0": bodies}), LambdaContext(30)),
    "kinesis": (lambda bodies: kinesis(*bodies), LambdaContext(30)),
    "dynamodb": (lambda bodies: dynamodb(*bodies), LambdaContext(30)),
    "ckafka": (lambda bodies: ckafka(*bodies), scf_context(30)),
    "tdmq": (lambda bodies: tdmq(*bodies, topic_type="2"), scf_context(30)),
}


def emails(key: str, count: int) -> list[dict[str, Any]]:
    """Return emails of one ordering key, each to another recipient so that no hourly limit is reached."""
    return [body(to=f"{key}-{number}@customer.example", subject=f"{key} {number}") for number in range(count)]


def sent(ses: Emulator, key: str) -> list[str]:
    return [mail.subject for mail in ses.inbox() if mail.subject.startswith(f"{key} ")]


def is_redelivered(batch: dict[str, Any], context: Any) -> bool:
    """Deliver a batch and return whether its platform would redeliver any of it."""
    try:
        return bool(handle(batch, context).get("batchItemFailures"))
    except RedeliveryRequired:
        return True


@pytest.mark.once
@pytest.mark.no_cover
@pytest.mark.parametrize("source", ORDERED)
def test_ordering_key_keeps_its_order_under_transient_faults(
    runtime: Runtime, ses: Emulator, source: str
) -> None:
    event, context = ORDERED[source]
    for fault in ("RequestLimitExceeded", "FailedOperation.ServiceNotAvailable"):
        ses.add_fault(fault, recipient="a-[13]@customer.example")
    batch = emails("a", 5)
    answer = handle(event(batch), context)
    assert answer in ({"batchItemFailures": []}, {"records": 5})
    assert sent(ses, "a") == [f"a {number}" for number in range(5)]
    assert len(ses.calls()) == 7


def test_groups_and_partitions_do_not_wait_for_each_other(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("RequestLimitExceeded", recipient="b-0@customer.example")
    batch = kafka({f"emails-{number}": emails(key, 3) for number, key in enumerate("abc")})
    assert failures(handle(batch, LambdaContext())) == []
    for key in "abc":
        assert sent(ses, key) == [f"{key} {number}" for number in range(3)]


@pytest.mark.parametrize("source", ["fifo", "kafka", "kinesis", "dynamodb", "ckafka"])
def test_fault_that_outlasts_the_time_stops_the_ordering_key_until_redelivery(
    runtime: Runtime, ses: Emulator, source: str
) -> None:
    event, context = ORDERED[source]
    short = scf_context(3) if source == "ckafka" else LambdaContext(3)
    ses.add_fault("FailedOperation.ServiceNotAvailable", times=5, recipient="a-1@customer.example")
    batch = event(emails("a", 4))
    while is_redelivered(batch, short):
        assert len(ses.calls()) < 20
    assert sent(ses, "a") == [f"a {number}" for number in range(4)]
    assert ses.stats()["duplicates"] == 0
    assert handle(batch, context) in ({"batchItemFailures": []}, {"records": 4})
    assert len(ses.inbox()) == 4


def test_email_deferred_for_its_recipient_blocks_no_partition(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.FrequencyLimit", recipient="a-0@customer.example")
    assert handle(ckafka(*emails("a", 3)), scf_context()) == {"records": 3}
    assert sent(ses, "a") == ["a 1", "a 2"]


def test_refused_message_stops_its_group_once_and_then_lets_the_others_pass(
    runtime: Runtime, ses: Emulator
) -> None:
    bodies = ["{not json", *emails("a", 2)]
    first = handle(sqs(*bodies, group="one"), LambdaContext())
    assert failures(first) == ["message-0", "message-1", "message-2"]
    assert ses.inbox() == []
    again = handle(sqs(*bodies, group="one", receive_count=2), LambdaContext())
    assert failures(again) == ["message-0"]
    assert sent(ses, "a") == ["a 0", "a 1"]


@pytest.mark.parametrize("source", ["fifo", "kafka", "kinesis", "dynamodb", "ckafka"])
def test_no_time_left_returns_all_without_asking_the_store(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    event, _ = ORDERED[source]
    attempts: list[Any] = []
    monkeypatch.setattr(runtime.ledger, "admit", attempts.append)
    batch = event(emails("a", 200))
    if source == "ckafka":
        with pytest.raises(RedeliveryRequired, match="200 of 200"):
            handle(batch, scf_context(1))
    else:
        assert len(failures(handle(batch, LambdaContext(1)))) == (200 if source == "fifo" else 1)
    assert attempts == []


def test_store_that_goes_down_is_not_asked_for_every_record(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[Any] = []

    def gone(attempt: Any, **_options: Any) -> None:
        attempts.append(attempt)
        raise StoreUnavailable("ConnectionError")

    monkeypatch.setattr(runtime.ledger, "admit", gone)
    assert len(failures(handle(sqs(*emails("a", 500)), LambdaContext()))) == 500
    assert len(attempts) <= 20  # one per thread
    assert ses.calls() == []


@pytest.mark.once
@pytest.mark.no_cover
def test_ten_thousand_records_with_one_bad_one(runtime: Runtime, ses: Emulator) -> None:
    """Most repeat one of twenty requests: what counts is that no record is skipped."""
    requests = [json.dumps(body(to=f"{key}@customer.example", idempotency_key=str(key))) for key in range(20)]
    bodies = requests * 500
    bodies[7_777] = "{not json"
    assert failures(handle(kafka({"emails-0": bodies}), LambdaContext(120))) == []
    assert sorted(ses.stats()["acceptances"].values()) == [1] * 20
    (letter,) = runtime.ledger.dead_letters()
    assert letter["body"] == "{not json"
    assert ":emails-0:7777:" in letter["source"]
