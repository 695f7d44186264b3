"""The operations, one for each line of the route table: its request and all its responses."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from .examples import DOCUMENT, EMAIL, ITEM, KEPT, NATIVE, RECEIPT, RECORD, RESULTS
from .problems import EMAIL_ID
from .security import PROOFS

if TYPE_CHECKING:
    from collections.abc import Mapping

_NONE: Mapping[str, Any] = MappingProxyType({})


class Answer(NamedTuple):
    """A successful response; `plain` is an example of the text that it may have in place of JSON."""

    text: str
    schema: str | None = None
    examples: Mapping[str, Any] = _NONE
    headers: dict[str, str] | None = None
    media: str | None = "application/json"
    plain: str | None = None


class Operation(NamedTuple):
    """One operation; `problems` are the statuses of its error responses.

    `permission` is what its API key needs; without one, `security` has the schemes that authenticate it.
    `path` has the description and an example of each parameter. The code samples of the operation read
    `variables` of the path from the environment, and send the headers `proof`.
    """

    tag: str
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
    variables: Mapping[str, str] = _NONE
    proof: Mapping[str, str] = _NONE
    has_bodies: bool = True
    form: bool = False

    @property
    def summary(self) -> str:
        """The first sentence of the text."""
        return self.text.partition(". ")[0].rstrip(".")


TAGS = {
    "Emails": "Send emails and read what became of them, with an API key.",
    "Webhooks": "Take the events of other systems, which mailer.toml makes into emails.",
    "Digests": "Collect items for the next digest of each recipient, with an API key.",
    "Callbacks": "Take the events that SES reports.",
    "Service": "The health of the function, and this document.",
}
_OF_AN_EMAIL = {
    "Location": "where to read its state",
    "Idempotent-Replayed": "`true` if this repeats an earlier request, whose answer it is",
}
_SENT = {
    200: Answer(
        "accepted by SES, now or before",
        "Receipt",
        {"accepted": RECEIPT},
        _OF_AN_EMAIL,
    ),
    202: Answer(
        "stored in the ledger (deferred, scheduled or unknown): the sweep will send or reconcile it",
        "Receipt",
        {"unknown": KEPT},
        _OF_AN_EMAIL,
    ),
}
_BODY = (400, 413, 415, 422, 431, 503)
_CACHED = {
    "ETag": "changes with the document: send it back as `If-None-Match`",
    "Cache-Control": "how long a copy may be used",
}
_NOT_MODIFIED = Answer("the copy that `If-None-Match` names is the current one", headers=_CACHED, media=None)

_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/emails"): Operation(
        "Emails",
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
        "Emails",
        "sendBatch",
        "Send a batch of emails. It has up to 100, which are answered one by one in their order; with an "
        "Idempotency-Key the whole call can be repeated.",
        {
            200: Answer(
                "an answer for each",
                "BatchResults",
                RESULTS,
            )
        },
        (401, 403, *_BODY),
        "Batch",
        {"batch": {"emails": [EMAIL, {**EMAIL, "to": "bob@customer.example"}]}},
        "send",
        headers=("Idempotency-Key",),
    ),
    ("GET", "/emails/{email}"): Operation(
        "Emails",
        "getEmail",
        "Read an email. Its record has state, attempts, codes, times, and the callback events of SES. A key "
        "that has a namespace sees the emails of that namespace alone.",
        {
            200: Answer(
                "its record",
                "Email",
                {"accepted": RECORD},
            )
        },
        (401, 403, 404, 413, 431, 503),
        permission="read",
        path={"email": ("its id, with or without the domain", EMAIL_ID)},
        variables={"email": "EMAIL_ID"},
    ),
    ("POST", "/webhooks/{source}"): Operation(
        "Webhooks",
        "receiveWebhook",
        "Receive a webhook. The email that `[webhooks.…]` of mailer.toml makes of it is sent. The webhook's "
        "own id identifies the email. A signed webhook that is refused is kept as a dead letter too. "
        "Forms are taken too, also as multipart/form-data without files.",
        {
            **_SENT,
            200: Answer(
                "accepted by SES, now or before; of a source with `each`, an answer for each event",
                "WebhookAnswer",
                {"receipt": RECEIPT, "results": RESULTS["batch"]},
                _SENT[200].headers,
                plain="3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
            ),
            204: Answer("its `when` condition is not met: nothing is sent", media=None),
        },
        (401, 404, 409, *_BODY),
        "Webhook",
        {
            "event": {"id": "c-1", "email": "tom@customer.example", "message": "Do you ship to Penang?"},
            "events": [{"propertyName": "email", "propertyValue": "ann@customer.example"}],
        },
        security=PROOFS,
        path={"source": ("a source of mailer.toml", "contact")},
        proof={"X-Webhook-Token": "$WEBHOOK_TOKEN"},
        form=True,
    ),
    ("POST", "/digests/{digest}/items"): Operation(
        "Digests",
        "addDigestItems",
        "Add items to a digest. One item, or up to 100, go to the next digest of each recipient. An "
        "`item_id` that was added before changes nothing, so the call can be repeated.",
        {
            202: Answer(
                "how many are new, and how many are duplicates",
                "DigestItemsTaken",
                {"counts": {"digest": "daily", "accepted": 1, "duplicates": 0}},
            )
        },
        (401, 403, 404, *_BODY),
        "DigestItems",
        {"item": ITEM, "items": [ITEM, {**ITEM, "item_id": "c-18", "item": {"title": "A reply"}}]},
        "digest",
        path={"digest": ("a digest of mailer.toml", "daily")},
    ),
    ("POST", "/ses/events/{token}"): Operation(
        "Callbacks",
        "receiveSesEvents",
        "Receive SES's callbacks. A call has one event or many. SES does not sign them: the path's token is "
        "secret.",
        {
            200: Answer(
                "how many were recorded, and how many were ignored",
                "EventsTaken",
                {"counts": {"events": 1, "ignored": 0}},
            )
        },
        (404, *_BODY),
        "SesEvents",
        {
            "event": {
                "event": "delivered",
                "email": "ann@customer.example",
                "bulkId": RECEIPT["message_id"],
                "messageId": EMAIL_ID,
                "timestamp": 1777626004,
            }
        },
        path={"token": ("the token of MAILER_CALLBACK_TOKEN", "a-token-that-nobody-guesses")},
        variables={"token": "CALLBACK_TOKEN"},
    ),
    ("GET", "/health"): Operation(
        "Service",
        "getHealth",
        "Check the settings and the store. `degraded`: the webhooks of a source cannot be verified, because "
        "its secret is missing or wrong (the log names the variable); or the store or its dead letters are "
        "80 % full.",
        {
            200: Answer(
                "emails can be accepted",
                "Health",
                {"ok": {"status": "ok"}, "degraded": {"status": "degraded"}},
            )
        },
        (413, 431, 503),
    ),
    ("GET", "/openapi.json"): Operation(
        "Service",
        "getOpenApiDocument",
        "Get this document.",
        {200: Answer("OpenAPI 3.1", examples={"document": DOCUMENT}, headers=_CACHED), 304: _NOT_MODIFIED},
        (413, 431),
    ),
    ("GET", "/docs"): Operation(
        "Service",
        "getDocsPage",
        "Get this document as a page.",
        {
            200: Answer("HTML", examples={"page": "<!doctype html>…"}, headers=_CACHED, media="text/html"),
            304: _NOT_MODIFIED,
        },
        (413, 431),
    ),
    ("GET", "/"): Operation(
        "Service",
        "getRoot",
        "Redirect to the page.",
        {302: Answer("to /docs", headers={"Location": "where the page is"}, media=None)},
        (413, 431),
    ),
}


def _head(operation: Operation) -> Operation:
    """Return the operation that answers what `operation`, a GET, does, without bodies."""
    return operation._replace(
        name=f"head{operation.name.removeprefix('get')}",
        text=f"{operation.summary}: the headers alone.",
        has_bodies=False,
    )


OPERATIONS = _OPERATIONS | {
    ("HEAD", path): _head(operation) for (method, path), operation in _OPERATIONS.items() if method == "GET"
}
