"""SendEmail's own JSON: the names of the API page on one side, the fields of `EmailRequest` on the other."""

from __future__ import annotations

import base64
import json
from typing import Any

from mailer.errors import FieldError, InvalidRequest

from .json_pointer import pointer_token
from .limits import MAX_ATTACHMENTS, MAX_JSON_DEPTH, MAX_MEMBERS
from .strict_json import decode_base64, read_object

FIELDS = {
    "FromEmailAddress": "from",
    "Destination": "to",
    "Cc": "cc",
    "Bcc": "bcc",
    "ReplyToAddresses": "reply_to",
    "Subject": "subject",
    "HeaderFrom": "header_from",
    "Template": "template",
    "Simple": "simple",
    "Attachments": "attachments",
    "Unsubscribe": "unsubscribe",
    "TriggerType": "trigger_type",
    "SmtpHeaders": "headers",
    "SmtpMessageId": "idempotency_key",
}
_NESTED = {
    "template": {"TemplateID": "id", "TemplateData": "data"},
    "simple": {"Html": "html", "Text": "text"},
    "attachments": {"FileName": "filename", "Content": "content"},
}
NAMES = frozenset(FIELDS).union(*_NESTED.values())
_EMBEDDED_JSON_DEPTH = MAX_JSON_DEPTH - 2  # as deep as what is two levels down in a request may nest
_DELIVERY_FIELDS = frozenset({"idempotency_key", "send_at", "expires_at", "on_unknown"})


def is_native(document: dict[str, Any]) -> bool:
    """Return whether `document` is written with the API's names: theirs begin with a capital, ours never."""
    return any(key[:1].isupper() for key in document)


def from_native(document: dict[str, Any], errors: list[FieldError]) -> dict[str, Any]:
    """Return the fields of `EmailRequest` that a native SendEmail body stands for.

    What cannot be translated is added to `errors`, and left out or replaced by a placeholder, so that the
    other fields can still be checked. A caller's `SmtpMessageId` names the email, so it becomes the
    idempotency key; the Message-ID that is sent is derived from it. Beside the API's names, the four fields
    that steer delivery are taken as well.
    """
    fields: dict[str, Any] = {}
    for name, value in document.items():
        field = FIELDS.get(name, name)
        if name not in FIELDS and name not in _DELIVERY_FIELDS:
            errors.append(FieldError(f"/{pointer_token(name)}", "SendEmail has no such parameter"))
        elif field in fields:
            errors.append(FieldError(f"/{name}", "give either SmtpMessageId or idempotency_key"))
        else:
            fields[field] = _translate(field, name, value, errors)
    return fields


def to_native(document: dict[str, Any], smtp_message_id: str) -> dict[str, Any]:
    """Return the parameters of SendEmail for `document`, the JSON values of a checked `EmailRequest`.

    `smtp_message_id` is the Message-ID without its brackets.
    """
    parameters = {
        name: _encode(field, document[field]) for name, field in FIELDS.items() if field in document
    }
    return {**parameters, "SmtpMessageId": f"<{smtp_message_id}>"}


def native_location(location: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return where in a native body a location in `EmailRequest`'s fields is."""
    names = {field: name for name, field in FIELDS.items()}
    nested = {field: name for name, field in _NESTED.get(str(location[0]), {}).items()} if location else {}
    return tuple(names.get(part, part) for part in location[:1]) + tuple(
        nested.get(part, part) for part in location[1:]
    )


def _encode(field: str, value: Any) -> Any:
    if field == "headers":
        return json.dumps(value)
    if field == "template":
        return {"TemplateID": value["id"], "TemplateData": json.dumps(value.get("data", {}))}
    if field == "simple":
        return {
            name: base64.b64encode(value[part].encode()).decode()
            for name, part in _NESTED["simple"].items()
            if part in value
        }
    if field == "attachments":
        return [{name: one[part] for name, part in _NESTED["attachments"].items()} for one in value]
    return value


def _translate(field: str, name: str, value: Any, errors: list[FieldError]) -> Any:
    if field == "headers":
        return _json_text(value, f"/{name}", errors)
    if field == "attachments" and isinstance(value, list) and len(value) <= MAX_ATTACHMENTS:
        return [_rename(field, item, f"/{name}/{index}", errors) for index, item in enumerate(value)]
    if field in {"template", "simple"}:
        return _rename(field, value, f"/{name}", errors)
    return value


def _rename(field: str, part: Any, pointer: str, errors: list[FieldError]) -> Any:
    if not isinstance(part, dict) or len(part) > MAX_MEMBERS:  # the model refuses it
        return part
    names = _NESTED[field]
    renamed: dict[str, Any] = {}
    for name, value in part.items():
        place = f"{pointer}/{pointer_token(name)}"
        if value is None:
            continue
        if name not in names:
            errors.append(FieldError(place, f"SendEmail's {pointer.split('/')[1]} has no such parameter"))
        elif name == "TemplateData":
            renamed["data"] = _json_text(value, place, errors)
        elif field == "simple":
            renamed[names[name]] = _base64_text(value, place, errors)
        else:
            renamed[names[name]] = value
    return renamed


def _json_text(value: Any, pointer: str, errors: list[FieldError]) -> dict[str, Any]:
    try:
        return read_object(value if isinstance(value, str) else "", _EMBEDDED_JSON_DEPTH)
    except InvalidRequest as error:
        found = error.errors[0].detail
        detail = f"must be a string that holds a JSON object; it {found}"
        errors.append(FieldError(pointer, type(found)(detail)))
        return {}


def _base64_text(value: Any, pointer: str, errors: list[FieldError]) -> str:
    try:
        return decode_base64(value if isinstance(value, str) else "?").decode()
    except ValueError:
        errors.append(FieldError(pointer, "must be UTF-8 text in base64"))
        return "?"
