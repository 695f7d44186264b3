"""The JSON types of the parameters of every action, and the check of a request body against them.

A body is one JSON object. An undefined field is UnknownParameter, a missing required one MissingParameter,
a value of another type InvalidParameter (null included), at any depth.
"""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

UINT64_MAX = 2**64 - 1


@dataclass(frozen=True)
class JsonType:
    """The type of a JSON value: `fields` are those of an object, `items` the type of an array's items."""

    python_type: type
    required: bool = False
    fields: "Mapping[str, JsonType]" = field(default_factory=dict)
    items: "JsonType | None" = None


STRING, REQUIRED_STRING = JsonType(str), JsonType(str, required=True)
INTEGER, REQUIRED_INTEGER = JsonType(int), JsonType(int, required=True)
STRINGS = JsonType(list, items=STRING)
TEMPLATE = JsonType(dict, fields={"TemplateID": REQUIRED_INTEGER, "TemplateData": REQUIRED_STRING})
SIMPLE = JsonType(dict, fields={"Html": STRING, "Text": STRING})
ATTACHMENT = JsonType(dict, fields={"FileName": REQUIRED_STRING, "Content": STRING, "FileURL": STRING})
TAG = JsonType(dict, fields={"TagKey": REQUIRED_STRING, "TagValue": REQUIRED_STRING})

SEND_EMAIL = JsonType(
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
        "Attachments": JsonType(list, items=ATTACHMENT),
        "Unsubscribe": STRING,
        "TriggerType": INTEGER,
        "SmtpMessageId": STRING,
        "SmtpHeaders": STRING,
        "HeaderFrom": STRING,
    },
)
GET_SEND_EMAIL_STATUS = JsonType(
    dict,
    fields={
        "RequestDate": REQUIRED_STRING,
        "Offset": REQUIRED_INTEGER,
        "Limit": REQUIRED_INTEGER,
        "MessageId": STRING,
        "ToEmailAddress": STRING,
    },
)
GET_EMAIL_TEMPLATE = JsonType(dict, fields={"TemplateID": REQUIRED_INTEGER})
LIST_EMAIL_TEMPLATES = JsonType(dict, fields={"Limit": REQUIRED_INTEGER, "Offset": REQUIRED_INTEGER})
LIST_EMAIL_IDENTITIES = JsonType(
    dict, fields={"TagList": JsonType(list, items=TAG), "Limit": INTEGER, "Offset": INTEGER}
)


def load(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`; an empty body is an empty object. Raises `ApiError`."""
    parameters = json_object(body or b"{}")
    if parameters is None:
        raise ApiError("InvalidParameter", "The body is not a JSON object.")
    return parameters


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object in `text`, None for anything else (NaN and Infinity are not JSON)."""
    try:
        value = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def check(value: Any, expected: JsonType, path: str = "") -> None:
    """Raise `ApiError` unless `value` has the `expected` type; `path` names it in the message."""
    if type(value) is not expected.python_type:
        raise ApiError("InvalidParameter", f"{path} is not of type {expected.python_type.__name__}.")
    if isinstance(value, dict):
        _check_fields(value, expected, f"{path}." if path else "")
    elif isinstance(value, list) and expected.items is not None:
        for index, item in enumerate(value):
            check(item, expected.items, f"{path}.{index}")
    elif isinstance(value, int) and not 0 <= value <= UINT64_MAX:
        raise ApiError("InvalidParameter", f"{path} is out of range.")
    elif isinstance(value, str) and not is_unicode(value):
        raise ApiError("InvalidParameter", f"{path} is not valid Unicode.")


def _check_fields(value: dict[str, Any], expected: JsonType, prefix: str) -> None:
    for name in value:
        if name not in expected.fields:
            raise ApiError("UnknownParameter", f"{prefix}{name}.")
    for name, field_type in expected.fields.items():
        if name in value:
            check(value[name], field_type, prefix + name)
        elif field_type.required:
            raise ApiError("MissingParameter", f"{prefix}{name}.")


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


def is_unicode(text: str) -> bool:
    """Return whether `text` can be encoded: JSON can escape a lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
