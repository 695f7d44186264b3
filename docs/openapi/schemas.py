"""The schemas of requests and answers (JSON Schema 2020-12), with the limits that the code checks by.

A few rules are beyond JSON Schema and told in words: the ones over two fields, over sizes in bytes, and over
JSON within a string.
"""

from __future__ import annotations

from typing import Any

from mailer.digest.items import MAX_ITEMS
from mailer.email import limits
from mailer.ledger.record import State
from mailer.ses.events import EVENT_TYPES

Schema = dict[str, Any]

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}"
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_ALIAS = rf"[^\s<>:{_CONTROL}](?:[^<>:{_CONTROL}]*[^\s<>:{_CONTROL}])?"
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_FORBIDS = r"\\?*|\"<>:/ "


def text(description: str = "", **rules: Any) -> Schema:
    """Return the schema of a string."""
    return {"type": "string", **({"description": description} if description else {}), **rules}


def line(description: str, most: int) -> Schema:
    """Return the schema of a string that goes into a header."""
    return text(description, minLength=1, maxLength=most, pattern=f"^[^{_CONTROL}]*$")


def ref(name: str) -> Schema:
    """Return the reference to a schema of this document."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Schema, *required: str, **more: Any) -> Schema:
    """Return the schema of an object without further fields; what is not required may be null as well."""
    fields = {
        name: schema if name in required else {"anyOf": [schema, {"type": "null"}]}
        for name, schema in properties.items()
    }
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _several(most: int, description: str) -> Schema:
    address = ref("Address")
    return {
        "description": description,
        "anyOf": [address, {"type": "array", "items": address, "maxItems": most}],
    }


def _some_recipient(*names: str) -> Schema:
    some = {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1}]}
    return {"anyOf": [{"required": [name], "properties": {name: some}} for name in names]}


def _either(one: str, other: str) -> Schema:
    there = {"type": "object"}
    return {
        "oneOf": [
            {
                "required": [name],
                "properties": {name: there, absent: {"type": "null"}},
            }
            for name, absent in ((one, other), (other, one))
        ]
    }


def _filename() -> Schema:
    types = "|".join(
        "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in kind)
        for kind in sorted(limits.SUPPORTED_FILE_TYPES)
    )
    return text(
        "ends in a file type that SES supports",
        maxLength=limits.MAX_FILENAME_CHARACTERS,
        pattern=rf"^[^{_FORBIDS}{_CONTROL}]+\.(?:{types})$",
    )


_HEADER_NAME = {"pattern": "^[!-9;-~]{1,76}$"}
_MOMENT = text("RFC 3339", format="date-time")
_DELIVERY = {
    "idempotency_key": line(
        "names the email: one key is one email, through any trigger", limits.MAX_KEY_CHARACTERS
    ),
    "send_at": {**_MOMENT, "description": "not sent before (RFC 3339)"},
    "expires_at": {**_MOMENT, "description": "not sent after (RFC 3339); later than `send_at`"},
    "on_unknown": {
        "enum": ["resend", "hold"],
        "description": "what happens to an email of which it stays unknown whether it was sent: it is sent "
        "again under the same Message-ID once SES shows no trace of it, or an operator decides",
    },
}
_LANGUAGES = [*limits.UNSUBSCRIBE_LANGUAGES, *limits.UNSUBSCRIBE_LANGUAGES.values(), *range(12)]
_TRIGGERS = [*limits.TRIGGER_TYPES, *limits.TRIGGER_TYPES.values()]

EMAIL_REQUEST = record(
    {
        "from": {**ref("Sender"), "description": "default: `[defaults]` of mailer.toml"},
        "to": _several(limits.MAX_TO, "who sees each other"),
        "cc": _several(limits.MAX_CC, "copies"),
        "bcc": _several(limits.MAX_BCC, "hidden copies; none of them is also in `to`"),
        "reply_to": ref("Address"),
        "subject": line("plain text", limits.MAX_SUBJECT_CHARACTERS),
        "header_from": ref("Sender"),
        "template": record(
            {
                "id": {"type": "integer", "minimum": 1, "maximum": 2**64 - 1},
                "data": {"type": "object", "description": "the values of its variables"},
            },
            "id",
        ),
        "simple": record(
            {"html": text(), "text": text()},
            description="html, text or both, as plain text; the account needs a permission for it",
            anyOf=[
                {"required": [name], "properties": {name: text(minLength=1)}} for name in ("html", "text")
            ],
        ),
        "attachments": {
            "type": "array",
            "maxItems": limits.MAX_ATTACHMENTS,
            "description": "at most 4 MB in all",
            "items": record(
                {"filename": _filename(), "content": text("base64", pattern=_BASE64)}, "filename", "content"
            ),
        },
        "unsubscribe": {"enum": _LANGUAGES, "description": "language of the unsubscribe link, or its number"},
        "trigger_type": {"enum": _TRIGGERS},
        "headers": {
            "type": "object",
            "description": "further SMTP headers",
            "propertyNames": _HEADER_NAME,
            "additionalProperties": text(pattern=f"^[^{_CONTROL}]*$"),
        },
        **_DELIVERY,
    },
    "from",
    "subject",
    allOf=[_some_recipient("to", "cc", "bcc"), _either("template", "simple")],
)
NATIVE_REQUEST = record(
    {
        "FromEmailAddress": ref("Sender"),
        "Destination": _several(limits.MAX_TO, ""),
        "Cc": _several(limits.MAX_CC, ""),
        "Bcc": _several(limits.MAX_BCC, ""),
        "ReplyToAddresses": ref("Address"),
        "Subject": line("", limits.MAX_SUBJECT_CHARACTERS),
        "HeaderFrom": ref("Sender"),
        "Template": record(
            {
                "TemplateID": {"type": "integer", "minimum": 1, "maximum": 2**64 - 1},
                "TemplateData": text("a JSON object as a string", contentMediaType="application/json"),
            },
            "TemplateID",
        ),
        "Simple": record(
            {"Html": text("base64", pattern=_BASE64), "Text": text("base64", pattern=_BASE64)},
            anyOf=[
                {"required": [name], "properties": {name: text(minLength=1)}} for name in ("Html", "Text")
            ],
        ),
        "Attachments": {
            "type": "array",
            "maxItems": limits.MAX_ATTACHMENTS,
            "items": record(
                {"FileName": _filename(), "Content": text("base64", pattern=_BASE64)}, "FileName", "Content"
            ),
        },
        "Unsubscribe": {"enum": _LANGUAGES},
        "TriggerType": {"enum": _TRIGGERS},
        "SmtpHeaders": text("a JSON object as a string", contentMediaType="application/json"),
        "SmtpMessageId": line("taken as the idempotency key", limits.MAX_KEY_CHARACTERS),
        **_DELIVERY,
    },
    "FromEmailAddress",
    "Subject",
    description="the body of SES's own SendEmail, unchanged",
    allOf=[_some_recipient("Destination", "Cc", "Bcc"), _either("Template", "Simple")],
)


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
    "replayed": {"type": "boolean", "description": "an earlier request under this key is answered"},
}
_EVENT = _answer(
    {
        "event": {"enum": [name for name, kind in EVENT_TYPES.items() if kind.stored]},
        "recipient": text("stands for the address"),
        "at": text(format="date-time"),
        "bounce": text("hard or soft"),
        "smtp_code": text("RFC 3463"),
    },
    "at",
    "bounce",
    "smtp_code",
)

SCHEMAS: dict[str, Schema] = {
    "Address": text("`local@domain`", maxLength=limits.MAX_ADDRESS_CHARACTERS, pattern=f"^{_ADDRESS}$"),
    "Sender": text(
        "`address`, or `alias <address>`: exactly one space, no colon in the alias",
        pattern=rf"^(?:{_ADDRESS}|(?:{_ALIAS} )?<{_ADDRESS}>)$",
    ),
    "EmailRequest": EMAIL_REQUEST,
    "SendEmail": NATIVE_REQUEST,
    "AnyRequest": {"anyOf": [ref("EmailRequest"), ref("SendEmail")]},
    "Batch": {
        "type": "object",
        "properties": {
            "emails": {
                "type": "array",
                "minItems": 1,
                "maxItems": limits.MAX_BATCH,
                "description": "each an EmailRequest or a SendEmail body; a wrong one is answered by itself",
            }
        },
        "required": ["emails"],
        "additionalProperties": False,
    },
    "Receipt": _answer(_RECEIPT),
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
            "code": {**_MAYBE, "description": "why it is so, where a code says it"},
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
                "description": "what SES told of it, oldest first",
            },
        }
    ),
    "Item": record(
        {
            "digest": text("the digest of the path, if it is given at all"),
            "recipient": ref("Address"),
            "item_id": text(
                "the same for the same item, which is taken once",
                minLength=1,
                maxLength=limits.MAX_KEY_CHARACTERS,
            ),
            "item": {"type": "object", "description": "what the expressions of mailer.toml see"},
            "time_zone": text("the recipient's IANA time zone; default: the digest's"),
        },
        "recipient",
        "item_id",
        "item",
    ),
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
    "Webhook": {"type": "object", "description": "any object; mailer.toml says what email it becomes"},
    "SesEvent": {
        "type": "object",
        "description": "an event of SES; further fields and unknown events are ignored",
        "properties": {"event": {"description": ", ".join(EVENT_TYPES)}},
    },
    "SesEvents": {"anyOf": [ref("SesEvent"), {"type": "array", "items": ref("SesEvent")}]},
    "EventsTaken": _answer({"events": {"type": "integer"}, "ignored": {"type": "integer"}}),
    "Health": _answer({"status": {"const": "ok"}}),
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
                "items": _answer({"pointer": text("RFC 6901, into the body"), "detail": text()}),
            },
        },
        *("retry_after", "action", "id", "state", "request_id", "errors"),
        description="RFC 9457",
    ),
}
