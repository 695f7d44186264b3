"""Webhooks with a list of events: an email for each, with a result of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response

from mailer.concurrency import ordered_map
from mailer.errors import MAX_ERRORS, InvalidRequest
from mailer.telemetry import logs

from .emails import outcome_response
from .problems import error_problem, problem
from .results import result_at
from .webhook_events import send_event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .context import RequestContext
    from .webhook_events import WebhookEvent


def send_events(
    events: Sequence[WebhookEvent], headers: Mapping[str, str], context: RequestContext
) -> Response[str]:
    """Send the email of each event, and return the results in the order of the events.

    204 if a condition leaves out all of them; 503 if one must be delivered again, whose events that were
    sent are not sent again then. Raises StoreUnavailable.
    """

    def send_one(index: int) -> dict[str, Any] | None:
        try:
            outcome = send_event(events[index], headers, context)
        except InvalidRequest as error:
            logs.refused(context.trigger, error, index=index)
            return result_at(index, error_problem(error))
        return None if outcome is None else result_at(index, outcome_response(outcome))

    results = [result for result in ordered_map(send_one, range(len(events))) if result is not None]
    again = [result for result in results if result.get("error", {}).get("retryable")]
    if again:
        return _redelivery(again, len(events))
    if not results:
        return Response(204, None, "")
    return Response(200, "application/json", json.dumps({"results": results}))


def _redelivery(again: Sequence[dict[str, Any]], events: int) -> Response[str]:
    return problem(
        503,
        "RedeliveryRequired",
        f"{len(again)} of {events} events must be delivered again",
        retryable=True,
        retry_after=max(result["error"].get("retry_after", 1) for result in again),
        errors=[
            {"pointer": f"/{result['index']}", "detail": result["error"]["detail"]}
            for result in again[:MAX_ERRORS]
        ],
        errors_total=len(again) if len(again) > MAX_ERRORS else None,
    )
