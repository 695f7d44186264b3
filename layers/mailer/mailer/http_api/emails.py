"""`POST /emails` and `GET /emails/{id}`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response

from mailer.delivery.outcome import Disposition, Outcome
from mailer.email.identity import ID_CHARACTERS
from mailer.email.limits import MAX_KEY_CHARACTERS
from mailer.errors import InvalidHeader, InvalidRequest
from mailer.ledger.record_json import record_json

from .problems import MIN_ERROR_STATUS, outcome_problem, problem

if TYPE_CHECKING:
    from mailer.email.identity import PlatformKey
    from mailer.email.request import EmailRequest

    from .context import RequestContext

STATUS = {
    Disposition.ACCEPTED: 200,
    Disposition.PENDING: 202,
    Disposition.REFUSED: 422,
    Disposition.RETRY_LATER: 503,
    Disposition.HALTED: 503,
    Disposition.IN_FLIGHT: 409,
    Disposition.KEY_REUSED: 422,
}
_QUOTED_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_PLAIN_KEY = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def post_email(context: RequestContext) -> Response[str]:
    """Send the email in the request's body; raises InvalidRequest and StoreUnavailable."""
    from mailer.email.request import EmailRequest

    key = idempotency_key(context.request.headers.get("idempotency-key"))
    request = EmailRequest.parse(context.request.body, context.runtime.config.defaults)
    if key and request.idempotency_key and key != request.idempotency_key:
        raise InvalidRequest.at("/idempotency_key", "differs from the header Idempotency-Key")
    return outcome_response(send_for_key(request, context, key))


def send_for_key(request: EmailRequest, context: RequestContext, key: str | None) -> Outcome:
    """Deliver the email of an API key's caller; raises Forbidden and StoreUnavailable."""
    context.key.check_sender(request.sender, request.header_from)
    return send(request, context, key=key, namespace=context.key.namespace)


def send(
    request: EmailRequest,
    context: RequestContext,
    *,
    key: str | None = None,
    platform_key: PlatformKey | str | None = None,
    namespace: str = "",
) -> Outcome:
    """Deliver the email and return its outcome; raises StoreUnavailable. The keys are those of `deliver`."""
    from mailer.delivery.deliver import deliver

    return deliver(
        request,
        key=key,
        platform_key=platform_key,
        namespace=namespace,
        trigger=context.trigger,
        deadline=context.deadline,
        runtime=context.runtime,
    )


def get_email(context: RequestContext) -> Response[str]:
    """Return the record of an email, given by its id with or without the domain.

    A key that has a namespace does not see the emails of others.
    """
    name = unquote(context.path["email"])
    email_id, _, domain = name.partition("@")
    record = context.runtime.ledger.get(email_id) if len(email_id) == ID_CHARACTERS else None
    namespace = context.key.namespace
    foreign = record is not None and namespace and record.namespace != namespace
    if record is None or foreign or (domain and record.smtp_message_id != name):
        return problem(404, "NotFound", "no email has this id")
    events = context.runtime.events.events_of(record.id)
    return Response(200, "application/json", json.dumps(record_json(record, events)))


def idempotency_key(header: str | None) -> str | None:
    """Return the key in an Idempotency-Key header: a structured-field string, or plain text.

    Source: draft-ietf-httpapi-idempotency-key-header, RFC 8941 §3.3.3. Raises InvalidHeader.
    """
    if header is None:
        return None
    text = header.strip()
    if text.startswith('"'):
        match = _QUOTED_KEY.fullmatch(text)
        text = re.sub(r'\\(["\\])', r"\1", match[1]) if match else ""
    if not _PLAIN_KEY.fullmatch(text) or len(text) > MAX_KEY_CHARACTERS:
        raise InvalidHeader.at(
            "", f"the header Idempotency-Key must have 1 to {MAX_KEY_CHARACTERS} printable ASCII characters"
        )
    return text


def outcome_response(outcome: Outcome) -> Response[str]:
    """Return the HTTP response for the outcome of an email."""
    status = STATUS[outcome.disposition]
    if status >= MIN_ERROR_STATUS:
        return outcome_problem(status, outcome)
    headers = {"Location": f"/emails/{outcome.id}"}
    if outcome.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(status, "application/json", json.dumps(outcome.receipt()), headers)
