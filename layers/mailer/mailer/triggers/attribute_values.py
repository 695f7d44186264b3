"""Items of DynamoDB as plain JSON: each attribute in place of its type descriptor (`{"S": "text"}`).

Source: AttributeValue in the Amazon DynamoDB API Reference, 2012-08-10.
"""

from __future__ import annotations

import math
from typing import Any

_MAX_LEVELS = 32  # of lists and maps within each other, as in DynamoDB
_MAX_NUMBER_CHARACTERS = 64  # its numbers have 38 digits at most
_NESTED: dict[str, type] = {"M": dict, "L": list}
_NUMBERS = frozenset({"N", "NS"})
_PLAIN: dict[str, type] = {"S": str, "BOOL": bool, "B": str, "SS": list, "BS": list}


def plain_item(item: Any) -> dict[str, Any] | None:
    """Return an item with plain values, or None if it is not one; what has no known type stays as it is.

    Binary values are base64. A number that is no integer is the nearest double. Never raises.
    """
    return _map(item, _MAX_LEVELS) if isinstance(item, dict) else None


def _map(attributes: dict[str, Any], levels: int) -> dict[str, Any]:
    return {name: _plain(value, levels) for name, value in attributes.items()}


def _plain(value: Any, levels: int) -> Any:
    if not (isinstance(value, dict) and len(value) == 1):
        return value
    ((kind, content),) = value.items()
    if kind in _NESTED:
        return _nested(kind, content, levels) if levels and isinstance(content, _NESTED[kind]) else value
    if kind in _NUMBERS:
        return _numbers(content)
    if kind == "NULL":
        return None
    return content if kind in _PLAIN and isinstance(content, _PLAIN[kind]) else value


def _nested(kind: str, content: Any, levels: int) -> Any:
    if kind == "M":
        return _map(content, levels - 1)
    return [_plain(item, levels - 1) for item in content]


def _numbers(content: Any) -> Any:
    return [_number(item) for item in content] if isinstance(content, list) else _number(content)


def _number(text: Any) -> Any:
    """Return the number that DynamoDB writes as a text, or `text` itself if it is none."""
    if not isinstance(text, str) or len(text) > _MAX_NUMBER_CHARACTERS:
        return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text
