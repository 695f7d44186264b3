"""The schedule function, through its handler: scheduled events and the sweep."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from digest_runs import add, item
from factories import LambdaContext, email, scf_context
from mailer.delivery.deliver import deliver
from mailer.ledger.record import State
from mailer.triggers.schedule import ScheduledJob, handle, read_scheduled_job
from stored_times import make_due

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.delivery.outcome import Outcome
    from mailer.runtime import Runtime

EVENTBRIDGE = {"job": "sweep", "scheduled_time": "2026-05-01T09:00:00Z"}
TIMER = {
    "Type": "Timer",
    "TriggerName": "sweep",
    "Time": "2026-05-01T09:00:00Z",
    "Message": '{"job": "sweep"}',
}


UNKNOWN_JOB = "must be one of: digest, plan, sweep"


def deferred(ses: Emulator, **fields: Any) -> Outcome:
    ses.add_fault("ResourceInsufficient")
    outcome = deliver(email(**fields))
    assert outcome.state is State.DEFERRED
    return outcome


def email_id(outcome: Outcome) -> str:
    return outcome.id.partition("@")[0]


@pytest.mark.parametrize(("event", "context"), [(EVENTBRIDGE, LambdaContext()), (TIMER, scf_context())])
def test_sweep_sends_what_is_due_and_only_that(
    runtime: Runtime, ses: Emulator, event: dict[str, Any], context: Any
) -> None:
    due = [deferred(ses, subject=f"Mail {number}") for number in range(3)]
    deferred(ses, subject="Not yet")
    for outcome in due:
        make_due(runtime, email_id(outcome))
    assert handle(event, context) == {"job": "sweep", "accepted": 3}
    assert {mail.subject for mail in ses.inbox()} == {"Mail 0", "Mail 1", "Mail 2"}
    assert handle(event, context) == {"job": "sweep"}


@pytest.mark.usefixtures("digests_toml")
def test_plan_counts_what_a_digest_would_do_at_the_scheduled_time(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1), digest="morning")
    for time, why in (("2026-05-01T01:00:00Z", "send"), ("2026-05-01T05:00:00Z", "not_its_hour")):
        plan = {"job": "plan", "digest": "morning", "scheduled_time": time}
        assert handle(plan, LambdaContext()) == {"job": "plan", why: 1}
    assert ses.calls() == []


def test_scheduled_email_is_sent_when_it_is_due(runtime: Runtime, ses: Emulator) -> None:
    later = datetime.now(timezone.utc) + timedelta(seconds=0.05)
    outcome = deliver(email(send_at=later.isoformat()))
    assert outcome.state is State.SCHEDULED
    while not ses.inbox():
        handle(EVENTBRIDGE, LambdaContext())
    assert ses.inbox()[0].smtp_message_id == f"<{outcome.id}>"


def test_refused_email_becomes_a_dead_letter_with_its_history(runtime: Runtime, ses: Emulator) -> None:
    outcome = deferred(ses)
    make_due(runtime, email_id(outcome))
    ses.add_fault("FailedOperation.InvalidTemplateID")
    assert handle(EVENTBRIDGE, LambdaContext())["refused"] == 1
    [letter] = runtime.ledger.dead_letters()
    reason = json.loads(letter["reason"])
    assert reason["code"] == "FailedOperation.InvalidTemplateID"
    assert [note["state"] for note in reason["history"]] == ["sending", "deferred", "sending", "refused"]
    assert json.loads(letter["body"])["to"] == ["ann@customer.example"]


def test_email_whose_record_is_gone_is_skipped(runtime: Runtime, ses: Emulator) -> None:
    outcome = deferred(ses)
    make_due(runtime, email_id(outcome))
    runtime.ledger.store.client.delete(runtime.ledger.store.prefix + "email:" + email_id(outcome))
    assert handle(EVENTBRIDGE, LambdaContext()) == {"job": "sweep", "gone": 1}


def test_email_that_this_version_cannot_read_stays_due_and_blocks_no_other(
    runtime: Runtime, ses: Emulator, log: io.StringIO
) -> None:
    unreadable, good = deferred(ses, subject="Old"), deferred(ses, subject="Good")
    for outcome in (unreadable, good):
        make_due(runtime, email_id(outcome))
    store = runtime.ledger.store
    store.client.hset(store.key("email", email_id(unreadable)), "body", '{"from": "a@b.example"}')
    assert handle(EVENTBRIDGE, LambdaContext()) == {"job": "sweep", "accepted": 1, "unreadable": 1}
    assert email_id(unreadable) in store.client.zrange(store.key("due"), 0, -1)
    [line] = [json.loads(line) for line in log.getvalue().splitlines() if "event refused" in line]
    assert line["id"] == email_id(unreadable)


def test_sweep_with_no_time_left_starts_nothing(runtime: Runtime, ses: Emulator) -> None:
    make_due(runtime, email_id(deferred(ses)))
    assert handle(EVENTBRIDGE, LambdaContext(1)) == {"job": "sweep"}
    assert ses.inbox() == []


@pytest.mark.parametrize(
    ("event", "pointer", "detail"),
    [
        (None, "", "a scheduled event must be a JSON object"),
        ({}, "/job", UNKNOWN_JOB),
        ({"job": "dance"}, "/job", UNKNOWN_JOB),
        ({"job": ["sweep"]}, "/job", UNKNOWN_JOB),
        ({**TIMER, "Message": "not json"}, "", ""),
        ({**TIMER, "Message": ""}, "/Message/job", UNKNOWN_JOB),
        ({**TIMER, "job": "sweep", "Message": None}, "/Message/job", UNKNOWN_JOB),
        ({"source": "aws.events", "detail-type": "Scheduled Event"}, "/job", UNKNOWN_JOB),
    ],
)
def test_unknown_job_gets_a_response(
    environment: dict[str, str], log: io.StringIO, event: Any, pointer: str, detail: str
) -> None:
    answer = handle(event, LambdaContext())
    assert answer["code"] == ("UnknownEvent" if detail else "InvalidRequest")
    (error,) = answer["errors"]
    assert error["pointer"] == pointer
    assert not detail or error["detail"] == detail
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["trigger"], line["code"]) == ("schedule", answer["code"])


def test_job_has_the_time_that_it_was_scheduled_for() -> None:
    assert read_scheduled_job(EVENTBRIDGE).scheduled_time == "2026-05-01T09:00:00Z"
    assert read_scheduled_job(TIMER).scheduled_time == "2026-05-01T09:00:00Z"
    assert read_scheduled_job(TIMER).trigger == "scf-timer"


def test_job_has_the_arguments_of_its_event() -> None:
    event = {"job": "digest", "digest": "daily"}
    assert read_scheduled_job(event) == ScheduledJob("eventbridge", "digest", "", event)
    timer = {**TIMER, "Time": None, "Message": '{"job": "plan", "digest": "daily"}'}
    assert read_scheduled_job(timer) == ScheduledJob(
        "scf-timer", "plan", "", {"job": "plan", "digest": "daily"}
    )
