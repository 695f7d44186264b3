"""The schedule function: a tick names a job, and the job runs until its work or its time is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer import logs
from mailer.deadline import Deadline
from mailer.documents import read_object
from mailer.errors import InvalidRequest, UnknownEvent
from mailer.runtime import Runtime
from mailer.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Tick:
    """One run of one job: its arguments, and `scheduled_time`, the time that it was meant for."""

    trigger: str
    job: str
    scheduled_time: str
    arguments: dict[str, Any]


def _digest(tick: Tick, deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    from mailer.digest.run import run_digest

    return run_digest(tick.arguments.get("digest"), tick.scheduled_time, tick.trigger, deadline, runtime)


def _plan(tick: Tick, _deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    from mailer.digest.plan import count

    return count(tick.arguments.get("digest"), tick.scheduled_time, runtime)


JOBS: dict[str, Callable[[Tick, Deadline, Runtime], dict[str, Any]]] = {
    "digest": _digest,
    "plan": _plan,
    "sweep": lambda tick, deadline, runtime: sweep(tick.trigger, deadline, runtime),
}


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Run the job that the tick names and return its counts; raises StoreUnavailable."""
    deadline = Deadline.of(context)
    try:
        tick = read_tick(event)
        counts = JOBS[tick.job](tick, deadline, Runtime.current())
    except InvalidRequest as error:
        logs.refused("schedule", error)
        return {"code": error.code, "errors": [vars(one) for one in error.errors]}
    logs.job(tick.trigger, tick.job, counts)
    return {"job": tick.job, **counts}


def read_tick(event: Any) -> Tick:
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
    return Tick(trigger, job, str(time or ""), arguments)
