"""JSON documents from outside, read strictly: every refusal is an `InvalidRequest` that names its place."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any

from mailer.errors import InvalidRequest

from .limits import MAX_JSON_DEPTH

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_DOUBLE_DIGITS = 309  # no longer whole number fits a double


def read_object(raw: str | bytes, levels: int = MAX_JSON_DEPTH) -> dict[str, Any]:
    """Return the JSON object (RFC 8259) in `raw`, which must use each name once.

    `levels` is how deep it may nest. Raises InvalidRequest, as `check_object` does.
    """
    return check_object(read_json(raw), levels)


def read_json(raw: str | bytes) -> Any:
    """Return the JSON value in `raw`, whose parts are still to be checked; raises InvalidRequest."""
    try:
        return json.loads(raw, parse_int=_integer, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise InvalidRequest.at("", "is not UTF-8") from error
    except RecursionError as error:
        raise InvalidRequest.at("", f"is nested deeper than {MAX_JSON_DEPTH} levels") from error
    except ValueError as error:
        raise InvalidRequest.at("", "is not JSON") from error


def check_object(document: Any, levels: int = MAX_JSON_DEPTH) -> dict[str, Any]:
    """Return `document` if it is a JSON object whose text can be stored and sent.

    Raises InvalidRequest for lone surrogates, deep nesting, and numbers that no double holds.
    """
    if not isinstance(document, dict):
        raise InvalidRequest.at("", "must be a JSON object")
    _check(document, "", levels)
    return document


def pointer_token(key: object) -> str:
    """Return one RFC 6901 reference token for an object key or an array index."""
    return str(key).replace("~", "~0").replace("/", "~1")


def pointer_location(pointer: str) -> tuple[str, ...]:
    """Return the keys and indexes, as text, in an RFC 6901 pointer."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def canonical(document: Any) -> bytes:
    """Return the one byte string that stands for `document`, whatever the order of its keys."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def decode_base64(text: str) -> bytes:
    """Return the bytes of `text`, padded and unbroken base64 (RFC 4648 §4); raises ValueError."""
    if len(text) % 4 or not _BASE64.fullmatch(text):
        raise ValueError("must be base64")
    return base64.b64decode(text)


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _DOUBLE_DIGITS + 1 else math.inf


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise InvalidRequest.at("", "has an object with the same name twice")
    return members


def _check(value: Any, pointer: str, depth: int) -> None:
    if depth < 0:
        raise InvalidRequest.at(pointer, "is nested too deep")
    if isinstance(value, str):
        _check_text(value, pointer)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key, pointer)
            _check(item, f"{pointer}/{pointer_token(key)}", depth - 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{pointer}/{index}", depth - 1)
    elif isinstance(value, (int, float)):
        _check_number(value, pointer)


def _check_text(text: str, pointer: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest.at(pointer, "holds half of a surrogate pair, which is no character") from error


def _check_number(number: float, pointer: str) -> None:
    try:
        finite = math.isfinite(number)
    except OverflowError:
        finite = False
    if not finite:
        raise InvalidRequest.at(pointer, "must be a number that a double can hold, which NaN is not")
