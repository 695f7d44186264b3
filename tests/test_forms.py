"""Forms become objects of texts, and are refused before they cost anything."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.email.forms import is_form, read_form
from mailer.email.limits import MAX_FORM_BYTES, MAX_FORM_FIELDS
from mailer.errors import InvalidRequest

URLENCODED = "application/x-www-form-urlencoded; charset=utf-8"
MULTIPART = 'multipart/form-data; boundary="a b"'
names_and_values = st.lists(st.tuples(st.text(), st.text()), max_size=20)


def multipart(fields: list[tuple[str, str]], extra: str = "") -> bytes:
    parts = [
        f'--a b\r\ncontent-disposition: form-data; name="{name}"{extra}\r\n\r\n{value}\r\n'
        for name, value in fields
    ]
    return ("".join(parts) + "--a b--\r\n").encode()


def grouped(fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


def as_lists(form: dict[str, str | list[str]]) -> dict[str, list[str]]:
    return {name: value if isinstance(value, list) else [value] for name, value in form.items()}


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (URLENCODED, True),
        (MULTIPART, True),
        ("Multipart/Form-Data", True),
        ("application/json", False),
        ("", False),
    ],
)
def test_form_is_known_by_its_content_type(content_type: str, expected: bool) -> None:  # noqa: FBT001
    assert is_form(content_type) is expected


def test_repeated_names_are_lists_and_others_texts() -> None:
    body = b"a=1&b=&&a=2&c=%C3%A9+%26&a=3&d"
    assert read_form(URLENCODED, body) == {"a": ["1", "2", "3"], "b": "", "c": "é &", "d": ""}
    assert read_form(URLENCODED, b"") == {}


@given(names_and_values)
def test_urlencoded_form_is_read_as_it_was_written(fields: list[tuple[str, str]]) -> None:
    assert as_lists(read_form(URLENCODED, urlencode(fields).encode())) == grouped(fields)


@given(st.lists(st.tuples(st.text("abc é%", max_size=5), st.text(st.characters(codec="utf-8"))), max_size=20))
def test_multipart_form_is_read_as_it_was_written(fields: list[tuple[str, str]]) -> None:
    plain = [(name, value) for name, value in fields if "\r\n--a b" not in f"\r\n{value}"]
    assert as_lists(read_form(MULTIPART, multipart(plain))) == grouped(plain)


def test_names_of_multipart_forms_may_have_quotes_and_breaks() -> None:
    assert read_form(MULTIPART, multipart([("a%22b%0D%0A", "\r\n")])) == {'a"b\r\n': "\r\n"}


def test_preamble_of_a_multipart_form_and_headers_of_its_parts_are_left_out() -> None:
    part = 'Content-Type: text/plain\r\nContent-Disposition: form-data; name="x"\r\n\r\n1'
    body = f"preamble\r\n--b\r\n{part}\r\n--b--\r\nepilogue".encode()
    assert read_form("multipart/form-data; boundary=b; x=y", body) == {"x": "1"}


@pytest.mark.parametrize(
    ("content_type", "body", "rule"),
    [
        (URLENCODED, b"a=%FF", "UTF-8"),
        (URLENCODED, b"\xff", "UTF-8"),
        ("multipart/form-data", b"", "must name its boundary"),
        (MULTIPART, b"", "has no end"),
        (MULTIPART, multipart([("a", "1")])[:-4], "has no end"),
        (MULTIPART, b"--a b\r\n\r\n1\r\n--a b--", "has no name"),
        (MULTIPART, b'--a b\r\nContent-Disposition: form-data; name="x"\r\n--a b--', "has no name"),
        (MULTIPART, b'--a b\r\nContent-Disposition: form-data; x="y"\r\n\r\n1\r\n--a b--', "has no name"),
        (MULTIPART, multipart([("a", "1")], '; filename="a.pdf"'), "with files"),
        (MULTIPART, multipart([("a", "1")], "; filename*=UTF-8''a.pdf"), "with files"),
    ],
)
def test_what_is_no_form_of_texts_is_refused(content_type: str, body: bytes, rule: str) -> None:
    with pytest.raises(InvalidRequest, match=rule) as refused:
        read_form(content_type, body)
    assert not refused.value.too_large


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"&" * MAX_FORM_FIELDS),
        (URLENCODED, b"a" * (MAX_FORM_BYTES + 1)),
        (MULTIPART, multipart([("a", "1")] * (MAX_FORM_FIELDS + 1))),
        (MULTIPART, b"-" * (MAX_FORM_BYTES + 1)),
    ],
)
def test_form_that_is_too_large_is_refused_before_its_values_are_made(content_type: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="a form has at most") as refused:
        read_form(content_type, body)
    assert refused.value.too_large


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"&".join([b"a=1"] * MAX_FORM_FIELDS)),
        (URLENCODED, b"a" * MAX_FORM_BYTES),
        (MULTIPART, multipart([("a", "1")] * MAX_FORM_FIELDS)),
    ],
)
def test_form_at_its_limits_is_read(content_type: str, body: bytes) -> None:
    assert len(read_form(content_type, body)) == 1
