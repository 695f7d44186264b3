"""`GET /health`, and the generated files `GET /openapi.json` and `GET /docs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from mailer.ledger.health import store_usage
from mailer.telemetry.refused_callers import log_degraded

if TYPE_CHECKING:
    from .context import RequestContext

_STATIC = Path(__file__).with_name("static")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


def get_health(context: RequestContext) -> Response[str]:
    """Return 200 if emails can be accepted; raises ConfigurationError and StoreUnavailable.

    The status is `degraded` while the webhooks of a source cannot be verified, whose variable the log names,
    and while the store or its dead letters are 80 % full.
    """
    runtime = context.runtime
    usage = store_usage(runtime.ledger.store)
    errors = [error for source in runtime.config.webhooks.values() if (error := source.secret_error())]
    for error in errors:
        log_degraded(context.trigger, error)
    status = "degraded" if errors or usage.nearly_full else "ok"
    return Response(200, "application/json", json.dumps({"status": status}))


def get_openapi(context: RequestContext) -> Response[str]:
    """Return the OpenAPI 3.1 document; its `servers` have the base path that the caller uses."""
    text = _text("openapi.json")
    if context.request.base:
        document = json.loads(text)
        document["servers"][0]["url"] = context.request.base
        text = json.dumps(document, separators=(",", ":"))
    return Response(200, "application/json", text)


def get_docs(_context: RequestContext) -> Response[str]:
    """Return the document as an HTML page without scripts."""
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(200, "text/html; charset=utf-8", _text("docs.html"), headers)


def _text(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")
