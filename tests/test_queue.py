"""The queue function, through its handler: SQS and CKafka."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body, scf_context
from mailer.deadline import Deadline
from mailer.email.identity import Key, KeyKind
from mailer.errors import ConfigurationError, StoreUnavailable
from mailer.ledger.record import State
from mailer.triggers.ckafka import CKAFKA
from mailer.triggers.invoke import request_id
from mailer.triggers.messages import Ack, RedeliveryRequired, process
from mailer.triggers.queue import handle
from mailer.triggers.sqs import SQS
from queue_events import ckafka, failures, sqs

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime


def test_batch_is_sent_and_the_bad_record_is_returned(
    runtime: Runtime, ses: Emulator, log: io.StringIO
) -> None:
    answer = handle(
        sqs(body(to="a@customer.example"), "{not json", body(to="b@customer.example")), LambdaContext()
    )
    assert failures(answer) == ["message-1"]
    assert {mail.to[0] for mail in ses.inbox()} == {"a@customer.example", "b@customer.example"}
    assert "InvalidRequest" in log.getvalue()


def test_redelivered_message_is_not_sent_twice(runtime: Runtime, ses: Emulator) -> None:
    event = sqs(body())
    for _ in range(5):
        assert failures(handle(event, LambdaContext())) == []
    assert len(ses.calls()) == 1


def test_refused_email_goes_to_the_queues_own_dead_letters(runtime: Runtime, ses: Emulator) -> None:
    answer = handle(sqs(body(template={"id": 999999}), body()), LambdaContext())
    assert failures(answer) == ["message-0"]
    assert runtime.ledger.dead_letters() == []


def test_group_stops_at_the_first_failure_and_others_go_on(runtime: Runtime, ses: Emulator) -> None:
    event = sqs("{not json", body(to="held@customer.example"), group="one")
    event["Records"] += [
        {**record, "messageId": "other", "attributes": {"MessageGroupId": "two"}}
        for record in sqs(body(to="free@customer.example"))["Records"]
    ]
    assert failures(handle(event, LambdaContext())) == ["message-0", "message-1"]
    assert [mail.to for mail in ses.inbox()] == [["free@customer.example"]]


def test_halted_email_is_deferred_in_the_ledger(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InsufficientBalance")
    assert failures(handle(sqs(body()), LambdaContext())) == []
    record = runtime.ledger.get(Key("sqs:message-0", KeyKind.PLATFORM).email_id(runtime.settings.account))
    assert record
    assert record.state is State.DEFERRED


def test_lost_response_is_acknowledged(runtime: Runtime, ses: Emulator) -> None:
    event = sqs(body(to="answer-lost@fault.example"))
    assert failures(handle(event, LambdaContext(6))) == []
    assert failures(handle(event, LambdaContext(6))) == []
    assert len(ses.inbox()) == 1


def test_email_is_sent_for_its_trigger_by_the_runtime_of_its_batch(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    monkeypatch.setenv("MAILER_ACCOUNT", "another")
    (result,) = process(SQS, SQS.messages(sqs(body())), Deadline(30), runtime)
    assert runtime.ledger.get(result.report["id"].partition("@")[0])
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["trigger"], line["id"]) == ("sqs", result.report["id"])


def test_message_that_is_not_processed_says_so(runtime: Runtime) -> None:
    (message,) = SQS.messages(sqs(body()))
    assert process(SQS, [message], Deadline(0.1), runtime) == [(message, Ack.NACK, {"code": "NotProcessed"})]


def test_no_time_left_returns_everything_unsent(runtime: Runtime, ses: Emulator) -> None:
    answer = handle(sqs(body(), body(subject="Two")), LambdaContext(0.1))
    assert failures(answer) == ["message-0", "message-1"]
    assert ses.calls() == []


def test_store_that_is_down_returns_everything_unsent(
    environment: dict[str, str], ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_STORE_URL", "redis://127.0.0.1:1/0")
    assert failures(handle(sqs(body(), body()), LambdaContext())) == ["message-0", "message-1"]
    with pytest.raises(RedeliveryRequired):
        handle(ckafka(body()), scf_context())
    with pytest.raises(StoreUnavailable):
        handle({"unknown": "event"}, scf_context())
    with pytest.raises(RedeliveryRequired, match="not sent: StoreUnavailable"):
        handle(body(), scf_context())
    assert ses.calls() == []


def test_message_that_is_refused_or_meets_no_store_is_logged_by_its_key(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    monkeypatch.setenv("MAILER_STORE_URL", "redis://127.0.0.1:1/0")
    handle(sqs("{not json", group="one"), LambdaContext())
    handle(sqs(body(), first=1), LambdaContext())
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["trigger"], line["code"], line.get("key")) for line in lines] == [
        ("sqs", "InvalidRequest", "sqs:message-0"),
        ("sqs", "StoreUnavailable", None),  # the reason could not be written
        ("sqs", "StoreUnavailable", "sqs:message-1"),
    ]


def test_wrong_setting_returns_everything_unsent(
    environment: dict[str, str], ses: Emulator, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    monkeypatch.setenv("MAILER_RATE", "fast")
    assert failures(handle(sqs(body()), LambdaContext())) == ["message-0"]
    with pytest.raises(ConfigurationError, match="MAILER_RATE"):
        handle(ckafka(body()), scf_context())
    for line in map(json.loads, log.getvalue().splitlines()):
        assert (line["trigger"], line["setting"]) == ("queue", "MAILER_RATE")


def test_ckafka_batch_is_sent_once_over_redeliveries(runtime: Runtime, ses: Emulator) -> None:
    event = ckafka(body(to="a@customer.example"), body(to="b@customer.example"))
    for _ in range(3):
        assert handle(event, scf_context()) == {"records": 2}
    assert [mail.to[0] for mail in ses.inbox()] == ["a@customer.example", "b@customer.example"]


def test_bad_record_of_ckafka_becomes_a_dead_letter_and_blocks_nothing(
    runtime: Runtime, ses: Emulator
) -> None:
    event = ckafka("{not json", body(template={"id": 999999}), body())
    handle(event, scf_context())
    handle(event, scf_context())
    letters = runtime.ledger.dead_letters()
    assert [letter["source"] for letter in letters] == [message.key for message in CKAFKA.messages(event)[:2]]
    assert letters[0]["body"] == "{not json"
    assert json.loads(letters[1]["reason"])["code"] == "FailedOperation.InvalidTemplateID"
    assert len(ses.inbox()) == 1


def test_ckafka_email_that_is_halted_is_deferred(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InsufficientBalance")
    event = ckafka(body())
    assert handle(event, scf_context()) == {"records": 1}
    (message,) = CKAFKA.messages(event)
    record = runtime.ledger.get(Key(str(message.key), KeyKind.PLATFORM).email_id(runtime.settings.account))
    assert record
    assert record.state is State.DEFERRED


def test_ckafka_raises_where_the_ledger_is_full(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.ledger, "_backlog_max", 0)
    with pytest.raises(RedeliveryRequired, match="1 of 1 messages"):
        handle(ckafka(body()), scf_context(0.1))


def test_partition_is_read_in_either_spelling(runtime: Runtime, ses: Emulator) -> None:
    event = ckafka(body())
    handle(event, scf_context())
    record = event["Records"][0]["Ckafka"]
    record["Partition"] = record.pop("partition")
    handle(event, scf_context())
    assert len(ses.calls()) == 1


@pytest.mark.parametrize("context", [LambdaContext(), scf_context(), None])
@pytest.mark.parametrize("event", [{}, {"Records": [{"eventSource": "aws:s3"}]}, None, {"Records": [1]}])
def test_unknown_event_becomes_a_dead_letter(
    runtime: Runtime, log: io.StringIO, event: Any, context: Any
) -> None:
    detail = "must be messages of a known source, or an email request"
    assert handle(event, context) == {
        "code": "UnknownEvent",
        "errors": [{"pointer": "", "detail": detail}],
    }
    [letter] = runtime.ledger.dead_letters()
    assert json.loads(letter["body"]) == event
    assert json.loads(letter["reason"]) == {"code": "UnknownEvent", "detail": detail}
    assert context is None or letter["source"] == f"invocation:{request_id(context)}"
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["trigger"], line["code"]) == ("queue", "UnknownEvent")


def test_one_key_through_two_triggers_is_one_email(runtime: Runtime, ses: Emulator) -> None:
    request = body(idempotency_key="order-1")
    handle(sqs(request), LambdaContext())
    handle(ckafka(request), scf_context())
    assert len(ses.calls()) == 1
