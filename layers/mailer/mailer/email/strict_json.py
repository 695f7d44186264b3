"""JSON documents from outside, read strictly: every refusal is an `InvalidRequest` that names its place."""

from __future__ import annotations

import base64
import json
import math
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from mailer.errors import InvalidRequest, SizeRule

from .limits import MAX_JSON_DEPTH, MAX_JSON_VALUES

if TYPE_CHECKING:
    from collections.abc import Iterable

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_DOUBLE_DIGITS = 309  # no longer whole number fits a double
# A text, or a name with its colon; an empty list or object; a sign.
_TOKEN = re.compile(rb'("[^"]*"?)(\s*:)?|[\[{]\s*[\]}]|[\[\]{},]')
_TOO_MANY = SizeRule(f"holds too much: a document has at most {MAX_JSON_VALUES} values")
_TOO_DEEP = SizeRule(f"is nested deeper than {MAX_JSON_DEPTH} levels")


def read_object(raw: str | bytes, levels: int = MAX_JSON_DEPTH) -> dict[str, Any]:
    """Return the JSON object (RFC 8259) in `raw`, which must use each name once.

    `levels` is how deep it may nest. Raises InvalidRequest, as `check_object` does.
    """
    return check_object(read_json(raw), levels)


def read_json(raw: str | bytes) -> Any:
    """Return the JSON value in `raw`, whose parts are still to be checked; raises InvalidRequest."""
    try:
        text = raw.decode(json.detect_encoding(raw), "surrogatepass") if isinstance(raw, bytes) else raw
        check_number_of_values(text)
        return json.loads(text, parse_int=_integer, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise InvalidRequest.at("", "is not UTF-8") from error
    except RecursionError as error:
        raise InvalidRequest.at("", _TOO_DEEP) from error
    except ValueError as error:
        raise InvalidRequest.at("", "is not JSON") from error


def check_object(document: Any, levels: int = MAX_JSON_DEPTH) -> dict[str, Any]:
    """Return `document` if it is a JSON object whose text can be stored and sent.

    Raises InvalidRequest for too many values, lone surrogates, deep nesting, and numbers that no double
    holds.
    """
    if not isinstance(document, dict):
        raise InvalidRequest.at("", "must be a JSON object")
    try:
        _Check().value(document, levels)
    except _Broken as broken:
        raise InvalidRequest.at(_pointer(reversed(broken.path)), broken.rule) from None
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


def check_number_of_values(text: str) -> None:
    """Refuse JSON with more values than a document may have, before they are made; raises InvalidRequest.

    Text that is not JSON is left to the parser, which reads it as far as this function does.
    """
    if text.count(",") + text.count("[") + text.count("{") <= MAX_JSON_VALUES:
        return
    # Without backslashes and quotes in them, texts are what is between two quotes.
    raw = text.encode(errors="surrogatepass").replace(b"\\\\", b"\\u005c").replace(b'\\"', b"\\u0022")
    if (path := _place_of_one_too_many(raw)) is not None:
        names = (json.loads(part, strict=False) if isinstance(part, bytes) else part for part in path)
        raise InvalidRequest.at(_pointer(names), _TOO_MANY)


def _place_of_one_too_many(raw: bytes) -> list[Any] | None:
    """Return the names (as JSON) and indexes of the object or list with one value too many, or None."""
    path: list[Any] = []  # for each open object or list: the name or index that is being read
    values = 0
    for token in islice(_TOKEN.finditer(raw), 4 * MAX_JSON_VALUES):  # no value is more than four tokens
        first = token[0][:1]
        if first == b'"':
            if token[2] and path:
                path[-1] = token[1]
        elif first == b",":
            values += 1
            if path and isinstance(path[-1], int):
                path[-1] += 1
        elif first in b"]}":
            del path[-1:]
        elif len(token[0]) == 1:
            values += 1
            path.append(0 if first == b"[" else b'""')
        if values > MAX_JSON_VALUES:
            return path[:-1]
        if (
            len(path) > MAX_JSON_DEPTH + 2
        ):  # the emails of a batch, each as deep as one may be, are two levels down
            raise InvalidRequest.at("", _TOO_DEEP)
    return None


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _DOUBLE_DIGITS + 1 else math.inf


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise InvalidRequest.at("", "has an object with the same name twice")
    return members


class _Broken(Exception):
    """A broken rule, and where: `path` has the names and indexes from the inside out."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.path: list[Any] = []


class _Check:
    """The walk through one document; it raises _Broken."""

    def __init__(self) -> None:
        self._values_left = MAX_JSON_VALUES

    def value(self, value: Any, levels: int) -> None:
        """Check a value that may nest `levels` deep."""
        if levels < 0:
            raise _Broken(SizeRule("is nested too deep"))
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, (dict, list)):
            self._values_left -= len(value)
            if self._values_left < 0:
                raise _Broken(_TOO_MANY)
            self._items(value, levels - 1)
        elif isinstance(value, (int, float)):
            _check_number(value)

    def _items(self, value: dict[str, Any] | list[Any], levels: int) -> None:
        if isinstance(value, dict):
            for name in value:
                _check_text(name)
        items = value.items() if isinstance(value, dict) else enumerate(value)
        try:
            for place, item in items:  # noqa: B007 - the handler names it
                self.value(item, levels)
        except _Broken as broken:
            broken.path.append(place)
            raise


def _pointer(path: Iterable[Any]) -> str:
    return "".join(f"/{pointer_token(part)}" for part in path)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Broken("holds half of a surrogate pair, which is no character") from error


def _check_number(number: float) -> None:
    try:
        finite = math.isfinite(number)
    except OverflowError:
        finite = False
    if not finite:
        raise _Broken("must be a number that a double can hold, which NaN is not")
