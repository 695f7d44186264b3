"""Outcomes, refused callers and server errors as CloudWatch EMF metrics on Lambda; on SCF use the logs.

Namespace `Mailer`, by service, by service and trigger, and refusals and server errors by code as well.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from .logs import service

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    metrics = EphemeralMetrics(namespace=NAMESPACE, service=service())
    for name in names:
        metrics.add_metric(name, MetricUnit.Count, count)
    if seconds is not None:
        metrics.add_metric("Latency", MetricUnit.Milliseconds, round(seconds * 1000, 1))
    metrics.add_dimensions(service=service(), trigger=trigger)
    if code:
        metrics.add_dimensions(service=service(), trigger=trigger, code=code)
    # One write for the whole line: the emails of a batch end in several threads.
    sys.stdout.write(json.dumps(metrics.serialize_metric_set(), separators=(",", ":")) + "\n")
    sys.stdout.flush()
