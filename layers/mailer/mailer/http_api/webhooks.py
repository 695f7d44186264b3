"""`POST /webhooks/{source}`: send the email that an external system's event is mapped to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response

from mailer.email.strict_json import read_object
from mailer.errors import InvalidRequest
from mailer.telemetry import logs
from mailer.telemetry.refused_callers import refused_caller
from mailer.triggers.dead_letters import PERMANENT, add_dead_letter, invalid_reason
from mailer.triggers.ignored import report_ignored

from .emails import outcome_response, send
from .problems import problem

if TYPE_CHECKING:
    from mailer.config.webhooks import WebhookSource
    from mailer.delivery.outcome import Outcome
    from mailer.email.identity import PlatformKey
    from mailer.triggers.http_events import HttpRequest

    from .context import RequestContext


def post_webhook(context: RequestContext) -> Response[str]:
    """Send the email that mailer.toml maps the payload to, or return 204 if its condition is not met.

    A webhook that is refused after its signature was verified is dead-lettered. Raises InvalidRequest for a
    payload that cannot be mapped, ConfigurationError and StoreUnavailable.
    """
    request = context.request
    source = context.runtime.config.webhooks.get(unquote(context.path["source"]))
    if source is None:
        return problem(404, "NotFound", "mailer.toml has no such source of webhooks")
    if not _is_verified(source, request):
        refused_caller(context.trigger, f"webhook:{source.name}")
        return problem(
            401,
            "Unauthorized",
            "the signature or token is missing, malformed, wrong, or more than 5 minutes off",
            headers={"WWW-Authenticate": 'Webhook realm="mailer"'},
        )
    logs.set_caller(f"webhook:{source.name}")
    payload: dict[str, Any] = {}
    try:
        payload = read_object(request.body)
        outcome = _deliver(source, payload, context)
    except InvalidRequest as error:
        _dead_letter(source, payload, invalid_reason(error), context, too_large=error.too_large)
        raise
    if outcome is None:
        return Response(204, None, "")
    if outcome.disposition in PERMANENT:
        _dead_letter(source, payload, outcome.reason(), context)
    return outcome_response(outcome)


def _is_verified(source: WebhookSource, request: HttpRequest) -> bool:
    """Return whether the sender signed the body before it compressed it, as senders do, or after."""
    bodies = [request.body] if request.encoded_body is None else [request.body, request.encoded_body]
    return any(source.verifies(request.headers, body, verbatim=request.body_is_verbatim) for body in bodies)


def _deliver(source: WebhookSource, payload: dict[str, Any], context: RequestContext) -> Outcome | None:
    """Return the outcome of the email for the payload, or None if the source's condition is not met."""
    key = _key(source, payload, context)
    if not source.mapping.matches(payload):
        report_ignored(context.runtime, context.trigger, key.text, [source.table])
        return None
    request = source.mapping.request(payload, context.runtime.config.defaults)
    return send(request, context, platform_key=key, namespace=source.namespace)


def _dead_letter(
    source: WebhookSource,
    payload: dict[str, Any],
    reason: dict[str, Any],
    context: RequestContext,
    *,
    too_large: bool = False,
) -> None:
    """Store the refused webhook: many senders do not try again after a 422, and keep nothing."""
    key = _key(source, payload, context)
    add_dead_letter(
        context.runtime, context.trigger, key.text, reason, context.request.body, too_large=too_large
    )


def _key(source: WebhookSource, payload: dict[str, Any], context: RequestContext) -> PlatformKey:
    return source.key(context.request.headers, context.request.body, payload)
