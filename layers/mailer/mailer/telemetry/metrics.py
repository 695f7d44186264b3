"""Outcomes, refused callers, errors and levels as CloudWatch EMF metrics on Lambda; on SCF use the logs.

Namespace `Mailer`, by service, by service and trigger, and refusals and server errors by code as well.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from .logs import service

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aws_lambda_powertools.metrics import EphemeralMetrics

NAMESPACE = "Mailer"


def emit(
    names: Iterable[str],
    *,
    trigger: str,
    code: str | None = None,
    seconds: float | None = None,
    count: int = 1,
) -> None:
    """Add `count` to each of the metrics `names`, and `seconds` to the latency, on standard output.

    Lambda extracts metrics from its log; anywhere else nothing is written.
    """
    if (metrics := _metrics()) is None:
        return
    from aws_lambda_powertools.metrics import MetricUnit

    for name in names:
        metrics.add_metric(name, MetricUnit.Count, count)
    if seconds is not None:
        metrics.add_metric("Latency", MetricUnit.Milliseconds, round(seconds * 1000, 1))
    metrics.add_dimensions(service=service(), trigger=trigger)
    if code:
        metrics.add_dimensions(service=service(), trigger=trigger, code=code)
    _write(metrics)


def emit_levels(counts: Mapping[str, int], percents: Mapping[str, float], *, trigger: str) -> None:
    """Say how high each of `counts` and `percents` is now, as `emit` does."""
    if (metrics := _metrics()) is None:
        return
    from aws_lambda_powertools.metrics import MetricUnit

    for name, count in counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    for name, percent in percents.items():
        metrics.add_metric(name, MetricUnit.Percent, percent)
    metrics.add_dimensions(service=service(), trigger=trigger)
    _write(metrics)


def _metrics() -> EphemeralMetrics | None:
    """Return the metrics of one line, or None off Lambda."""
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return None
    from aws_lambda_powertools.metrics import EphemeralMetrics

    return EphemeralMetrics(namespace=NAMESPACE, service=service())


def _write(metrics: EphemeralMetrics) -> None:
    # One write for the whole line: the emails of a batch end in several threads.
    sys.stdout.write(json.dumps(metrics.serialize_metric_set(), separators=(",", ":")) + "\n")
    sys.stdout.flush()
