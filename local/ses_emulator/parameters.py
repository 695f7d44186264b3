"""The JSON types of the parameters of every action (`parameters.json`), and the check of a request body.

A body is one JSON object. An undefined field is UnknownParameter, a missing required one MissingParameter,
a value of another type InvalidParameter (null included), at any depth.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
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


_PLAIN_TYPES = {"string": str, "integer": int, "boolean": bool}
_TYPE = re.compile(r"(?P<name>\w+|\[(?P<items>\w+)\])(?P<required>!?)")


def _json_type(text: str) -> JsonType:
    """Return the type that `text` names: `integer`, `[string]` for an array, `Template!` if required."""
    match = _TYPE.fullmatch(text)
    if match is None:
        raise ValueError(f"parameters.json: not a type: {text}")
    required = bool(match["required"])
    if match["items"]:
        return JsonType(list, required, items=_json_type(match["items"]))
    if match["name"] in _PLAIN_TYPES:
        return JsonType(_PLAIN_TYPES[match["name"]], required)
    return _object_type(_TABLE["objects"][match["name"]], required=required)


def _object_type(fields: "Mapping[str, str]", *, required: bool = False) -> JsonType:
    return JsonType(dict, required, {name: _json_type(text) for name, text in fields.items()})


_TABLE = json.loads(Path(__file__).with_name("parameters.json").read_text(encoding="utf-8"))
ACTIONS = {name: _object_type(fields) for name, fields in _TABLE["actions"].items()}
SEND_EMAIL = ACTIONS["SendEmail"]
# Actions of the API that the emulator does not offer.
NOT_OFFERED = frozenset(_TABLE["not_offered"])


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
