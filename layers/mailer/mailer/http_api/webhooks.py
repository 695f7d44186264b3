"""`POST /webhooks/{source}`: another system's event becomes an email."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response

from mailer.email.strict_json import read_object
from mailer.telemetry import logs

from .emails import send
from .problems import problem

if TYPE_CHECKING:
    from .context import Call


def post_webhook(call: Call) -> Response[str]:
    """Send the email that mailer.toml makes of the payload, or answer 204 where its condition is not met.

    Raises InvalidRequest for a payload that makes no email, ConfigurationError and StoreUnavailable.
    """
    config = call.runtime.config
    source = config.webhooks.get(unquote(call.path["source"]))
    if source is None:
        return problem(404, "NotFound", "mailer.toml has no such source of webhooks")
    if not source.verifies(call.request.headers, call.request.body, verbatim=call.request.exact):
        return problem(
            401,
            "Unauthorized",
            "the signature or token is missing, malformed, wrong, or more than 5 minutes off",
            headers={"WWW-Authenticate": 'Webhook realm="mailer"'},
        )
    logs.set_caller(f"webhook:{source.name}")
    payload = read_object(call.request.body)
    if not source.mapping.matches(payload):
        return Response(204, None, "")
    return send(
        source.mapping.request(payload, config.defaults),
        source.key(call.request.headers, call.request.body, payload),
        call,
    )
