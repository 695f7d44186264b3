"""JSON documents from outside, read strictly: every refusal is an `InvalidRequest` that names its place."""

from __future__ import annotations

import base64
import gc
import json
import math
import re
from itertools import chain
from typing import TYPE_CHECKING, Any

from mailer.errors import InvalidRequest, SizeRule

from .json_pointer import pointer_to
from .json_size import TOO_DEEP, TOO_MANY, check_number_of_values, structure_of
from .limits import MAX_JSON_DEPTH, MAX_JSON_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_DOUBLE_DIGITS = 309  # no longer whole number fits a double
_DOUBLE_BITS = 1024
_LONG_NUMBER = re.compile(rf"[0-9]{{{_DOUBLE_DIGITS}}}")


def read_object(raw: str | bytes, levels: int = MAX_JSON_DEPTH) -> dict[str, Any]:
    """Return the JSON object (RFC 8259) in `raw`, which must use each name once.

    `levels` is how deep it may nest. Raises InvalidRequest, as `check_object` does.
    """
    text = _decoded(raw)
    document = _parsed(text, None)
    if isinstance(document, dict):
        members = _members(document, levels)
        if members is None:
            _checked(document, levels)
        elif members in (text.count(":"), structure_of(text)[0].count(b":")):  # no name is given twice
            return document
    return check_object(_parsed(text, _object), levels)


def read_json(raw: str | bytes) -> Any:
    """Return the JSON value in `raw`, whose parts are still to be checked; raises InvalidRequest."""
    return _parsed(_decoded(raw), _object)


def _decoded(raw: str | bytes) -> str:
    try:
        return raw.decode(json.detect_encoding(raw), "surrogatepass") if isinstance(raw, bytes) else raw
    except UnicodeDecodeError as error:
        raise InvalidRequest.at("", "is not UTF-8") from error


def _parsed(text: str, make_object: Callable[[list[tuple[str, Any]]], Any] | None) -> Any:
    whole = _integer if _LONG_NUMBER.search(text) else None
    collects = gc.isenabled()
    gc.disable()  # it would look at the values of a large document again and again while they are made
    try:
        check_number_of_values(text)
        return json.loads(text, parse_int=whole, object_pairs_hook=make_object)
    except RecursionError as error:
        raise InvalidRequest.at("", TOO_DEEP) from error
    except ValueError as error:
        raise InvalidRequest.at("", "is not JSON") from error
    finally:
        if collects:
            gc.enable()


def check_object(document: Any, levels: int = MAX_JSON_DEPTH) -> dict[str, Any]:
    """Return `document` if it is a JSON object whose text can be stored and sent.

    Raises InvalidRequest for too many values, lone surrogates, deep nesting, and numbers that no double
    holds.
    """
    if not isinstance(document, dict):
        raise InvalidRequest.at("", "must be a JSON object")
    return document if _members(document, levels) is not None else _checked(document, levels)


def _checked(document: dict[str, Any], levels: int) -> dict[str, Any]:
    try:
        _Check().value(document, levels)
    except _Broken as broken:
        raise InvalidRequest.at(pointer_to(reversed(broken.path)), broken.rule) from None
    return document


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


def _members(document: dict[str, Any], levels: int) -> int | None:
    """Return how many members all objects in `document` have; None unless it certainly breaks no rule.

    All values of one level are looked at together: each alone would take more than twice the time.
    """
    values, members = 0, 0
    objects: list[dict[str, Any]] = [document]
    lists: list[list[Any]] = []
    while objects or lists:
        members += sum(map(len, objects))
        values += sum(map(len, chain(objects, lists)))
        if values > MAX_JSON_VALUES or levels == 0:
            return None
        items = [*chain.from_iterable(lists), *chain.from_iterable(map(dict.values, objects))]
        by_kind: dict[type, list[Any]] = {
            kind: [one for one in items if type(one) is kind] for kind in {*map(type, items)}
        }
        texts = "".join([*chain.from_iterable(objects), *by_kind.get(str, ())])
        if not (_is_text(texts) and all(map(_is_short, by_kind.get(int, ())))):
            return None
        if not all(map(math.isfinite, by_kind.get(float, ()))):
            return None
        objects, lists = ([one for one in by_kind.get(kind, ()) if one] for kind in (dict, list))
        levels -= 1
    return members


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_short(number: int) -> bool:
    return number.bit_length() < _DOUBLE_BITS


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
                raise _Broken(TOO_MANY)
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


def _check_text(text: str) -> None:
    if not _is_text(text):
        raise _Broken("holds half of a surrogate pair, which is no character")


def _check_number(number: float) -> None:
    try:
        finite = math.isfinite(number)
    except OverflowError:
        finite = False
    if not finite:
        raise _Broken("must be a number that a double can hold, which NaN is not")
