"""`POST /webhooks/{source}`: send the email that an external system's event is mapped to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response

from mailer.email.strict_json import read_object
from mailer.telemetry import logs

from .emails import send
from .problems import problem

if TYPE_CHECKING:
    from .context import RequestContext


def post_webhook(context: RequestContext) -> Response[str]:
    """Send the email that mailer.toml maps the payload to, or return 204 if its condition is not met.

    Raises InvalidRequest for a payload that cannot be mapped, ConfigurationError and StoreUnavailable.
    """
    request, config = context.request, context.runtime.config
    source = config.webhooks.get(unquote(context.path["source"]))
    if source is None:
        return problem(404, "NotFound", "mailer.toml has no such source of webhooks")
    if not source.verifies(request.headers, request.body, verbatim=request.body_is_verbatim):
        return problem(
            401,
            "Unauthorized",
            "the signature or token is missing, malformed, wrong, or more than 5 minutes off",
            headers={"WWW-Authenticate": 'Webhook realm="mailer"'},
        )
    logs.set_caller(f"webhook:{source.name}")
    payload = read_object(request.body)
    if not source.mapping.matches(payload):
        return Response(204, None, "")
    return send(
        source.mapping.request(payload, config.defaults),
        source.key(request.headers, request.body, payload),
        context,
    )
