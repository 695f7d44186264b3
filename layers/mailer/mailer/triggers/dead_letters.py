"""Dead letters of messages and webhooks that no redelivery can turn into an email."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from mailer.delivery.outcome import Disposition

if TYPE_CHECKING:
    from mailer.errors import InvalidRequest
    from mailer.runtime import Runtime

MAX_CUT_BYTES = 16_384
MAX_SOURCE_CHARACTERS = 1024
_MAX_LEVELS = 100  # of a body that is nested deeper than JSON can be written
PERMANENT = frozenset({Disposition.REFUSED, Disposition.KEY_REUSED})
"""Dispositions that a redelivery of the same content does not change."""


def invalid_reason(error: InvalidRequest) -> dict[str, Any]:
    """Return why a message was refused before it became an email, as a dead letter holds it."""
    return {"code": error.code, **error.report()}


def add_dead_letter(
    runtime: Runtime,
    trigger: str,
    key: str | None,
    reason: dict[str, Any],
    body: Any,
    *,
    too_large: bool = False,
) -> None:
    """Store `body` in the ledger's dead letters, once per message; what is not UTF-8 as base64.

    It is stored whole; what was refused for being `too_large` is cut to 16 KB, and its reason has the SHA-256
    and the number of all its bytes. The source is the message's `key`, else (without one, or with one of over
    1,024 characters) the trigger and the hash of the body. Another body under the same key is another dead
    letter. Raises DeadLettersFull and StoreUnavailable.
    """
    raw = _bytes(body)
    digest = hashlib.sha256(raw).hexdigest()
    whole, encoding = _text(raw)
    text, reason = whole, reason | encoding
    if too_large and len(raw) > MAX_CUT_BYTES:
        text = whole.encode()[:MAX_CUT_BYTES].decode(errors="ignore")
        reason |= {"cut": True, "sha256": digest, "bytes": len(raw)}
    source = key if key and len(key) <= MAX_SOURCE_CHARACTERS else f"{trigger}:{digest}"
    runtime.ledger.dead_letter(source, reason, text, whole)


def _text(raw: bytes) -> tuple[str, dict[str, str]]:
    """Return bytes as text, and how they are encoded in it if they are not UTF-8."""
    try:
        return raw.decode(), {}
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode(), {"encoding": "base64"}


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode(errors="surrogatepass")
    try:
        return json.dumps(body).encode()
    except RecursionError:
        return json.dumps(_cut(body, _MAX_LEVELS)).encode()


def _cut(value: Any, levels: int) -> Any:
    """Return `value` with "…" in place of what is nested deeper than `levels`."""
    if not isinstance(value, (dict, list)):
        return value
    if levels == 0:
        return "…"
    if isinstance(value, dict):
        return {name: _cut(item, levels - 1) for name, item in value.items()}
    return [_cut(item, levels - 1) for item in value]
