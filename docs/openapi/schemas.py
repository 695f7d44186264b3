"""The schemas of requests and answers (JSON Schema 2020-12), with the limits that the code checks by."""

from __future__ import annotations

from typing import Any

from mailer.digest.items import MAX_ITEMS
from mailer.email import limits
from mailer.errors import MAX_ERRORS, MAX_POINTER_CHARACTERS
from mailer.ledger.record import State
from mailer.ses.events import EVENT_TYPES

from .email_request import REFERENCE, Schema, request_schemas, text


def ref(name: str) -> Schema:
    """Return the reference to a schema of this document."""
    return {"$ref": REFERENCE.format(model=name)}


def _answer(properties: Schema, *optional: str, **more: Any) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, **more}


_MAYBE = {"type": ["string", "null"]}
_WHEN = {"type": ["string", "null"], "format": "date-time"}
_STATE = {"enum": [state.value for state in State]}
_RECEIPT = {
    "id": text("the Message-ID without its brackets"),
    "state": _STATE,
    "message_id": {**_MAYBE, "description": "SES's MessageId"},
    "request_id": {**_MAYBE, "description": "SES's RequestId"},
    "replayed": {
        "type": "boolean",
        "description": "whether this is the answer to an earlier request under this key",
    },
    "dropped": {
        "type": "array",
        "items": ref("Address"),
        "description": "suppressed recipients whom the email leaves out (`on_suppressed`), if any",
    },
}
_EVENT = _answer(
    {
        "event": {"enum": [name for name, kind in EVENT_TYPES.items() if kind.stored]},
        "recipient": text("a hash of the address"),
        "at": text(format="date-time"),
        "bounce": text("hard or soft"),
        "smtp_code": text("RFC 3463"),
    },
    "at",
    "bounce",
    "smtp_code",
)

SCHEMAS: dict[str, Schema] = {
    **request_schemas(),
    "AnyRequest": {"anyOf": [ref("EmailRequest"), ref("SendEmail")]},
    "Batch": {
        "type": "object",
        "properties": {
            "emails": {
                "type": "array",
                "minItems": 1,
                "maxItems": limits.MAX_BATCH,
                "description": "each an EmailRequest or a SendEmail body; an invalid one fails alone",
            }
        },
        "required": ["emails"],
        "additionalProperties": False,
    },
    "Receipt": _answer(_RECEIPT, "dropped"),
    "BatchResults": _answer(
        {
            "results": {
                "type": "array",
                "items": _answer(
                    {
                        "index": {"type": "integer"},
                        "status": {"type": "integer", "description": "the HTTP status of this email alone"},
                        **_RECEIPT,
                        "error": ref("Problem"),
                    },
                    *_RECEIPT,
                    "error",
                ),
            }
        }
    ),
    "Email": _answer(
        {
            "id": _RECEIPT["id"],
            "state": _STATE,
            "code": {**_MAYBE, "description": "the error code behind the state, if there is one"},
            "message_id": _RECEIPT["message_id"],
            "request_id": _RECEIPT["request_id"],
            "attempts": {"type": "integer", "description": "calls of SendEmail"},
            "created_at": _WHEN,
            "updated_at": _WHEN,
            "due_at": _WHEN,
            "history": {
                "type": "array",
                "description": "its changes of state, oldest first",
                "items": {"type": "object", "required": ["state", "at"]},
            },
            "deliveries": {
                "type": "array",
                "items": _EVENT,
                "description": "the newest event of each recipient",
            },
            "events": {
                "type": "array",
                "items": _EVENT,
                "description": "the callback events of SES, oldest first",
            },
        }
    ),
    "Item": {
        **_answer(
            {
                "digest": {**_MAYBE, "description": "if given, the digest of the path"},
                "recipient": ref("Address"),
                "item_id": text(
                    "identifies the item: the same item is added once",
                    minLength=1,
                    maxLength=limits.MAX_KEY_CHARACTERS,
                ),
                "item": {"type": "object", "description": "what the expressions of mailer.toml see"},
                "time_zone": {
                    **_MAYBE,
                    "description": "the recipient's IANA time zone; default: the digest's",
                },
            },
            "digest",
            "time_zone",
        ),
        "additionalProperties": False,
    },
    "Items": {
        "anyOf": [ref("Item"), {"type": "array", "items": ref("Item"), "minItems": 1, "maxItems": MAX_ITEMS}]
    },
    "ItemsTaken": _answer(
        {
            "digest": {"type": "string"},
            "accepted": {"type": "integer"},
            "duplicates": {"type": "integer"},
        }
    ),
    "Webhook": {
        "anyOf": [{"type": "object"}, {"type": "array", "items": {}}],
        "description": "any object, or a list where the source has `each`; mailer.toml says what it becomes",
    },
    "WebhookForm": {
        "type": "object",
        "description": "the fields of a form; mailer.toml says what they become",
    },
    "WebhookAnswer": {"anyOf": [ref("Receipt"), ref("BatchResults")]},
    "SesEvent": {
        "type": "object",
        "description": "an event of SES; further fields and unknown events are ignored",
        "properties": {"event": {"description": ", ".join(EVENT_TYPES)}},
    },
    "SesEvents": {"anyOf": [ref("SesEvent"), {"type": "array", "items": ref("SesEvent")}]},
    "EventsTaken": _answer({"events": {"type": "integer"}, "ignored": {"type": "integer"}}),
    "Health": _answer({"status": {"enum": ["ok", "degraded"]}}),
    "Problem": _answer(
        {
            "type": text(),
            "title": text(),
            "status": {"type": "integer"},
            "detail": text(),
            "code": text("stable, for programs: SES's error codes, or Mailer's own"),
            "retryable": {"type": "boolean"},
            "retry_after": {"type": "integer", "description": "seconds"},
            "action": {"enum": ["retry", "defer", "reject", "suppress", "halt", "reconcile"]},
            "id": text("the email's id"),
            "state": _STATE,
            "request_id": text("SES's RequestId"),
            "errors": {
                "type": "array",
                "maxItems": MAX_ERRORS,
                "items": _answer(
                    {
                        "pointer": text("RFC 6901, into the body", maxLength=MAX_POINTER_CHARACTERS),
                        "detail": text(),
                    }
                ),
            },
            "errors_total": {
                "type": "integer",
                "description": "how many rules are broken, where `errors` lists only the first of them",
            },
        },
        *("retry_after", "action", "id", "state", "request_id", "errors", "errors_total"),
        description="RFC 9457",
    ),
}
