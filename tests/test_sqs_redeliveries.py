"""A message of SQS that was refused: its later receives are answered by the record, a redrive tries again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body
from mailer.delivery.attempts import record_of
from mailer.triggers.queue import handle
from mailer.triggers.sqs import SQS
from queue_events import failures, sns_in_sqs, sqs

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

REFUSAL = "FailedOperation.InvalidTemplateID"


def received(event: dict[str, Any], count: int, since: Any = "1795574726091") -> dict[str, Any]:
    """Return a message as its queue delivers it for the `count`th time, the first time at `since`."""
    (record,) = event["Records"]
    record["attributes"] |= {
        "ApproximateReceiveCount": str(count),
        "ApproximateFirstReceiveTimestamp": since,
    }
    return event


def is_refused(event: dict[str, Any]) -> bool:
    return failures(handle(event, LambdaContext())) == ["message-0"]


@pytest.fixture
def refused_once(ses: Emulator) -> None:
    """SES refuses the first email, and would take it after that."""
    ses.add_fault(REFUSAL)


@pytest.mark.usefixtures("refused_once")
@pytest.mark.parametrize(
    "message",
    [sqs(body()), sqs(body(idempotency_key="order-1")), sqs(body(), group="one"), sns_in_sqs(body())],
    ids=["own id", "key in the body", "fifo", "notification"],
)
def test_later_receives_of_a_refused_message_do_not_call_ses(
    runtime: Runtime, ses: Emulator, log: io.StringIO, message: dict[str, Any]
) -> None:
    for count in (1, 2, 3):
        assert is_refused(received(message, count))
    assert len(ses.calls()) == 1
    assert log.getvalue().count(REFUSAL) >= 3


@pytest.mark.usefixtures("refused_once")
def test_reason_is_in_the_record_under_the_message_id(runtime: Runtime, ses: Emulator) -> None:
    for count in (1, 2):
        handle(received(sqs(body()), count), LambdaContext())
    record = record_of("sqs:message-0", runtime)
    assert record
    assert (record.state.value, record.code, record.attempts) == ("refused", REFUSAL, 1)


@pytest.mark.usefixtures("refused_once")
@pytest.mark.parametrize("count", [1, 2], ids=["tried at once", "first receive not processed"])
def test_redrive_under_the_same_id_tries_again(runtime: Runtime, ses: Emulator, count: int) -> None:
    for earlier in (1, 2):
        assert is_refused(received(sqs(body()), earlier))
    assert not is_refused(received(sqs(body()), count, since="1795584726091"))
    assert len(ses.inbox()) == 1


@pytest.mark.usefixtures("refused_once")
@pytest.mark.parametrize("since", [None, "", {}], ids=str)
def test_queue_that_does_not_say_since_when_is_tried_at_each_receive(
    runtime: Runtime, ses: Emulator, since: Any
) -> None:
    assert is_refused(received(sqs(body()), 1, since))
    assert not is_refused(received(sqs(body()), 2, since))


@pytest.mark.usefixtures("refused_once")
def test_first_receive_is_always_tried(runtime: Runtime, ses: Emulator) -> None:
    """The queue may count a receive that it then does not deliver, but never the other way round."""
    assert is_refused(received(sqs(body()), 1))
    assert not is_refused(received(sqs(body()), 1))


@pytest.mark.usefixtures("refused_once")
def test_other_message_with_the_same_key_is_tried(runtime: Runtime, ses: Emulator) -> None:
    request = body(idempotency_key="order-1")
    assert is_refused(received(sqs(request), 1))
    assert failures(handle(received(sqs(request, first=1), 2), LambdaContext())) == []
    assert failures(handle(received(sqs(request), 2), LambdaContext())) == []
    assert len(ses.inbox()) == 1


def test_message_that_failed_for_another_reason_is_tried_at_each_receive(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault("FailedOperation.ServiceNotAvailable", times=5)
    event = sqs(body())
    counts = [count for count in range(1, 7) if failures(handle(received(event, count), LambdaContext(2.5)))]
    assert counts
    assert len(ses.inbox()) == 1


def test_first_receive_is_a_hash_of_message_and_time() -> None:
    first_receives = [
        SQS.messages(received(event, 1, since))[0].first_receive
        for event, since in ((sqs(body()), "1"), (sqs(body()), "2"), (sqs(body(), first=1), "1"))
    ]
    assert all(first_receive and len(first_receive) == 32 for first_receive in first_receives)
    assert len(set(first_receives)) == 3
