"""How much a JSON document holds and how deep it nests, found before its values are made."""

from __future__ import annotations

import json
import re
from array import array
from contextlib import suppress
from itertools import accumulate, islice, pairwise
from typing import TYPE_CHECKING, Any

from mailer.errors import InvalidRequest, SizeRule

from .json_pointer import pointer_to
from .limits import MAX_JSON_DEPTH, MAX_JSON_VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEVELS = MAX_JSON_DEPTH + 2  # the emails of a batch, each as deep as one may be, are two levels down
_NEAR = 10_000  # bytes
# Of JSON with one quote in place of each text:
_SEPARATOR = re.compile(rb",|[\[{](?!\s*[\]}])")  # before each value but the first; an empty list has none
_NO_PLACE = bytes(set(range(256)) - set(b'[]{},"'))  # what says nothing of where a value is
_CLOSED = re.compile(rb"\[[^\[\]{}]*\]|\{[^\[\]{}]*\}")
# How many objects and lists a character closes, read backwards: an opening bracket opens one that was closed.
_CLOSED_BY = bytes({"[": 255, "{": 255, "]": 1, "}": 1}.get(chr(byte), 0) for byte in range(256))  # 255 is -1
TOO_MANY = SizeRule(f"holds too much: a document has at most {MAX_JSON_VALUES} values")
TOO_DEEP = SizeRule(f"is nested deeper than {MAX_JSON_DEPTH} levels")


def check_number_of_values(text: str) -> None:
    """Refuse JSON with more values than a document may have, before they are made; raises InvalidRequest.

    Text that is not JSON is left to the parser, or refused for the same.
    """
    if text.count(",") + text.count("[") + text.count("{") <= MAX_JSON_VALUES:
        return
    structure, texts = structure_of(text)
    one_too_many = next(islice(_SEPARATOR.finditer(structure), MAX_JSON_VALUES, None), None)
    if one_too_many is not None:
        end = one_too_many.end() if one_too_many[0] != b"," else one_too_many.start()
        before = structure[:end].translate(None, _NO_PLACE)
        raise InvalidRequest.at(pointer_to(_place(before, texts)), TOO_MANY)


def structure_of(text: str) -> tuple[bytes, list[bytes]]:
    """Return JSON with one quote in place of each text, and what stood between the quotes of each.

    The end of JSON with more values than a document may have is left out.
    """
    raw = text.encode(errors="surrogatepass").replace(b"\\\\", b"\\u005c").replace(b'\\"', b"\\u0022")
    # Without backslashes and quotes in them, every other part is a text; a value has two texts at most.
    parts = raw.split(b'"', 4 * MAX_JSON_VALUES + 4)
    if len(parts) > 4 * MAX_JSON_VALUES:
        del parts[-1]  # the rest, which is not split
    return b'"'.join(parts[::2]), parts[1::2]


def _place(structure: bytes, texts: list[bytes]) -> Iterator[Any]:
    """Yield the names and indexes of the object or list in which `structure` ends; raises InvalidRequest.

    `structure` has the brackets, braces and commas of JSON, and one quote in place of each of `texts`. An
    index far from its list's beginning is left out, with all below it.
    """
    opened = _opened(structure)
    for start, end in pairwise(opened):
        if structure[start : start + 1] == b"{":
            names = structure.count(b'"', 0, end)
            yield json.loads(b'"%s"' % texts[names - 1], strict=False) if names else ""
        elif end - start > _NEAR:
            return
        else:
            items, closed = structure[start + 1 : end], 1
            while closed:
                items, closed = _CLOSED.subn(b"", items)
            yield items.count(b",")


def _opened(structure: bytes) -> list[int]:
    """Return where the objects and lists begin that are open at the end.

    Raises InvalidRequest where any, open or closed, is too deep.
    """
    steps = memoryview(structure[::-1].translate(_CLOSED_BY)).cast("b")
    closed = array("i", accumulate(steps, initial=0))
    if max(closed) - closed[-1] > _LEVELS:
        raise InvalidRequest.at("", TOO_DEEP)
    opened: list[int] = []
    read = 0
    with suppress(ValueError):  # there are no more: nothing before it closes less
        while len(opened) <= _LEVELS:  # more are open only in text that is not JSON
            read = closed.index(-len(opened) - 1, read)
            opened.append(len(structure) - read)
    return opened[::-1]
