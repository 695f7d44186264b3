"""Content codings (RFC 9110, §8.4.1): gzip of a request is inflated, in bounds; any other is refused."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from mailer.email.limits import MAX_BODY_BYTES

from .problems import body_too_large, problem

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response

    from mailer.triggers.http_events import HttpRequest

_GZIP = frozenset({"gzip", "x-gzip"})
_NONE = frozenset({"", "identity"})
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


def without_encoding(request: HttpRequest) -> HttpRequest | Response[str]:
    """Return the request with its body inflated, or the error response: 400, 413 or 415.

    No more is inflated than shows that it is too much. A body has one member of gzip, as clients send it.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in _NONE:
        return request
    if encoding not in _GZIP:
        return problem(
            415,
            "UnsupportedEncoding",
            "the body must be sent as it is, or with Content-Encoding: gzip",
            headers={"Accept-Encoding": "gzip"},
        )
    inflater = zlib.decompressobj(_GZIP_FORMAT)
    try:
        body = inflater.decompress(request.body, MAX_BODY_BYTES + 1)
    except zlib.error:
        return _broken()
    if len(body) > MAX_BODY_BYTES:
        return body_too_large()
    if not inflater.eof or inflater.unused_data:
        return _broken()
    return replace(request, body=body, encoded_body=request.body)


def accepts_gzip(request: HttpRequest) -> bool:
    """Return whether the response may be compressed: without Accept-Encoding it may (RFC 9110, §12.5.3)."""
    weights: dict[str, str] = {}
    for one in request.headers.get("accept-encoding", "*").lower().split(","):
        coding, _, weight = one.partition(";")
        weights[coding.strip()] = weight.replace(" ", "").removeprefix("q=") or "1"
    return weights.get("gzip", weights.get("*", "0")).strip("0.") != ""


def _broken() -> Response[str]:
    return problem(400, "BrokenEncoding", "the body is not the gzip that Content-Encoding says")
