"""`POST /emails/batch`: up to 100 emails in one call, each with an answer of its own."""

from __future__ import annotations

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response

from mailer.email.limits import MAX_BATCH
from mailer.email.request import EmailRequest
from mailer.email.strict_json import check_object, pointer_token, read_json
from mailer.errors import FieldError, InvalidRequest, StoreUnavailable
from mailer.telemetry import logs

from .emails import idempotency_key, send
from .problems import MIN_ERROR_STATUS, error_problem

if TYPE_CHECKING:
    from .context import Call

WORKERS = 20  # SES takes 20 requests a second


def post_batch(call: Call) -> Response[str]:
    """Send the emails of the body and answer for each, in order; raises InvalidRequest and StoreUnavailable.

    An email without a key of its own is named by the header Idempotency-Key and its place in the list, so
    that the whole call can be repeated. Emails under one key go in order.
    """
    header = idempotency_key(call.request.headers.get("idempotency-key"))
    items = _emails(call.request.body)
    call.runtime.ledger.store.ping()  # without the store there is one answer for all
    lanes: defaultdict[str | int, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        lanes[_named(item) or index].append(index)

    def answer_lane(lane: list[int]) -> list[dict[str, Any]]:
        # No header holds a line break, so that no key is another one's by chance.
        return [
            _answer(index, items[index], f"{header}\n{index}" if header else None, call) for index in lane
        ]

    with ThreadPoolExecutor(max_workers=min(WORKERS, len(lanes))) as pool:
        results = [result for lane in pool.map(answer_lane, lanes.values()) for result in lane]
    results.sort(key=lambda result: result["index"])
    return Response(200, "application/json", json.dumps({"results": results}))


def _answer(index: int, item: Any, key: str | None, call: Call) -> dict[str, Any]:
    try:
        answer = send(EmailRequest.parse(check_object(item), call.runtime.config.defaults), key, call)
    except (InvalidRequest, StoreUnavailable) as error:
        logs.refused(call.trigger, error, index=index)
        answer = error_problem(error)
    body = json.loads(answer.body or "")
    told = {"error": body} if answer.status_code >= MIN_ERROR_STATUS else body
    return {"index": index, "status": answer.status_code, **told}


def _emails(body: bytes) -> list[Any]:
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


def _named(item: Any) -> str | None:
    """Return the key that an email brings, if it brings one."""
    key = (item.get("idempotency_key") or item.get("SmtpMessageId")) if isinstance(item, dict) else None
    return key if isinstance(key, str) else None
