"""`POST /emails` and `GET /emails/{id}`."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response

from mailer.delivery.outcome import Disposition, Outcome
from mailer.email.identity import ID_CHARACTERS
from mailer.email.limits import MAX_KEY_CHARACTERS
from mailer.errors import InvalidRequest

from .problems import MIN_ERROR_STATUS, outcome_problem, problem

if TYPE_CHECKING:
    from mailer.email.request import EmailRequest
    from mailer.ledger.record import Record

    from .context import Call

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


def post_email(call: Call) -> Response[str]:
    """Send the email in the request's body; raises InvalidRequest and StoreUnavailable."""
    from mailer.email.request import EmailRequest

    key = idempotency_key(call.request.headers.get("idempotency-key"))
    email = EmailRequest.parse(call.request.body, call.runtime.config.defaults)
    if key and email.idempotency_key and key != email.idempotency_key:
        raise InvalidRequest.at("/idempotency_key", "differs from the header Idempotency-Key")
    return send(email, key, call)


def send(email: EmailRequest, key: str | None, call: Call) -> Response[str]:
    """Deliver `email`, which `key` names where it has no key of its own; raises StoreUnavailable."""
    from mailer.delivery.deliver import deliver

    return answer(deliver(email, key=key, trigger=call.trigger, deadline=call.deadline, runtime=call.runtime))


def get_email(call: Call) -> Response[str]:
    """Return what the ledger knows of one email, named by its id with or without the domain."""
    name = unquote(call.path["email"])
    identity, _, domain = name.partition("@")
    record = call.runtime.ledger.get(identity) if len(identity) == ID_CHARACTERS else None
    if record is None or (domain and record.smtp_message_id != name):
        return problem(404, "NotFound", "no email has this id")
    events = call.runtime.events.events_of(record.id)
    return Response(200, "application/json", json.dumps(record_json(record, events)))


def idempotency_key(header: str | None) -> str | None:
    """Return the key in an Idempotency-Key header: a structured-field string, or plain text.

    Source: draft-ietf-httpapi-idempotency-key-header, RFC 8941 §3.3.3. Raises InvalidRequest.
    """
    if header is None:
        return None
    text = header.strip()
    if text.startswith('"'):
        match = _QUOTED_KEY.fullmatch(text)
        text = re.sub(r'\\(["\\])', r"\1", match[1]) if match else ""
    if not _PLAIN_KEY.fullmatch(text) or len(text) > MAX_KEY_CHARACTERS:
        raise InvalidRequest.at(
            "", f"the header Idempotency-Key must have 1 to {MAX_KEY_CHARACTERS} printable ASCII characters"
        )
    return text


def answer(outcome: Outcome) -> Response[str]:
    """Return the HTTP answer for what became of an email."""
    status = STATUS[outcome.disposition]
    if status >= MIN_ERROR_STATUS:
        return outcome_problem(status, outcome)
    headers = {"Location": f"/emails/{outcome.id}"}
    if outcome.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(status, "application/json", json.dumps(outcome.receipt()), headers)


def record_json(record: Record, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a record as JSON: states, codes and times, no content and no address.

    `deliveries` has the newest event of each recipient, identified by a hash.
    """
    newest = {event["recipient"]: event for event in events}
    return {
        "id": record.smtp_message_id,
        "state": record.state.value,
        "code": record.code,
        "message_id": record.ses_message_id,
        "request_id": record.request_id,
        "attempts": record.attempts,
        "created_at": _iso(record.created_at),
        "updated_at": _iso(record.updated_at),
        "due_at": _iso(record.due_at),
        "history": [_note_json(note) for note in record.history],
        "deliveries": [_note_json(event) for event in newest.values()],
        "events": [_note_json(event) for event in events],
    }


_TIMES = frozenset({"at", "due_at"})


def _note_json(note: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of the history, or an event, with its times in RFC 3339 and the API's names."""
    return {
        "message_id" if name == "ses_message_id" else name: _iso(value) if name in _TIMES else value
        for name, value in note.items()
    }


def _iso(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
