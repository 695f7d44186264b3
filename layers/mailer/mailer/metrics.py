"""What becomes of emails as CloudWatch metrics (EMF) on Lambda; on SCF the log lines say the same.

Namespace `Mailer`, by service, by service and trigger, and refusals by code as well.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from . import logs
from .actions import Action
from .outcome import Disposition
from .record import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .outcome import Outcome

NAMESPACE = "Mailer"
_BY_STATE = {
    State.ACCEPTED: "Accepted",
    State.REFUSED: "Refused",
    State.UNKNOWN: "Unknown",
    State.DEFERRED: "Deferred",
    State.SCHEDULED: "Deferred",
    State.EXPIRED: "Expired",
    State.FAILED: "Failed",
}


def names(outcome: Outcome) -> Iterator[str]:
    """Yield the names of the metrics that `outcome` adds one to."""
    if outcome.replayed:
        yield "Replayed"
        return
    if outcome.disposition in {Disposition.IN_FLIGHT, Disposition.KEY_REUSED}:
        yield "Refused"
        return
    yield _BY_STATE[outcome.state]
    if outcome.action is Action.SUPPRESS:
        yield "Suppressed"
    if outcome.action is Action.HALT:
        yield "Halted"


def count(trigger: str, outcome: Outcome) -> None:
    """Write the metrics of one outcome to standard output, where Lambda's log takes them up."""
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    service = logs.service()
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
    for name in names(outcome):
        metrics.add_metric(name, MetricUnit.Count, 1)
    if outcome.seconds is not None:
        metrics.add_metric("Latency", MetricUnit.Milliseconds, round(outcome.seconds * 1000, 1))
    metrics.add_dimensions(service=service, trigger=trigger)
    if outcome.state is State.REFUSED and outcome.code:
        metrics.add_dimensions(service=service, trigger=trigger, code=outcome.code)
    # One write for the whole line: the emails of a batch end in several threads.
    sys.stdout.write(json.dumps(metrics.serialize_metric_set(), separators=(",", ":")) + "\n")
    sys.stdout.flush()
