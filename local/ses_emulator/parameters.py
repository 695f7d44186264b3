"""The parameters of every action, as tables, and the check of a request body against them.

A body is one JSON object. An undefined field is UnknownParameter, an absent required one MissingParameter,
a value of another type InvalidParameter (`null` is a value), at any depth.
"""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

UINT64_MAX = 2**64 - 1


@dataclass(frozen=True)
class Kind:
    """What a value may be: a JSON type, with the fields of an object or the items of an array."""

    json_type: type
    required: bool = False
    fields: "Mapping[str, Kind]" = field(default_factory=dict)
    items: "Kind | None" = None


STRING, REQUIRED_STRING = Kind(str), Kind(str, required=True)
INTEGER, REQUIRED_INTEGER = Kind(int), Kind(int, required=True)
STRINGS = Kind(list, items=STRING)
TEMPLATE = Kind(dict, fields={"TemplateID": REQUIRED_INTEGER, "TemplateData": REQUIRED_STRING})
SIMPLE = Kind(dict, fields={"Html": STRING, "Text": STRING})
ATTACHMENT = Kind(dict, fields={"FileName": REQUIRED_STRING, "Content": STRING, "FileURL": STRING})
TAG = Kind(dict, fields={"TagKey": REQUIRED_STRING, "TagValue": REQUIRED_STRING})

SEND_EMAIL = Kind(
    dict,
    fields={
        "FromEmailAddress": REQUIRED_STRING,
        "Subject": REQUIRED_STRING,
        "Destination": STRINGS,
        "ReplyToAddresses": STRING,
        "Cc": STRINGS,
        "Bcc": STRINGS,
        "Template": TEMPLATE,
        "Simple": SIMPLE,
        "Attachments": Kind(list, items=ATTACHMENT),
        "Unsubscribe": STRING,
        "TriggerType": INTEGER,
        "SmtpMessageId": STRING,
        "SmtpHeaders": STRING,
        "HeaderFrom": STRING,
    },
)
GET_SEND_EMAIL_STATUS = Kind(
    dict,
    fields={
        "RequestDate": REQUIRED_STRING,
        "Offset": REQUIRED_INTEGER,
        "Limit": REQUIRED_INTEGER,
        "MessageId": STRING,
        "ToEmailAddress": STRING,
    },
)
GET_EMAIL_TEMPLATE = Kind(dict, fields={"TemplateID": REQUIRED_INTEGER})
LIST_EMAIL_TEMPLATES = Kind(dict, fields={"Limit": REQUIRED_INTEGER, "Offset": REQUIRED_INTEGER})
LIST_EMAIL_IDENTITIES = Kind(
    dict, fields={"TagList": Kind(list, items=TAG), "Limit": INTEGER, "Offset": INTEGER}
)


def load(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; an empty body is an empty object."""
    parameters = json_object(body or b"{}")
    if parameters is None:
        raise ApiError("InvalidParameter", "The body is not a JSON object.")
    return parameters


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """The JSON object that `text` is, None for anything else (NaN and Infinity are no JSON)."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def check(value: Any, kind: Kind, path: str = "") -> None:
    """Hold a value against its kind; `path` is its name in the message of an `ApiError`."""
    if type(value) is not kind.json_type:
        raise ApiError("InvalidParameter", f"{path} is not of type {kind.json_type.__name__}.")
    if isinstance(value, dict):
        _check_fields(value, kind, f"{path}." if path else "")
    elif isinstance(value, list) and kind.items is not None:
        for index, item in enumerate(value):
            check(item, kind.items, f"{path}.{index}")
    elif isinstance(value, int) and not 0 <= value <= UINT64_MAX:
        raise ApiError("InvalidParameter", f"{path} is out of range.")
    elif isinstance(value, str) and not is_unicode(value):
        raise ApiError("InvalidParameter", f"{path} is no Unicode text.")


def _check_fields(value: dict[str, Any], kind: Kind, prefix: str) -> None:
    for name in value:
        if name not in kind.fields:
            raise ApiError("UnknownParameter", f"{prefix}{name}.")
    for name, inner in kind.fields.items():
        if name in value:
            check(value[name], inner, prefix + name)
        elif inner.required:
            raise ApiError("MissingParameter", f"{prefix}{name}.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def is_unicode(text: str) -> bool:
    """Whether `text` can be written at all: JSON can escape halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
