"""`POST /emails/batch`: up to 100 emails in one request, each with a result of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response

from mailer.concurrency import ordered_map
from mailer.email.json_pointer import pointer_token
from mailer.email.limits import MAX_BATCH
from mailer.email.request import EmailRequest
from mailer.email.strict_json import check_object, read_json
from mailer.errors import FieldError, Forbidden, InvalidRequest, StoreUnavailable
from mailer.telemetry import logs

from .emails import idempotency_key, outcome_response, send_for_key
from .problems import error_problem
from .results import result_at

if TYPE_CHECKING:
    from .context import RequestContext


def post_batch(context: RequestContext) -> Response[str]:
    """Send the emails of the body; return their results in order. Raises InvalidRequest and StoreUnavailable.

    The key of an email without one is made of the header Idempotency-Key and its index, so that the whole
    request can be retried. Emails with the same key of their own are sent in order.
    """
    header = idempotency_key(context.request.headers.get("idempotency-key"))
    items = _read_emails(context.request.body)
    context.runtime.ledger.store.ping()  # without the store the whole request fails

    def send_item(index: int) -> dict[str, Any]:
        # "\n" cannot occur in a header, so derived keys cannot collide with others.
        key = f"{header}\n{index}" if header else None
        return _send_item(index, items[index], key, context)

    results = ordered_map(send_item, range(len(items)), lambda index: _own_key(items[index]))
    return Response(200, "application/json", json.dumps({"results": results}))


def _send_item(index: int, item: Any, key: str | None, context: RequestContext) -> dict[str, Any]:
    try:
        request = EmailRequest.parse(check_object(item), context.runtime.config.defaults)
        response = outcome_response(send_for_key(request, context, key))
    except (InvalidRequest, Forbidden, StoreUnavailable) as error:
        logs.refused(context.trigger, error, index=index)
        response = error_problem(error)
    return result_at(index, response)


def _read_emails(body: bytes) -> list[Any]:
    document = read_json(body)
    if not isinstance(document, dict) or not isinstance(document.get("emails"), list):
        raise InvalidRequest.at("/emails" if isinstance(document, dict) else "", 'must be {"emails": […]}')
    unknown = sorted(document.keys() - {"emails"})
    if unknown:
        raise InvalidRequest(
            FieldError(f"/{pointer_token(name)}", "a batch has no such field") for name in unknown
        )
    if not 1 <= len(document["emails"]) <= MAX_BATCH:
        raise InvalidRequest.at("/emails", f"must have 1 to {MAX_BATCH} emails")
    emails: list[Any] = document["emails"]
    return emails


def _own_key(item: Any) -> str | None:
    """Return the idempotency key in an email's own fields, if there is one."""
    key = (item.get("idempotency_key") or item.get("SmtpMessageId")) if isinstance(item, dict) else None
    return key if isinstance(key, str) and key else None
