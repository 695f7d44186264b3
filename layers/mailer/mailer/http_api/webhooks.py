"""`POST /webhooks/{source}`: send the email, or the emails, that an external system's event is mapped to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response

from mailer.config.webhook_delivery import Delivery
from mailer.errors import InvalidRequest
from mailer.telemetry import logs
from mailer.telemetry.refused_callers import refused_caller

from .emails import outcome_response
from .problems import problem
from .webhook_events import WebhookEvent, refuse_event, send_event

if TYPE_CHECKING:
    from mailer.config.webhooks import WebhookSource

    from .context import RequestContext


def post_webhook(context: RequestContext) -> Response[str]:
    """Send the email that mailer.toml maps the payload to, or return 204 if its condition is not met.

    With `each`, send one for each event of the payload. A sender's handshake is answered. What is refused
    after its signature was verified is dead-lettered. Raises InvalidRequest for a payload that cannot be
    mapped, ConfigurationError and StoreUnavailable.
    """
    request = context.request
    source = context.runtime.config.webhooks.get(unquote(context.path["source"]))
    if source is None:
        return problem(404, "NotFound", "mailer.toml has no such source of webhooks")
    delivery = Delivery(
        request.headers,
        request.body,
        request.method,
        request.full_path,
        request.body_is_verbatim,
        lists=source.each is not None,
    )
    if not _is_verified(source, delivery, request.encoded_body):
        refused_caller(context.trigger, f"webhook:{source.name}")
        return problem(
            401,
            "Unauthorized",
            "the signature or token is missing, malformed, wrong, or more than 5 minutes off",
            headers={"WWW-Authenticate": source.scheme.challenge},
        )
    logs.set_caller(f"webhook:{source.name}")
    if answer := source.scheme.handshake(delivery):
        return Response(200, "text/plain; charset=utf-8", answer)
    key = source.key(delivery)
    try:
        events = [WebhookEvent(source, *parts) for parts in source.events(key, delivery)]
    except InvalidRequest as error:
        refuse_event(key, delivery.body, error, context)
        raise
    if source.each is not None:
        from .webhook_lists import send_events

        return send_events(events, delivery.public_headers, context)
    outcome = send_event(events[0], delivery.public_headers, context)
    return Response(204, None, "") if outcome is None else outcome_response(outcome)


def _is_verified(source: WebhookSource, delivery: Delivery, encoded_body: bytes | None) -> bool:
    """Return whether the sender signed the body before it compressed it, as senders do, or after."""
    if encoded_body is None:
        return source.verifies(delivery)
    return source.verifies(delivery) or source.verifies(replace(delivery, body=encoded_body))
