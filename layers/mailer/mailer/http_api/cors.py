"""Cross-origin requests (CORS, Fetch Standard §3.3): off unless `MAILER_CORS_ORIGINS` names origins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailer.config.settings import Settings
from mailer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailer.triggers.http_events import HttpRequest

REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key"
EXPOSED_HEADERS = "ETag, Idempotent-Replayed, Location, Retry-After"
PREFLIGHT_SECONDS = 600


def is_preflight(request: HttpRequest) -> bool:
    """Return whether the request is a browser's CORS preflight."""
    return request.method == "OPTIONS" and "access-control-request-method" in request.headers


def cors_headers(request: HttpRequest, methods: Sequence[str]) -> dict[str, str]:
    """Return the headers that let the page of `request` read the response, or none if it may not.

    `methods` are those of the path, which a preflight asks for.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    try:
        allowed = Settings.current().cors_origins
    except ConfigurationError:  # the response reports it; no origin is allowed
        return {}
    if not allowed & {origin, "*"}:
        return {"Vary": "Origin"} if allowed else {}
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        "Vary": "Origin",
    }
    if is_preflight(request):
        headers |= {
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": REQUEST_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
    return headers
