"""The schedule function: run the job named in the scheduled event until it is done or time is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.deadline import Deadline
from mailer.delivery.sweep import sweep
from mailer.email.strict_json import read_object
from mailer.errors import InvalidRequest, UnknownEvent
from mailer.runtime import Runtime
from mailer.telemetry import logs

from .fields import as_text

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class ScheduledJob:
    """One run of the job `name`; `scheduled_time` is as the event has it, RFC 3339 or empty."""

    trigger: str
    name: str
    scheduled_time: str
    arguments: dict[str, Any]


def _digest(job: ScheduledJob, deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    from mailer.digest.run import run_digest

    return run_digest(job.arguments.get("digest"), job.scheduled_time, job.trigger, deadline, runtime)


def _plan(job: ScheduledJob, _deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    from mailer.digest.plan import count

    return count(job.arguments.get("digest"), job.scheduled_time, runtime)


JOBS: dict[str, Callable[[ScheduledJob, Deadline, Runtime], dict[str, Any]]] = {
    "digest": _digest,
    "plan": _plan,
    "sweep": lambda job, deadline, runtime: sweep(job.trigger, deadline, runtime),
}


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Run the job that the event names and return its counts; raises StoreUnavailable."""
    deadline = Deadline.of(context)
    try:
        job = read_scheduled_job(event)
        counts = JOBS[job.name](job, deadline, Runtime.current())
    except InvalidRequest as error:
        logs.refused("schedule", error)
        return {"code": error.code, **error.report()}
    logs.job_done(job.trigger, job.name, counts)
    return {"job": job.name, **counts}


def read_scheduled_job(event: Any) -> ScheduledJob:
    """Return the job in an SCF timer's event or in EventBridge's payload; raises InvalidRequest."""
    if not isinstance(event, dict):
        raise UnknownEvent.at("", "a scheduled event must be a JSON object")
    if event.get("Type") == "Timer":
        arguments = _message(event.get("Message"))
        trigger, time, pointer = "scf-timer", event.get("Time"), "/Message/job"
    else:
        arguments = event
        trigger, time, pointer = "eventbridge", event.get("scheduled_time"), "/job"
    name = arguments.get("job")
    if not isinstance(name, str) or name not in JOBS:
        raise UnknownEvent.at(pointer, f"must be one of: {', '.join(sorted(JOBS))}")
    return ScheduledJob(trigger, name, as_text(time), arguments)


def _message(message: Any) -> dict[str, Any]:
    """Return the JSON object in a timer's message, which may be empty; raises InvalidRequest."""
    if message is not None and not isinstance(message, str):
        raise InvalidRequest.at("/Message", "must be a text")
    return read_object(message or "{}")
