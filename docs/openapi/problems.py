"""The problems (RFC 9457) of the HTTP API: each status with its meaning and an example, and every code."""

from __future__ import annotations

from typing import Any

from mailer.delivery.outcome import Disposition
from mailer.http_api.problems import TITLES
from mailer.ses.error_table import TABLE

EMAIL_ID = "nmvtaakmmrneyrq3a4sffoodqpn2zpof@mail.shop.example"
REQUEST_ID = "b169f8be-176e-4bd7-8783-e035e449410d"
_HEADER_RULE = "the header Idempotency-Key must have 1 to 255 printable ASCII characters"
PROBLEMS: dict[int, tuple[str, dict[str, Any]]] = {
    400: (
        "the header Idempotency-Key is malformed, or the body is not the gzip that Content-Encoding says",
        {
            "code": "InvalidHeader",
            "detail": _HEADER_RULE,
            "errors": [{"pointer": "", "detail": _HEADER_RULE}],
        },
    ),
    401: (
        "no valid key, signature or token",
        {"code": "Unauthorized", "detail": "a valid key is needed: Authorization: Bearer KEY"},
    ),
    403: (
        "the key lacks the permission, or may not use the sender",
        {"code": "Forbidden", "detail": "the key `crm` lacks the permission `send`"},
    ),
    404: ("not found", {"code": "NotFound", "detail": "no email has this id"}),
    409: (
        "another worker is sending the email of this key",
        {
            "code": "InFlight",
            "detail": "this email is being sent right now",
            "retryable": True,
            "retry_after": 5,
        },
    ),
    413: (
        "the body is over 6 MB, as it came or inflated",
        {"code": "BodyTooLarge", "detail": "a body has at most 6291456 bytes"},
    ),
    415: (
        "the body is not declared to be JSON, or has another content encoding than gzip",
        {"code": "UnsupportedMediaType", "detail": "the body must be JSON: Content-Type: application/json"},
    ),
    422: (
        "the input breaks rules, the recipient must not be mailed, or the key belongs to another request",
        {
            "code": "InvalidRequest",
            "detail": "/to: is required",
            "errors": [{"pointer": "/to", "detail": "is required"}],
        },
    ),
    431: ("more than 100 headers", {"code": "TooManyHeaders", "detail": "a request has at most 100 headers"}),
    500: (
        "an unexpected error; the log has its type and location",
        {"code": "InternalError", "detail": "an unexpected error; the log names it", "retryable": True},
    ),
    503: (
        "not sent: SES or the store is unavailable, the time is over, or a setting is invalid",
        {"code": "StoreUnavailable", "detail": "ConnectionError", "retryable": True, "retry_after": 5},
    ),
}
# What becomes of an email, where an operation sends one.
_OF_EMAILS: dict[int, dict[str, dict[str, Any]]] = {
    422: {
        "suppressed": {
            "code": "Ledger.Unsubscribed",
            "detail": "the email is refused",
            "action": "suppress",
            "id": EMAIL_ID,
            "state": "refused",
            "errors": [{"pointer": "/to/0", "detail": "the email is refused"}],
        },
        "key reused": {
            "code": "IdempotencyKeyReused",
            "detail": "this idempotency key already belongs to another request",
            "action": "reject",
            "id": EMAIL_ID,
            "state": "accepted",
            "request_id": REQUEST_ID,
        },
    },
    503: {
        "halted": {
            "code": "FailedOperation.InsufficientBalance",
            "detail": "the account is in arrears; top up the account; sending resumes by itself",
            "retryable": True,
            "action": "halt",
            "id": EMAIL_ID,
            "state": "failed",
            "retry_after": 900,
        }
    },
}
# What the code of a problem can be beside those of the error table, which an email's own failure has.
OWN_CODES = {
    "InvalidRequest": "the input breaks rules, which `errors` lists",
    "InvalidHeader": "a header of the request is malformed",
    "UnknownEvent": "the platform's event is not one of an HTTP request",
    "BrokenEncoding": "the body is not the gzip that Content-Encoding says",
    "UnsupportedEncoding": "the body has another content encoding than gzip",
    "UnsupportedMediaType": "the body is not declared to be JSON",
    "BodyTooLarge": "the body is over the limit",
    "TooManyHeaders": "the request has too many headers",
    "Unauthorized": "no valid key, signature or token",
    "Forbidden": "the key lacks the permission, or may not use the sender",
    "NotFound": "there is no such path, email, source or digest",
    "MethodNotAllowed": "the path has other methods, which `Allow` lists",
    "InFlight": "another worker is sending the email right now",
    "IdempotencyKeyReused": "the idempotency key belongs to another request",
    "Expired": "`expires_at` is over",
    "RedeliveryRequired": "some of the webhook's events must be delivered again",
    "TimeIsUp": "the time of the invocation is over",
    "StoreUnavailable": "the ledger's store did not answer",
    "ConfigurationError": "a setting is missing or wrong; the log names it",
    "InternalError": "an unexpected error; the log has its type and location",
    "Refused": "the email was refused earlier, without a code of its own",
    "RetryLater": "the email was not sent, and the request can be repeated",
    "Halted": "nothing of the email's account, sender or template can be sent at the moment",
}
CODES = OWN_CODES | {code: rule.why for code, rule in TABLE.items()}
# A disposition names the problem where the outcome has no code.
UNNAMED = {
    one.name.title().replace("_", "")
    for one in (Disposition.REFUSED, Disposition.RETRY_LATER, Disposition.HALTED, Disposition.IN_FLIGHT)
}


def example_of(status: int) -> dict[str, Any]:
    """Return an example of a problem with this status."""
    return _with_status(status, PROBLEMS[status][1])


def examples_of(status: int, *, sends: bool) -> dict[str, dict[str, Any]]:
    """Return examples of problems with this status, by name; `sends`: of what sends an email."""
    more = _OF_EMAILS.get(status, {}) if sends else {}
    return {
        "problem": example_of(status),
        **{name: _with_status(status, members) for name, members in more.items()},
    }


def _with_status(status: int, members: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "retryable": False,
        **members,
    }
