"""`GET /health`: settings and store are in order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

if TYPE_CHECKING:
    from .call import Call


def get_health(call: Call) -> Response[str]:
    """Answer that emails can be taken; raises ConfigurationError and StoreUnavailable."""
    call.runtime.ledger.store.ping()
    return Response(200, "application/json", json.dumps({"status": "ok"}))
