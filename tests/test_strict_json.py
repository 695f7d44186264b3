from __future__ import annotations

import base64
import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.email.json_pointer import pointer_token
from mailer.email.limits import MAX_JSON_DEPTH
from mailer.email.strict_json import canonical, check_object, decode_base64, read_object
from mailer.errors import FieldError, InvalidRequest
from request_bodies import Json, json_objects


def refusal(raw: str | bytes) -> FieldError:
    with pytest.raises(InvalidRequest) as refused:
        read_object(raw)
    (error,) = refused.value.errors
    return error


@given(json_objects)
def test_every_json_object_is_read_as_it_was_written(document: dict[str, Json]) -> None:
    assert read_object(json.dumps(document)) == document
    assert read_object(json.dumps(document, ensure_ascii=False).encode()) == document


@given(st.binary() | st.text())
def test_whatever_is_no_json_object_is_refused(raw: str | bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        assert isinstance(read_object(raw), dict)


@pytest.mark.parametrize("raw", ["", " ", "{", "{'a': 1}", '{"a": 1} x', '{"a": 01}', b"\xff\xfe", b""])
def test_text_that_is_no_json_is_refused(raw: str | bytes) -> None:
    assert refusal(raw).detail in {"is not JSON", "is not UTF-8"}


def test_bytes_that_are_no_utf_8_are_refused() -> None:
    assert refusal(b'{"a": "\xff"}') == FieldError("", "is not UTF-8")


@pytest.mark.parametrize("raw", ["null", "3", '"text"', "[]", "[{}]", "true"])
def test_json_that_is_no_object_is_refused(raw: str) -> None:
    assert refusal(raw) == FieldError("", "must be a JSON object")


@pytest.mark.parametrize("raw", ['{"to": "a", "to": "b"}', '[{"a": {"b": 1, "b": 1}}]'])
def test_a_name_given_twice_is_refused_since_either_value_may_be_meant(raw: str) -> None:
    assert "same name twice" in refusal(raw).detail


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 310, "1" * 5000, "-" + "9" * 309]
)
def test_a_number_beyond_a_double_is_refused_at_its_place(number: str) -> None:
    assert refusal(f'{{"data": [0, {number}]}}').pointer == "/data/1"


@pytest.mark.parametrize("number", ["1" * 309, "-" + "1" * 309, "1.7e308", "18446744073709551616"])
def test_a_number_that_a_double_holds_is_kept(number: str) -> None:
    assert json.dumps(read_object(f'{{"n": {number}}}')["n"]) == json.dumps(json.loads(number))


def test_place_of_a_number_is_found_beside_what_is_right() -> None:
    assert refusal('{"a": null, "b": [true, {"c": "é"}, 1e999]}').pointer == "/b/2"


def test_numbers_in_a_document_that_was_never_text_are_checked_too() -> None:
    for number in (math.nan, math.inf, 10**400):
        with pytest.raises(InvalidRequest, match="/n: must be a number"):
            check_object({"n": number})


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ('{"a": "\\ud800"}', "/a"),
        ('{"a": ["x", "\\udfff"]}', "/a/1"),
        ('{"\\ud800": 1}', ""),
        ('{"a/b": {"c~d": "\\ud800"}}', "/a~1b/c~0d"),
        (b'{"a": "\xed\xa0\x80"}', "/a"),
    ],
)
def test_half_a_surrogate_pair_is_refused_at_its_place(raw: str | bytes, pointer: str) -> None:
    error = refusal(raw)
    assert (error.pointer, "surrogate" in error.detail) == (pointer, True)


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert read_object('{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def test_nesting_is_limited() -> None:
    read_object(nested(MAX_JSON_DEPTH))
    assert "nested too deep" in refusal(nested(MAX_JSON_DEPTH + 1)).detail


@pytest.mark.parametrize("levels", [50_000, 200_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_that_would_exhaust_the_stack_is_refused(opening: str, levels: int) -> None:
    assert refusal(opening * levels).detail in {
        f"is nested deeper than {MAX_JSON_DEPTH} levels",
        "is not JSON",
    }


@given(st.text())
def test_a_pointer_token_reads_back_as_its_key(key: str) -> None:
    token = pointer_token(key)
    assert "/" not in token
    assert token.replace("~1", "/").replace("~0", "~") == key


@given(json_objects)
def test_the_canonical_form_does_not_depend_on_the_order_of_names(document: dict[str, Json]) -> None:
    assert canonical(dict(reversed(document.items()))) == canonical(document)
    assert json.loads(canonical(document)) == document


@given(st.binary())
def test_base64_reads_back(content: bytes) -> None:
    assert decode_base64(base64.b64encode(content).decode()) == content


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AB",
        "ABC",
        "A===",
        "====",
        "=",
        "AB=C",
        "AB==CD==",
        "YWI==",
        "ABCD=",
        "AB\n==",
        "ABC=\n",
        "AB C",
        "AB-_",
        "éAAA",
    ],
)
def test_base64_is_as_strict_on_every_python(text: str) -> None:
    with pytest.raises(ValueError, match="must be base64"):
        decode_base64(text)
