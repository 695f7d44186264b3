"""The public JSON form of a record: what the HTTP API and the command line show of an email."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .record import Record

_TIMES = frozenset({"at", "due_at"})


def record_json(record: Record, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a record as JSON: states, codes and times in RFC 3339, no content and no address.

    `events` are the email's SES events, oldest first; `deliveries` has the newest of each recipient, who is
    identified by a hash.
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
        "history": [_entry_json(entry) for entry in record.history],
        "deliveries": [_entry_json(event) for event in newest.values()],
        "events": [_entry_json(event) for event in events],
    }


def _entry_json(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of the history, or an event, with times in RFC 3339 and the API's field names."""
    return {
        "message_id" if name == "ses_message_id" else name: _iso(value) if name in _TIMES else value
        for name, value in entry.items()
    }


def _iso(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
