"""JSON documents from outside, read strictly: every refusal is an `InvalidRequest` that names its place."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from .errors import InvalidRequest
from .limits import MAX_JSON_DEPTH


def read_object(raw: str | bytes) -> dict[str, Any]:
    """Return the JSON object (RFC 8259) in `raw`; NaN, lone surrogates and deep nesting are refused.

    Raises InvalidRequest.
    """
    return check_object(read_json(raw))


def read_json(raw: str | bytes) -> Any:
    """Return the JSON value in `raw`, whose parts are still to be checked; raises InvalidRequest."""
    try:
        return json.loads(raw, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise InvalidRequest.at("", "the body is not UTF-8") from error
    except RecursionError as error:
        raise InvalidRequest.at("", f"the body is nested deeper than {MAX_JSON_DEPTH} levels") from error
    except ValueError as error:
        raise InvalidRequest.at("", "the body is not JSON") from error


def check_object(document: Any) -> dict[str, Any]:
    """Return `document` if it is a JSON object whose text can be stored and sent; raises InvalidRequest."""
    if not isinstance(document, dict):
        raise InvalidRequest.at("", "the body must be a JSON object")
    _check(document, "", MAX_JSON_DEPTH)
    return document


def pointer_token(key: object) -> str:
    """Return one RFC 6901 reference token for an object key or an array index."""
    return str(key).replace("~", "~0").replace("/", "~1")


def canonical(document: Any) -> bytes:
    """Return the one byte string that stands for `document`, whatever the order of its keys."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _check(value: Any, pointer: str, depth: int) -> None:
    if depth < 0:
        raise InvalidRequest.at(pointer, f"nested deeper than {MAX_JSON_DEPTH} levels")
    if isinstance(value, str):
        _check_text(value, pointer)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key, pointer)
            _check(item, f"{pointer}/{pointer_token(key)}", depth - 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{pointer}/{index}", depth - 1)


def _check_text(text: str, pointer: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest.at(pointer, "holds half of a surrogate pair, which is no character") from error
