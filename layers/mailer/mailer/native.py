"""SendEmail's own JSON: the names of the API page on one side, the fields of `EmailRequest` on the other."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from .addresses import domain_of
from .documents import pointer_token, read_object
from .errors import FieldError, InvalidRequest

if TYPE_CHECKING:
    from .request import EmailRequest

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
_DELIVERY_FIELDS = frozenset({"idempotency_key", "send_at", "expires_at", "on_unknown"})


def is_native(document: dict[str, Any]) -> bool:
    """Tell whether `document` is written with the API's names: theirs begin with a capital, ours never."""
    return any(key[:1].isupper() for key in document)


def from_native(document: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `EmailRequest` that a native SendEmail body stands for; raises InvalidRequest.

    A caller's `SmtpMessageId` names the email, so it becomes the idempotency key; the Message-ID that is
    sent is derived from it. Beside the API's names, the four fields that steer delivery are taken as well.
    """
    errors: list[FieldError] = []
    fields: dict[str, Any] = {}
    for name, value in document.items():
        field = FIELDS.get(name, name)
        if name not in FIELDS and name not in _DELIVERY_FIELDS:
            errors.append(FieldError(f"/{pointer_token(name)}", "SendEmail has no such parameter"))
        elif field == "idempotency_key" and name in FIELDS and "idempotency_key" in document:
            errors.append(FieldError(f"/{name}", "give either SmtpMessageId or idempotency_key"))
        elif value is not None:
            fields[field] = _translate(field, name, value, errors)
    if errors:
        raise InvalidRequest(errors)
    return fields


def to_native(request: EmailRequest, message_id: str) -> dict[str, Any]:
    """Return the parameters of SendEmail for `request`, with `message_id` as its SmtpMessageId."""
    parameters: dict[str, Any] = {
        "FromEmailAddress": request.sender,
        "Subject": request.subject,
        "SmtpMessageId": message_id,
        "Destination": list(request.to),
        "Cc": list(request.cc),
        "Bcc": list(request.bcc),
        "ReplyToAddresses": request.reply_to,
        "HeaderFrom": request.header_from,
        "Unsubscribe": request.unsubscribe,
        "TriggerType": request.trigger_type,
        "SmtpHeaders": json.dumps(request.headers) if request.headers else None,
        "Attachments": [
            {"FileName": attachment.filename, "Content": attachment.content}
            for attachment in request.attachments
        ],
    }
    if request.template:
        parameters["Template"] = {
            "TemplateID": request.template.id,
            "TemplateData": json.dumps(request.template.data),
        }
    if request.simple:
        parts = {"Html": request.simple.html, "Text": request.simple.text}
        parameters["Simple"] = {
            name: base64.b64encode(text.encode()).decode() for name, text in parts.items() if text
        }
    return {name: value for name, value in parameters.items() if value not in (None, [])}


def message_id_for(identity: str, sender: str) -> str:
    """Return the Message-ID (RFC 5322 §3.6.4, without brackets) of the email `identity` from `sender`."""
    return f"{identity}@{domain_of(sender)}"


def native_pointer(location: tuple[Any, ...]) -> str:
    """Return the JSON pointer into a native body for a location in `EmailRequest`'s fields."""
    if not location:
        return ""
    names = {field: name for name, field in FIELDS.items()}
    nested = {field: name for name, field in _NESTED.get(str(location[0]), {}).items()}
    head = names.get(location[0], location[0])
    return "".join(f"/{pointer_token(part)}" for part in (head, *(nested.get(p, p) for p in location[1:])))


def _translate(field: str, name: str, value: Any, errors: list[FieldError]) -> Any:
    if field == "headers":
        return _json_text(value, f"/{name}", errors)
    if field == "attachments" and isinstance(value, list):
        return [_rename(field, item, f"/{name}/{index}", errors) for index, item in enumerate(value)]
    if field in {"template", "simple"}:
        return _rename(field, value, f"/{name}", errors)
    return value


def _rename(field: str, part: Any, pointer: str, errors: list[FieldError]) -> Any:
    if not isinstance(part, dict):
        return part
    names = _NESTED[field]
    renamed: dict[str, Any] = {}
    for name, value in part.items():
        place = f"{pointer}/{pointer_token(name)}"
        if name not in names:
            errors.append(FieldError(place, f"SendEmail's {pointer.split('/')[1]} has no such parameter"))
        elif name == "TemplateData":
            renamed["data"] = _json_text(value, place, errors)
        elif field == "simple":
            renamed[names[name]] = _base64_text(value, place, errors)
        else:
            renamed[names[name]] = value
    return renamed


def _json_text(value: Any, pointer: str, errors: list[FieldError]) -> Any:
    try:
        return read_object(value) if isinstance(value, str) else _refuse()
    except (InvalidRequest, TypeError):
        errors.append(FieldError(pointer, "must be a string that holds a JSON object"))
        return {}


def _base64_text(value: Any, pointer: str, errors: list[FieldError]) -> Any:
    if value is None:
        return None
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError, TypeError):
        errors.append(FieldError(pointer, "must be UTF-8 text in base64"))
        return None


def _refuse() -> Any:
    raise TypeError
