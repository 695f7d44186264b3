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

PERMANENT = frozenset({Disposition.REFUSED, Disposition.KEY_REUSED})
"""Dispositions that a redelivery of the same content does not change."""


def invalid_reason(error: InvalidRequest) -> dict[str, Any]:
    """Return why a message was refused before it became an email, as a dead letter holds it."""
    return {"code": error.code, **error.report()}


def add_dead_letter(
    runtime: Runtime, trigger: str, key: str | None, reason: dict[str, Any], body: Any
) -> None:
    """Store `body` whole in the ledger's dead letters, once per message; what is not UTF-8 as base64.

    The source is the message's `key`, else the trigger and the hash of the body. Another body under the same
    key is another dead letter. Raises StoreUnavailable.
    """
    raw = _bytes(body)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = base64.b64encode(raw).decode()
        reason = {**reason, "encoding": "base64"}
    runtime.ledger.dead_letter(key or f"{trigger}:{hashlib.sha256(raw).hexdigest()}", reason, text)


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    text = body if isinstance(body, str) else json.dumps(body)
    return text.encode(errors="surrogatepass")
