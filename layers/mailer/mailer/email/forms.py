"""Forms from outside as objects: URL-encoded ones, and `multipart/form-data` without files.

Sources: URL Standard §5.1; RFC 7578; HTML Standard, "Multipart form data" (quotes in names).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from mailer.errors import InvalidRequest, SizeRule

from .limits import MAX_FORM_BYTES, MAX_FORM_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

Form = dict[str, "str | list[str]"]

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_BOUNDARY = re.compile(r';\s*boundary=(?:"([ -~]{1,70})"|([!-~]{1,70}?))\s*(?:;|$)', re.IGNORECASE)
_NAME = re.compile(rb';\s*name="([^"]*)"', re.IGNORECASE)
_FILE_NAME = re.compile(rb";\s*filename\*?=", re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:\s*form-data\s*(;.*)$", re.IGNORECASE | re.MULTILINE)
_ESCAPED_IN_NAMES = ((b"%22", b'"'), (b"%0D", b"\r"), (b"%0A", b"\n"))


def is_form(content_type: str) -> bool:
    """Return whether a Content-Type is that of a form."""
    return _kind(content_type) in (_URLENCODED, _MULTIPART)


def read_form(content_type: str, body: bytes) -> Form:
    """Return the fields of a form by their names: a text each, a list of texts where a name is repeated.

    Bytes and fields are counted before a value is made. Raises InvalidRequest for more than 1 MiB or 1,000
    fields, for what is not UTF-8, and for a file.
    """
    if len(body) > MAX_FORM_BYTES:
        raise InvalidRequest.at("", SizeRule(f"a form has at most {MAX_FORM_BYTES} bytes"))
    multipart = _kind(content_type) == _MULTIPART
    fields = _parts(content_type, body) if multipart else _pairs(body)
    form: Form = {}
    try:
        for name, value in fields:
            _add(form, name.decode(), value.decode())
    except UnicodeDecodeError as error:
        raise InvalidRequest.at("", "the form is not UTF-8") from error
    return form


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _add(form: Form, name: str, value: str) -> None:
    if name not in form:
        form[name] = value
        return
    former = form[name]
    if isinstance(former, list):
        former.append(value)
    else:
        form[name] = [former, value]


def _check_count(fields: int) -> None:
    if fields > MAX_FORM_FIELDS:
        raise InvalidRequest.at("", SizeRule(f"a form has at most {MAX_FORM_FIELDS} fields"))


def _pairs(body: bytes) -> Iterable[tuple[bytes, bytes]]:
    _check_count(body.count(b"&") + 1)
    for pair in filter(None, body.split(b"&")):
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        yield unquote_to_bytes(name), unquote_to_bytes(value)


def _parts(content_type: str, body: bytes) -> Iterable[tuple[bytes, bytes]]:
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise InvalidRequest.at("", "the Content-Type of a multipart form must name its boundary")
    delimiter = b"\r\n--" + (match[1] or match[2]).encode()
    whole = b"\r\n" + body
    _check_count(whole.count(delimiter) - 1)
    *parts, end = whole.split(delimiter)[1:] or [b""]
    if not end.startswith(b"--"):
        raise InvalidRequest.at("", "the multipart form has no end")
    for part in parts:
        head, blank_line, value = part.partition(b"\r\n\r\n")
        disposition = _DISPOSITION.search(head.replace(b"\r\n", b"\n"))
        name = _NAME.search(disposition[1]) if disposition else None
        if not blank_line or disposition is None or name is None:
            raise InvalidRequest.at("", "a part of the multipart form has no name")
        if _FILE_NAME.search(disposition[1]):
            raise InvalidRequest.at("", "a form with files is not taken: send it without them")
        yield _unescaped(name[1]), value


def _unescaped(name: bytes) -> bytes:
    for escaped, plain in _ESCAPED_IN_NAMES:
        name = name.replace(escaped, plain)
    return name
