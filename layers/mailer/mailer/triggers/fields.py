"""Lenient accessors for the fields of untrusted events: they never raise."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from mailer.email.limits import MAX_MESSAGES

_HASH_CHARACTERS = 32  # 128 bits


def as_object(value: Any) -> dict[str, Any]:
    """Return `value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[dict[str, Any]]:
    """Return the list `value` with an empty object for each item that is not one; not a list is empty.

    A list that is longer than a batch is cut after the first item too many.
    """
    return [as_object(item) for item in value[: MAX_MESSAGES + 1]] if isinstance(value, list) else []


def has_records_of(source: str, event: Any) -> bool:
    """Return whether `event` is a batch of Lambda with a record of the event source `source`."""
    records = as_objects(as_object(event).get("Records"))
    return any(record.get("eventSource") == source for record in records)


def as_text(value: Any) -> str:
    """Return a text or an integer as text that can be stored, else an empty text."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value).encode(errors="backslashreplace").decode()
    return ""


def as_int(value: Any) -> int | None:
    """Return an integer of at most 19 digits, which some platforms write as text, else None."""
    digits = as_text(value)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None  # noqa: PLR2004


def message_key(trigger: str, *parts: Any) -> str | None:
    """Return the key of a message, made of `parts`, or None if one of them is missing."""
    texts = [as_text(part) for part in parts]
    return ":".join([trigger, *texts]) if all(texts) else None


def record_hash(record: dict[str, Any], *names: str) -> str:
    """Return a hash of the fields `names` of a record, or an empty text if they are nested too deep."""
    try:
        text = json.dumps([record.get(name) for name in names], sort_keys=True)
    except RecursionError:
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARACTERS]


def arn_name(arn: Any) -> str:
    """Return the name of the queue or topic at the end of an ARN."""
    return as_text(arn).rpartition(":")[2]


def arn_resource(arn: Any) -> str:
    """Return the name of the stream or table in an ARN (`…:stream/NAME`, `…:table/NAME/stream/TIME`)."""
    return as_text(arn).rpartition(":table/")[2].rpartition(":stream/")[2].partition("/")[0]


def from_base64(value: Any) -> Any:
    """Return the bytes that `value` encodes, or `value` itself if it is not base64."""
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return value
