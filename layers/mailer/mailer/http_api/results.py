"""The result of one of several emails in an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .problems import MIN_ERROR_STATUS

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response


def result_at(index: int, response: Response[str]) -> dict[str, Any]:
    """Return what the email at `index` would have been answered alone: its status, and receipt or `error`."""
    body = json.loads(response.body or "")
    result = {"error": body} if response.status_code >= MIN_ERROR_STATUS else body
    return {"index": index, "status": response.status_code, **result}
