"""HTTP: requests of API Gateway, function URLs and SCF become emails."""

from __future__ import annotations

from typing import Any

from mailer.http_api.app import handle


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one HTTP event."""
    return handle(event, context)
