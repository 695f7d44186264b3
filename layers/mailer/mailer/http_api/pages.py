"""`GET /health`, the generated files `GET /openapi.json` and `GET /docs`, and `GET /`, which leads there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from mailer.ledger.health import store_usage
from mailer.telemetry.refused_callers import log_degraded

if TYPE_CHECKING:
    from .context import RequestContext

_STATIC = Path(__file__).with_name("static")
_CACHE_SECONDS = 300
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
    return _cached(context, "application/json", text)


def get_docs(context: RequestContext) -> Response[str]:
    """Return the document as an HTML page without scripts."""
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    return _cached(context, "text/html; charset=utf-8", _text("docs.html"), headers)


def get_root(_context: RequestContext) -> Response[str]:
    """Return the redirect to the page."""
    return Response(302, None, "", {"Location": "/docs"})


def _cached(
    context: RequestContext, media: str, text: str, headers: dict[str, str] | None = None
) -> Response[str]:
    """Return the text, or 304 to a caller who has it already (RFC 9110, section 13.1.2)."""
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={_CACHE_SECONDS}", **(headers or {})}
    known = [
        one.strip().removeprefix("W/") for one in context.request.headers.get("if-none-match", "").split(",")
    ]
    if tag in known or known == ["*"]:
        return Response(304, None, "", headers)
    return Response(200, media, text, headers)


def _text(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")
