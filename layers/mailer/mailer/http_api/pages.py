"""`GET /health`, the OpenAPI document, its viewer at `GET /docs`, and `GET /`, which leads there."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from mailer.ledger.health import store_usage
from mailer.telemetry.refused_callers import log_degraded
from mailer.triggers.http_events import BASE64_ANSWERS

from .content_encoding import accepts_gzip
from .problems import problem

if TYPE_CHECKING:
    from .context import RequestContext

_STATIC = Path(__file__).with_name("static")
_MINUTES = "public, max-age=300"
_FOR_EVER = "public, max-age=31536000, immutable"  # the file's name changes with its content
_MEDIA = {".css": "text/css", ".js": "text/javascript", ".txt": "text/plain"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)


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
    return _cached(context, "application/json", text, {"Cache-Control": _MINUTES})


def get_docs(context: RequestContext) -> Response[str]:
    """Return the page that shows the document; its links are relative to the path that the caller uses."""
    text = _text("docs.html")
    if context.request.full_path.partition("?")[0].endswith("/"):
        text = text.replace('="./', '="../')
    headers = {
        "Cache-Control": _MINUTES,
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
    }
    return _cached(context, "text/html; charset=utf-8", text, headers)


def get_docs_file(context: RequestContext) -> Response[str]:
    """Return a script or style sheet of the page, or 404.

    It is compressed, as it is stored, where the caller accepts gzip and the platform passes on base64.
    """
    stored = {path.name: path for path in (_STATIC / "docs").glob("*.gz")}.get(f"{context.path['file']}.gz")
    if stored is None:
        return problem(404, "NotFound", "there is no such path")
    headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    media = f"{_MEDIA[stored.with_suffix('').suffix]}; charset=utf-8"
    content = stored.read_bytes()
    if context.trigger in BASE64_ANSWERS and accepts_gzip(context.request):
        headers["Content-Encoding"] = "gzip"
        answer = _cached(context, media, base64.b64encode(content).decode(), headers)
        answer.base64_encoded = bool(answer.body)
        return answer
    import gzip

    return _cached(context, media, gzip.decompress(content).decode(), headers)


def get_root(_context: RequestContext) -> Response[str]:
    """Return the redirect to the page."""
    return Response(302, None, "", {"Location": "/docs"})


def _cached(context: RequestContext, media: str, text: str, headers: dict[str, str]) -> Response[str]:
    """Return the text, or 304 to a caller who has it already (RFC 9110, section 13.1.2)."""
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, **headers}
    known = [
        one.strip().removeprefix("W/") for one in context.request.headers.get("if-none-match", "").split(",")
    ]
    if tag in known or known == ["*"]:
        return Response(304, None, "", headers)
    return Response(200, media, text, headers)


def _text(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")
