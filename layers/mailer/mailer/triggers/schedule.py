"""The schedule function: a tick names a job, and the job runs until its work or its time is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.deadline import Deadline
from mailer.delivery.sweep import sweep
from mailer.email.strict_json import read_object
from mailer.errors import InvalidRequest, UnknownEvent
from mailer.runtime import Runtime
from mailer.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class ScheduledJob:
    """One run of one job: its arguments, and `scheduled_time`, the time that it was meant for."""

    trigger: str
    job: str
    scheduled_time: str
    arguments: dict[str, Any]


def _digest(tick: ScheduledJob, deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    from mailer.digest.run import run_digest

    return run_digest(tick.arguments.get("digest"), tick.scheduled_time, tick.trigger, deadline, runtime)


def _plan(tick: ScheduledJob, _deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    from mailer.digest.plan import count

    return count(tick.arguments.get("digest"), tick.scheduled_time, runtime)


JOBS: dict[str, Callable[[ScheduledJob, Deadline, Runtime], dict[str, Any]]] = {
    "digest": _digest,
    "plan": _plan,
    "sweep": lambda tick, deadline, runtime: sweep(tick.trigger, deadline, runtime),
}


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Run the job that the tick names and return its counts; raises StoreUnavailable."""
    deadline = Deadline.of(context)
    try:
        tick = read_scheduled_job(event)
        counts = JOBS[tick.job](tick, deadline, Runtime.current())
    except InvalidRequest as error:
        logs.refused("schedule", error)
        return {"code": error.code, "errors": [vars(one) for one in error.errors]}
    logs.job_done(tick.trigger, tick.job, counts)
    return {"job": tick.job, **counts}


def read_scheduled_job(event: Any) -> ScheduledJob:
    """Return the tick in an SCF timer's event or in what EventBridge passes; raises InvalidRequest."""
    if not isinstance(event, dict):
        raise UnknownEvent.at("", "a schedule's event is a JSON object")
    if event.get("Type") == "Timer":
        arguments = read_object(str(event.get("Message") or "{}"))
        trigger, time, place = "scf-timer", event.get("Time"), "/Message/job"
    else:
        arguments = event
        trigger, time, place = "eventbridge", event.get("scheduled_time"), "/job"
    job = arguments.get("job")
    if not isinstance(job, str) or job not in JOBS:
        raise UnknownEvent.at(place, f"must be one of: {', '.join(sorted(JOBS))}")
    return ScheduledJob(trigger, job, str(time or ""), arguments)
