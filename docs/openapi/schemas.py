"""The schemas of requests and answers (JSON Schema 2020-12), with the limits that the code checks by."""

from __future__ import annotations

from typing import Any

from mailer.digest.items import MAX_ITEMS
from mailer.email import limits
from mailer.errors import MAX_ERRORS, MAX_POINTER_CHARACTERS
from mailer.ledger.record import State
from mailer.ses.error_table import Action
from mailer.ses.events import EVENT_TYPES

from .email_request import REFERENCE, Schema, request_schemas, text
from .problems import CODES


def ref(name: str) -> Schema:
    """Return the reference to a schema of this document."""
    return {"$ref": REFERENCE.format(model=name)}


def _answer(properties: Schema, *optional: str, **more: Any) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, **more}


def _or_null(schema: Schema, description: str) -> Schema:
    return {"anyOf": [schema, {"type": "null"}], "description": description}


def _counts(**descriptions: str) -> Schema:
    return {name: {"type": "integer", "description": text} for name, text in descriptions.items()}


_ANY_OBJECT = {"type": "object", "additionalProperties": True}
_MAYBE = {"type": ["string", "null"]}
_WHEN = {"type": ["string", "null"], "format": "date-time"}
_STATE = ref("State")
_CODE = {"anyOf": [ref("ProblemCode"), {"type": "string"}]}
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
        "event": {"type": "string", "enum": [name for name, kind in EVENT_TYPES.items() if kind.stored]},
        "recipient": text("a hash of the address"),
        "at": text("when", format="date-time"),
        "bounce": text("hard or soft"),
        "smtp_code": text("RFC 3463"),
    },
    *("at", "bounce", "smtp_code"),
    description="an event that SES reported of one recipient",
)
_ENTRY = _answer(
    {
        "state": _STATE,
        "at": text("when", format="date-time"),
        **_counts(attempt="number of the attempt"),
        "code": {**_CODE, "description": "the error code behind the state"},
        "request_id": text("SES's RequestId"),
        "message_id": text("SES's MessageId"),
        "due_at": text("when the email is due", format="date-time"),
        **_counts(recipient="index of the suppressed recipient over to, cc and bcc"),
        "dropped": {
            "type": "array",
            "items": {"type": "string"},
            "description": "hashes of the suppressed recipients whom the attempt leaves out",
        },
        "evidence": text("`callback`, `status-query`, `no-trace` or `operator`"),
        "decision": text("`resend`, `needs_operator` or `ambiguous`"),
        "event": text("the callback's event"),
        "clock_offset": {
            "type": "number",
            "description": "how many milliseconds SES's clock was ahead of the store's",
        },
    },
    *("attempt", "code", "request_id", "message_id", "due_at", "recipient", "dropped"),
    *("evidence", "decision", "event", "clock_offset"),
    description="one change of state",
)

SCHEMAS: dict[str, Schema] = {
    **request_schemas(),
    "State": {"type": "string", "enum": [state.value for state in State], "description": "of an email"},
    "AnyRequest": {"anyOf": [ref("EmailRequest"), ref("SendEmail")]},
    "Batch": {
        "type": "object",
        "properties": {
            "emails": {
                "type": "array",
                "items": ref("AnyRequest"),
                "minItems": 1,
                "maxItems": limits.MAX_BATCH,
                "description": "each an EmailRequest or a SendEmail body; an invalid one fails alone",
            }
        },
        "required": ["emails"],
        "additionalProperties": False,
    },
    "Receipt": _answer(_RECEIPT, "dropped"),
    "BatchResult": _answer(
        {
            **_counts(index="of the email in the request", status="the HTTP status of this email alone"),
            **_RECEIPT,
            "error": ref("Problem"),
        },
        *_RECEIPT,
        "error",
        description="the receipt of one email, or its `error`",
    ),
    "BatchResults": _answer({"results": {"type": "array", "items": ref("BatchResult")}}),
    "Email": _answer(
        {
            "id": _RECEIPT["id"],
            "state": _STATE,
            "code": _or_null(_CODE, "the error code behind the state, if there is one"),
            "message_id": _RECEIPT["message_id"],
            "request_id": _RECEIPT["request_id"],
            "attempts": {"type": "integer", "description": "calls of SendEmail"},
            "created_at": _WHEN,
            "updated_at": _WHEN,
            "due_at": _WHEN,
            "history": {
                "type": "array",
                "description": "its changes of state, oldest first",
                "items": ref("HistoryEntry"),
            },
            "deliveries": {
                "type": "array",
                "items": ref("DeliveryEvent"),
                "description": "the newest event of each recipient",
            },
            "events": {
                "type": "array",
                "items": ref("DeliveryEvent"),
                "description": "the callback events of SES, oldest first",
            },
        }
    ),
    "HistoryEntry": _ENTRY,
    "DeliveryEvent": _EVENT,
    "DigestItem": {
        **_answer(
            {
                "digest": {**_MAYBE, "description": "if given, the digest of the path"},
                "recipient": ref("Address"),
                "item_id": text(
                    "identifies the item: the same item is added once",
                    minLength=1,
                    maxLength=limits.MAX_KEY_CHARACTERS,
                ),
                "item": {**_ANY_OBJECT, "description": "what the expressions of mailer.toml see"},
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
    "DigestItems": {
        "anyOf": [
            ref("DigestItem"),
            {"type": "array", "items": ref("DigestItem"), "minItems": 1, "maxItems": MAX_ITEMS},
        ]
    },
    "DigestItemsTaken": _answer(
        {
            "digest": text("its name"),
            **_counts(accepted="how many items are new", duplicates="how many were added before"),
        }
    ),
    "Webhook": {
        "anyOf": [_ANY_OBJECT, {"type": "array", "items": {}}],
        "description": "any object, or a list where the source has `each`; mailer.toml says what it becomes",
    },
    "WebhookForm": {
        **_ANY_OBJECT,
        "description": "the fields of a form; mailer.toml says what they become",
    },
    "WebhookAnswer": {"anyOf": [ref("Receipt"), ref("BatchResults")]},
    "SesEvent": {
        **_ANY_OBJECT,
        "description": "an event of SES; further fields and unknown events are ignored",
        "properties": {"event": text(", ".join(EVENT_TYPES))},
    },
    "SesEvents": {"anyOf": [ref("SesEvent"), {"type": "array", "items": ref("SesEvent")}]},
    "EventsTaken": _answer(_counts(events="how many were recorded", ignored="how many were not")),
    "Health": _answer({"status": {"type": "string", "enum": ["ok", "degraded"]}}),
    "ProblemCode": {
        "type": "string",
        "enum": list(CODES),
        "x-enumDescriptions": CODES,
        "description": "the codes that are known today; SES may add others",
    },
    "FieldError": _answer(
        {
            "pointer": text("RFC 6901, into the body", maxLength=MAX_POINTER_CHARACTERS),
            "detail": text("the rule"),
        },
        description="one broken rule",
    ),
    "Problem": _answer(
        {
            "type": text("always `about:blank`"),
            "title": text("of the status"),
            "status": {"type": "integer", "description": "the HTTP status"},
            "detail": text("for people"),
            "code": {**_CODE, "description": "stable, for programs: a ProblemCode, or a new one of SES"},
            "retryable": {
                "type": "boolean",
                "description": "whether the same request can be sent again as it is",
            },
            **_counts(retry_after="seconds"),
            "action": {
                "type": "string",
                "enum": [action.value for action in Action],
                "description": "what Mailer does about the code",
            },
            "id": text("the email's id"),
            "state": _STATE,
            "request_id": text("SES's RequestId"),
            "errors": {"type": "array", "maxItems": MAX_ERRORS, "items": ref("FieldError")},
            **_counts(errors_total="how many rules are broken, where `errors` lists only the first of them"),
        },
        *("retry_after", "action", "id", "state", "request_id", "errors", "errors_total"),
        description="RFC 9457",
    ),
}
