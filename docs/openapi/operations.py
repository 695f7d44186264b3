"""The operations, one for each line of the route table: its request and all its responses."""

from __future__ import annotations

from typing import Any, NamedTuple

from mailer.http_api.problems import TITLES

from .schemas import ref

EMAIL = {
    "from": "Shop <noreply@mail.shop.example>",
    "to": "ann@customer.example",
    "subject": "Your code",
    "template": {"id": 100091, "data": {"code": "1234"}},
}
NATIVE = {
    "FromEmailAddress": "Shop <noreply@mail.shop.example>",
    "Destination": ["ann@customer.example"],
    "Subject": "Your code",
    "Template": {"TemplateID": 100091, "TemplateData": '{"code": "1234"}'},
}
ITEM = {
    "recipient": "ann@customer.example",
    "item_id": "c-17",
    "item": {"title": "A comment"},
    "time_zone": "Europe/Berlin",
}
ID = "nmvtaakmmrneyrq3a4sffoodqpn2zpof@mail.shop.example"
RECEIPT = {
    "id": ID,
    "state": "accepted",
    "message_id": "qcloudses-30-1250000000-date-20260501090000-8U4EdxSTT9Bx",
    "request_id": "b169f8be-176e-4bd7-8783-e035e449410d",
    "replayed": False,
}
KEPT = {**RECEIPT, "state": "unknown", "message_id": None, "request_id": None}
PROBLEMS: dict[int, tuple[str, dict[str, Any]]] = {
    400: (
        "the header Idempotency-Key is malformed, or the body is not the gzip that Content-Encoding says",
        {
            "code": "InvalidHeader",
            "detail": "the header Idempotency-Key must have 1 to 255 printable ASCII characters",
            "errors": [
                {
                    "pointer": "",
                    "detail": "the header Idempotency-Key must have 1 to 255 printable ASCII characters",
                }
            ],
        },
    ),
    401: (
        "no valid key, signature or token",
        {"code": "Unauthorized", "detail": "a valid key is needed"},
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
        {"code": "UnsupportedMediaType", "detail": "the body must be JSON"},
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
        {"code": "InternalError", "detail": "an unexpected error", "retryable": True},
    ),
    503: (
        "not sent: SES or the store is unavailable, the time is over, or a setting is invalid",
        {"code": "StoreUnavailable", "detail": "ConnectionError", "retryable": True, "retry_after": 5},
    ),
}
_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "the authentication that is needed"},
    409: {"Retry-After": "seconds"},
    503: {"Retry-After": "seconds, where trying again can help"},
}


class Answer(NamedTuple):
    """A successful response."""

    text: str
    schema: str | None = None
    example: Any = None
    headers: dict[str, str] | None = None
    media: str | None = "application/json"


class Operation(NamedTuple):
    """One operation; `problems` are the statuses of its error responses.

    `permission` is what its API key needs; without one, `security` has the schemes that authenticate it.
    """

    name: str
    text: str
    answers: dict[int, Answer]
    problems: tuple[int, ...] = ()
    takes: str | None = None
    examples: dict[str, Any] | None = None
    permission: str | None = None
    security: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    path: dict[str, tuple[str, str]] | None = None
    has_bodies: bool = True
    form: bool = False


_SENT = {
    200: Answer(
        "accepted by SES, now or before",
        "Receipt",
        RECEIPT,
        {
            "Location": "where to read its state",
            "Idempotent-Replayed": "`true` if this repeats an earlier request, whose answer it is",
        },
    ),
    202: Answer(
        "stored in the ledger (deferred, scheduled or unknown): the sweep will send or reconcile it",
        "Receipt",
        KEPT,
        {
            "Location": "where to read its state",
            "Idempotent-Replayed": "`true` if this repeats an earlier request, whose answer it is",
        },
    ),
}
_EVERY = (500,)
_BODY = (400, 413, 415, 422, 431, 503)
PROOFS = (
    *("standardWebhooks", "gitHub", "stripe", "webhookToken", "webhookBasic", "webhookBearer"),
    *("shopify", "paddle", "lemonSqueezy", "slack", "hubSpot", "twilio"),
)

_CACHED = {
    "ETag": "changes with the document: send it back as `If-None-Match`",
    "Cache-Control": "how long a copy may be used",
}
_NOT_MODIFIED = Answer("the copy that `If-None-Match` names is the current one", headers=_CACHED, media=None)

_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/emails"): Operation(
        "sendEmail",
        "Send one email. Repeating a request under its key returns the first answer.",
        _SENT,
        (401, 403, 409, *_BODY),
        "AnyRequest",
        {"EmailRequest": EMAIL, "SendEmail": NATIVE},
        "send",
        headers=("Idempotency-Key",),
    ),
    ("POST", "/emails/batch"): Operation(
        "sendEmails",
        "Send up to 100 emails, answered one by one in their order. With an Idempotency-Key the whole "
        "call can be repeated.",
        {
            200: Answer(
                "an answer for each",
                "BatchResults",
                {"results": [{"index": 0, "status": 200, **RECEIPT}]},
            )
        },
        (401, 403, *_BODY),
        "Batch",
        {"batch": {"emails": [EMAIL, {**EMAIL, "to": "bob@customer.example"}]}},
        "send",
        headers=("Idempotency-Key",),
    ),
    ("GET", "/emails/{email}"): Operation(
        "getEmail",
        "Read an email's record: state, attempts, codes, times, and the callback events of SES. A key that "
        "has a namespace sees the emails of that namespace alone.",
        {
            200: Answer(
                "its record",
                "Email",
                {
                    **{name: value for name, value in RECEIPT.items() if name != "replayed"},
                    "code": None,
                    "attempts": 1,
                    "created_at": "2026-05-01T09:00:00.000Z",
                    "updated_at": "2026-05-01T09:00:00.120Z",
                    "due_at": None,
                    "history": [
                        {"state": "sending", "at": "2026-05-01T09:00:00.000Z", "attempt": 1},
                        {"state": "accepted", "at": "2026-05-01T09:00:00.120Z", "attempt": 1},
                    ],
                    "deliveries": [
                        {
                            "event": "delivered",
                            "recipient": "3a9b1daa167b7c8b3020",
                            "at": "2026-05-01T09:00:04.000Z",
                        }
                    ],
                    "events": [],
                },
            )
        },
        (401, 403, 404, 413, 431, 503),
        permission="read",
        path={"email": ("its id, with or without the domain", ID)},
    ),
    ("POST", "/webhooks/{source}"): Operation(
        "takeWebhook",
        "Send the email that `[webhooks.…]` of mailer.toml makes of another system's event. The webhook's "
        "own id identifies the email. A signed webhook that is refused is kept as a dead letter too. "
        "Forms are taken too, also as multipart/form-data without files.",
        {
            **_SENT,
            200: Answer(
                "accepted by SES, now or before; of a source with `each`, an answer for each event",
                "WebhookAnswer",
                RECEIPT,
                _SENT[200].headers,
            ),
            204: Answer("its `when` condition is not met: nothing is sent", media=None),
        },
        (401, 404, 409, *_BODY),
        "Webhook",
        {"event": {"type": "invoice.paid", "data": {"customer": {"email": "ann@customer.example"}}}},
        security=PROOFS,
        path={"source": ("a source of mailer.toml", "billing")},
        form=True,
    ),
    ("POST", "/digests/{digest}/items"): Operation(
        "takeItems",
        "Add one item, or up to 100, to the next digest of each recipient. An `item_id` that was added "
        "before changes nothing, so the call can be repeated.",
        {
            202: Answer(
                "how many are new, and how many are duplicates",
                "ItemsTaken",
                {"digest": "daily", "accepted": 1, "duplicates": 0},
            )
        },
        (401, 403, 404, *_BODY),
        "Items",
        {"item": ITEM, "items": [ITEM, {**ITEM, "item_id": "c-18", "item": {"title": "A reply"}}]},
        "digest",
        path={"digest": ("a digest of mailer.toml", "daily")},
    ),
    ("POST", "/ses/events/{token}"): Operation(
        "takeSesEvents",
        "Receive SES's event callbacks, one or many. SES does not sign them: the path's token is secret.",
        {
            200: Answer(
                "how many were recorded, and how many were ignored",
                "EventsTaken",
                {"events": 1, "ignored": 0},
            )
        },
        (404, *_BODY),
        "SesEvents",
        {
            "event": {
                "event": "delivered",
                "email": "ann@customer.example",
                "bulkId": RECEIPT["message_id"],
                "messageId": ID,
                "timestamp": 1777626004,
            }
        },
        path={"token": ("the token of MAILER_CALLBACK_TOKEN", "a-token-that-nobody-guesses")},
    ),
    ("GET", "/health"): Operation(
        "getHealth",
        "Check the settings and the store. `degraded`: the webhooks of a source cannot be verified, because "
        "its secret is missing or wrong (the log names the variable); or the store or its dead letters are "
        "80 % full.",
        {200: Answer("emails can be accepted", "Health", {"status": "ok"})},
        (413, 431, 503),
    ),
    ("GET", "/openapi.json"): Operation(
        "getOpenApi",
        "This document.",
        {200: Answer("OpenAPI 3.1", headers=_CACHED), 304: _NOT_MODIFIED},
        (413, 431),
    ),
    ("GET", "/docs"): Operation(
        "getDocs",
        "This document as a page.",
        {200: Answer("HTML", headers=_CACHED, media="text/html"), 304: _NOT_MODIFIED},
        (413, 431),
    ),
    ("GET", "/"): Operation(
        "getRoot",
        "Leads to the page.",
        {302: Answer("to /docs", headers={"Location": "where the page is"}, media=None)},
        (413, 431),
    ),
}


def _head(operation: Operation) -> Operation:
    """Return the operation that answers what `operation`, a GET, does, without bodies."""
    return operation._replace(
        name=f"head{operation.name.removeprefix('get')}",
        text=f"The headers alone. {operation.text}",
        has_bodies=False,
    )


OPERATIONS = _OPERATIONS | {
    ("HEAD", path): _head(operation) for (method, path), operation in _OPERATIONS.items() if method == "GET"
}


def operation_object(operation: Operation) -> dict[str, Any]:
    """Return the OpenAPI Operation Object."""
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.text.partition(". ")[0].rstrip("."),
        "description": operation.text,
        "responses": {str(status): _success(answer) for status, answer in operation.answers.items()}
        | {str(status): _problem(status) for status in sorted({*operation.problems, *_EVERY})},
        "security": [{"apiKey": [operation.permission]}]
        if operation.permission
        else [{name: []} for name in operation.security],
    }
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": text,
            "schema": {"type": "string", "minLength": 1},
            "example": example,
        }
        for name, (text, example) in (operation.path or {}).items()
    ] + [{"$ref": f"#/components/parameters/{name}"} for name in operation.headers]
    if parameters:
        made["parameters"] = parameters
    if not operation.has_bodies:
        for answer in made["responses"].values():
            answer.pop("content", None)
    if operation.takes:
        examples = {name: {"value": value} for name, value in (operation.examples or {}).items()}
        media = {"schema": ref(operation.takes), "examples": examples}
        content = {"application/json": media}
        if operation.form:
            fields = {"From": "+6591234567", "Body": "Are you open on Sunday?"}
            content["application/x-www-form-urlencoded"] = {
                "schema": ref("WebhookForm"),
                "examples": {"form": {"value": fields}},
            }
        made["requestBody"] = {"required": True, "content": content}
    return made


def _success(answer: Answer) -> dict[str, Any]:
    made: dict[str, Any] = {"description": answer.text}
    if answer.headers:
        made["headers"] = _headers(answer.headers)
    if answer.schema and answer.media:
        media = {"schema": ref(answer.schema), "examples": {"answer": {"value": answer.example}}}
        made["content"] = {answer.media: media}
    elif answer.media:
        kind = {"type": "object"} if answer.media == "application/json" else {"type": "string"}
        made["content"] = {answer.media: {"schema": kind}}
    return made


def _problem(status: int) -> dict[str, Any]:
    text, members = PROBLEMS[status]
    example = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "retryable": False,
        **members,
    }
    media = {"schema": ref("Problem"), "examples": {"problem": {"value": example}}}
    made: dict[str, Any] = {"description": text, "content": {"application/problem+json": media}}
    if status in _HEADERS:
        made["headers"] = _headers(_HEADERS[status])
    return made


def _headers(texts: dict[str, str]) -> dict[str, Any]:
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()}
