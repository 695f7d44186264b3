"""Fields of events as they come: read whatever is there, and never fail."""

from __future__ import annotations

import base64
import binascii
from typing import Any


def table(value: Any) -> dict[str, Any]:
    """Return `value` if it is an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """Return the list `value`, with an empty object for each member that is none; not a list is empty."""
    return [table(item) for item in value] if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return a text or a number as text that can be stored, or an empty text."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value).encode(errors="backslashreplace").decode()
    return ""


def whole(value: Any) -> int | None:
    """Return a whole number, which some platforms write as text, or None."""
    digits = text(value)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None  # noqa: PLR2004


def identity(trigger: str, *parts: Any) -> str | None:
    """Return the key of a message made of `parts`, or None where one of them is missing."""
    texts = [text(part) for part in parts]
    return ":".join([trigger, *texts]) if all(texts) else None


def last_part(name: Any, separator: str = ":") -> str:
    """Return what stands after the last separator: the queue or topic that an ARN names."""
    return text(name).rpartition(separator)[2]


def from_base64(value: Any) -> Any:
    """Return the bytes that `value` stands for, or `value` itself where it is no base64."""
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return value
