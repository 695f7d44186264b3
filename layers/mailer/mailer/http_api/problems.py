"""Error responses as RFC 9457 `application/problem+json`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response

from mailer.delivery.outcome import Disposition
from mailer.email.limits import MAX_BODY_BYTES
from mailer.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from mailer.delivery.outcome import Outcome
    from mailer.errors import MailerError

MIN_ERROR_STATUS = 400
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_STATUS = {
    "InvalidRequest": 422,
    "InvalidHeader": 400,
    "UnknownEvent": 400,
    "Forbidden": 403,
    "StoreUnavailable": 503,
    "Ledger.DeadLettersFull": 503,
    "ConfigurationError": 503,
}
_RETRYABLE = frozenset({Disposition.RETRY_LATER, Disposition.HALTED, Disposition.IN_FLIGHT})


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    retryable: bool = False,
    retry_after: float | None = None,
    headers: dict[str, str] | None = None,
    **members: Any,
) -> Response[str]:
    """Return the problem response; `retry_after` is in seconds."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
        "retryable": retryable,
        **{name: value for name, value in members.items() if value is not None},
    }
    headers = dict(headers or {})
    if retry_after is not None:
        body["retry_after"] = max(1, math.ceil(retry_after))
        headers["Retry-After"] = str(body["retry_after"])
    return Response(status, "application/problem+json", json.dumps(body), headers)


def body_too_large() -> Response[str]:
    """Return the problem response to a body that is over the limit, as it came or inflated."""
    return problem(413, "BodyTooLarge", f"a body has at most {MAX_BODY_BYTES} bytes")


def error_problem(error: MailerError) -> Response[str]:
    """Return the problem response for an error that stopped a request before it became an email.

    Which setting is wrong is for the log alone: anybody can ask.
    """
    hidden = isinstance(error, ConfigurationError)
    return problem(
        _STATUS.get(error.code, 500),
        error.code,
        "a setting is missing or wrong; the log names it" if hidden else str(error),
        retryable=error.retryable,
        retry_after=error.retry_after,
        **(error.report() if isinstance(error, InvalidRequest) else {}),
    )


def outcome_problem(status: int, outcome: Outcome) -> Response[str]:
    """Return the problem response for an email that was neither sent nor stored."""
    detail = outcome.detail or f"the email is {outcome.state.value}"
    errors = [{"pointer": outcome.pointer, "detail": detail}] if outcome.pointer else None
    retryable = outcome.disposition in _RETRYABLE
    return problem(
        status,
        outcome.code or outcome.disposition.name.title().replace("_", ""),
        detail,
        retryable=retryable,
        retry_after=outcome.retry_after if retryable else None,
        action=outcome.action.value if outcome.action else None,
        id=outcome.id,
        state=outcome.state.value,
        request_id=outcome.request_id,
        errors=errors,
    )
