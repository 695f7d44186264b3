from __future__ import annotations

import base64
import contextlib
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from factories import EMAIL, body, email
from mailer import clock
from mailer.email import limits
from mailer.email.identity import smtp_message_id_for
from mailer.email.native import to_native
from mailer.email.request import EmailRequest
from mailer.errors import FieldError, InvalidRequest
from request_bodies import (
    Json,
    instants,
    json_objects,
    json_values,
    mutated_bodies,
    native_body,
    own_bodies,
    replaced,
)

CONTROLS = {
    "CR": "\r",
    "LF": "\n",
    "CRLF": "\r\n",
    "NUL": "\0",
    "TAB": "\t",
    "DEL": "\x7f",
    "NEL": "\x85",
    "LS": "\u2028",
    "PS": "\u2029",
}


def refusals(document: Any, defaults: dict[str, Any] | None = None) -> dict[str, str]:
    """Return the pointers of a refused body with the rules that are broken there."""
    with pytest.raises(InvalidRequest) as refused:
        EmailRequest.parse(document, defaults)
    found = {error.pointer: error.detail for error in refused.value.errors}
    assert len(found) == len(refused.value.errors)
    return found


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in EMAIL.items() if name not in names}


def people(count: int, domain: str = "customer.example") -> list[str]:
    return [f"p{number}@{domain}" for number in range(count)]


def attachment(size: int = 1, name: str = "a.pdf") -> dict[str, str]:
    return {"filename": name, "content": base64.b64encode(b"x" * size).decode()}


# What is taken


@given(own_bodies())
def test_a_request_reads_back_from_its_document(document: dict[str, Any]) -> None:
    request = EmailRequest.parse(document)
    assert EmailRequest.parse(request.document()) == request
    assert EmailRequest.parse(json.dumps(request.document())) == request
    assert EmailRequest.parse(json.dumps(document).encode()) == request


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        email().subject = "Other"  # type: ignore[misc]


def test_one_address_may_be_given_without_a_list() -> None:
    assert email(to="a@b.example", cc="c@d.example") == email(to=["a@b.example"], cc=["c@d.example"])


@pytest.mark.parametrize("field", ["to", "cc", "bcc"])
def test_any_of_to_cc_and_bcc_is_enough(field: str) -> None:
    assert EmailRequest.parse({**without("to"), field: "a@b.example"}).recipients == ("a@b.example",)


def test_recipients_are_to_then_cc_then_bcc() -> None:
    request = email(to=people(2, "to.example"), cc=people(1, "cc.example"), bcc=people(1, "bcc.example"))
    assert [address.partition("@")[2] for address in request.recipients] == ["to.example"] * 2 + [
        "cc.example",
        "bcc.example",
    ]


def test_null_says_the_same_as_leaving_a_field_out() -> None:
    names = (field.alias or name for name, field in EmailRequest.model_fields.items())
    nulls = dict.fromkeys(name for name in names if name not in EMAIL)
    assert email(**nulls, template={"id": 1, "data": None}) == email(template={"id": 1})
    assert refusals(body(subject=None)) == {"/subject": "is required"}
    assert refusals(body(template={"id": None})) == {"/template/id": "is required"}


# The limits of the API page


@pytest.mark.parametrize(("field", "most"), [("to", 50), ("cc", 20), ("bcc", 20)])
def test_the_number_of_addresses_is_limited(field: str, most: int) -> None:
    assert len(getattr(email(**{field: people(most)}), field)) == most
    assert refusals(body(**{field: people(most + 1)})) == {f"/{field}": f"has at most {most} items"}


def test_no_recipient_at_all_is_refused() -> None:
    for empty in ((), ("to",), ("to", "cc", "bcc")):
        assert list(refusals({**without("to"), **{field: [] for field in empty}})) == ["/to"]


def test_a_bcc_address_that_is_also_in_to_is_refused_whatever_its_case() -> None:
    found = refusals(
        body(to=["ann@x.example", "Bob@X.example"], bcc=["c@x.example", "bOB@x.EXAMPLE", "ANN@x.example"])
    )
    assert found == dict.fromkeys(["/bcc/1", "/bcc/2"], "this address is also in `to`")
    assert list(refusals(body(to="ann@x.example", bcc="Ann@x.example"))) == ["/bcc"]
    assert email(to="ann@x.example", cc="ann@x.example", bcc="bob@x.example")


def test_the_number_of_attachments_is_limited() -> None:
    assert len(email(attachments=[attachment()] * 10).attachments) == 10
    assert refusals(body(attachments=[attachment()] * 11)) == {"/attachments": "has at most 10 items"}


def test_all_attachments_together_are_limited_to_4_mb_before_base64() -> None:
    most = 4 * 1024 * 1024
    assert (
        sum(one.size for one in email(attachments=[attachment(most - 5), attachment(5)]).attachments) == most
    )
    found = refusals(body(attachments=[attachment(most - 5), attachment(6)]))
    assert found == {"/attachments": "all attachments together have at most 4 MB"}


@given(st.binary(max_size=50))
def test_an_attachment_knows_its_size(content: bytes) -> None:
    (one,) = email(
        attachments=[{"filename": "a.txt", "content": base64.b64encode(content).decode()}]
    ).attachments
    assert one.size == len(content)


def test_the_whole_request_is_limited_to_8_mb_as_it_goes_over_the_wire() -> None:
    def wire(request: EmailRequest) -> int:
        return len(json.dumps(to_native(request.document(), smtp_message_id_for("-" * 32, request.sender))))

    spare = limits.MAX_REQUEST_BYTES - wire(email(template={"id": 1, "data": {"x": ""}}))
    assert wire(email(template={"id": 1, "data": {"x": "a" * spare}})) == limits.MAX_REQUEST_BYTES
    found = refusals(body(template={"id": 1, "data": {"x": "a" * (spare + 1)}}))
    assert found == {"": "the whole request has at most 8 MB once it is encoded for the API"}
    assert list(refusals(body(template={"id": 1, "data": {"x": "é" * (spare // 7 + 1)}}))) == [""]


@pytest.mark.parametrize(
    "name",
    [f"a.{kind}" for kind in sorted(limits.SUPPORTED_FILE_TYPES)]
    + ["A-b_c(1).PDF", ".a.pdf", "bücher.pdf", "n" * 251 + ".pdf"],
)
def test_file_names_of_supported_types_are_taken(name: str) -> None:
    assert email(attachments=[attachment(name=name)]).attachments[0].filename == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        ".pdf",
        "a.",
        "pdf",
        "a.exe",
        "a.mp4",
        "a.pdf.zipx",
        "a.pdf ",
        "a b.pdf",
        "n" * 252 + ".pdf",
        *(f"a{one}b.pdf" for one in '?\\*|"<>:/'),
    ],
)
def test_other_file_names_are_refused(name: str) -> None:
    assert list(refusals(body(attachments=[attachment(), attachment(name=name)]))) == [
        "/attachments/1/filename"
    ]


@pytest.mark.parametrize("content", ["?", "YQ", "YQ=", "Y Q=", "YQ==\n", "YQ===", "YWI==", "é==="])
def test_an_attachment_that_is_no_base64_is_refused(content: str) -> None:
    found = refusals(body(attachments=[{"filename": "a.pdf", "content": content}]))
    assert found == {"/attachments/0/content": "must be base64"}


@pytest.mark.parametrize(
    ("sender", "right"),
    [
        ("Shop <a@b.example>", True),
        ("a@b.example", True),
        ("Shop  <a@b.example>", False),
        ("Shop<a@b.example>", False),
        ("Shop: x <a@b.example>", False),
    ],
)
@pytest.mark.parametrize("field", ["from", "header_from"])
def test_an_alias_has_one_space_behind_it_and_no_colon(field: str, sender: str, right: object) -> None:
    document = {**EMAIL, "from": "x@b.example", field: sender}
    if right:
        assert EmailRequest.parse(document).document()[field] == sender
    else:
        assert "one space" in refusals(document)[f"/{field}"]


def test_a_subject_has_1_to_998_characters() -> None:
    assert len(email(subject="é" * 998).subject) == 998
    assert refusals(body(subject="x" * 999)) == {"/subject": "has at most 998 characters"}
    assert refusals(body(subject="")) == {"/subject": "must not be empty"}


def test_an_idempotency_key_has_1_to_255_characters() -> None:
    assert email(idempotency_key="k" * 255).idempotency_key == "k" * 255
    assert refusals(body(idempotency_key="k" * 256)) == {"/idempotency_key": "has at most 255 characters"}
    assert refusals(body(idempotency_key="")) == {"/idempotency_key": "must not be empty"}


@pytest.mark.parametrize(
    ("given", "number"),
    [(name, number) for name, number in limits.UNSUBSCRIBE_LANGUAGES.items()]
    + [(number, number) for number in limits.UNSUBSCRIBE_LANGUAGES.values()]
    + [(number, str(number)) for number in range(12)]
    + [("English", "1"), ("Simplified Chinese", "2"), ("traditional-chinese", "3"), (1.0, "1"), (-0.0, "0")],
)
def test_the_unsubscribe_language_is_a_name_or_the_apis_number(given: str | float, number: str) -> None:
    assert email(unsubscribe=given).unsubscribe == number


@pytest.mark.parametrize(
    "given",
    ["", "klingon", "12", "-1", "01", "1.0", "٣", 12, -1, 1.5, 12.0, True, False, [], {}, 10**300, 1e300],
)
def test_another_unsubscribe_language_is_refused(given: Json) -> None:
    assert list(refusals(body(unsubscribe=given))) == ["/unsubscribe"]


@pytest.mark.parametrize(
    ("given", "number"), [("marketing", 0), ("transactional", 1), (0, 0), (1, 1), (1.0, 1)]
)
def test_the_trigger_type_is_a_name_or_the_apis_number(given: str | float, number: int) -> None:
    assert email(trigger_type=given).trigger_type == number


@pytest.mark.parametrize("given", ["", "0", "1", "Marketing", 2, -1, 0.5, 2.0, True, False, [], {}])
def test_another_trigger_type_is_refused(given: Json) -> None:
    assert refusals(body(trigger_type=given)) == {
        "/trigger_type": "must be `marketing` (0) or `transactional` (1)"
    }


@pytest.mark.parametrize(
    ("number", "rule"),
    [(0, "must be greater than 0"), (-1, "must be greater than 0"), (2**64, f"must be less than {2**64}")],
)
def test_a_template_id_is_an_unsigned_64_bit_number(number: int, rule: str) -> None:
    assert refusals(body(template={"id": number})) == {"/template/id": rule}
    assert email(template={"id": 2**64 - 1}).template


@pytest.mark.parametrize("content", [{}, {"html": ""}, {"text": "", "html": None}])
def test_simple_content_is_html_or_text_or_both(content: dict[str, Any]) -> None:
    assert refusals({**without("template"), "simple": content}) == {"/simple": "give html, text or both"}


def test_either_template_or_simple_is_given() -> None:
    both = refusals(body(simple={"text": "x"}))
    assert both == refusals(without("template")) == {"/template": "give either template or simple"}


# Header injection


HEADER_FIELDS: list[tuple[Any, ...]] = [
    ("from",), ("to", 0), ("cc", 0), ("bcc", 0), ("reply_to",), ("subject",), ("header_from",),
    ("idempotency_key",), ("attachments", 0, "filename"), ("headers", "X-Shop"),
]  # fmt: skip


@pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS)
@pytest.mark.parametrize("place", HEADER_FIELDS, ids=lambda place: ".".join(map(str, place)))
def test_control_characters_are_refused_in_every_header_bound_field(
    place: tuple[Any, ...], control: str
) -> None:
    full = body(
        to=["a@b.example"], cc=["c@d.example"], bcc=["e@f.example"], reply_to="g@h.example",
        header_from="Shop <i@mail.shop.example>", idempotency_key="key", attachments=[attachment()],
        headers={"X-Shop": "1"},
    )  # fmt: skip
    EmailRequest.parse(full)
    valid: Any = full
    for part in place:
        valid = valid[part]
    for broken in (control + valid, valid + control, f"{valid[:1]}{control}{valid[1:]}"):
        found = refusals(replaced(full, place, broken))
        assert found == {"/" + "/".join(map(str, place)): "must hold no control character and no line break"}


@pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS)
def test_control_characters_are_refused_in_the_names_of_headers(control: str) -> None:
    (detail,) = refusals(body(headers={f"X{control}Y": "1"})).values()
    assert "printable ASCII" in detail


# Headers


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("From", "from"),
        ("to", "to"),
        ("CC", "cc"),
        ("Bcc", "bcc"),
        ("SUBJECT", "subject"),
        ("Reply-To", "reply_to"),
        ("message-ID", "idempotency_key"),
    ],
)
def test_a_header_with_a_field_of_its_own_is_refused(name: str, field: str) -> None:
    assert refusals(body(headers={name: "x"})) == {f"/headers/{name}": f"is set through the field `{field}`"}


def test_a_header_given_twice_in_another_case_is_refused() -> None:
    assert list(refusals(body(headers={"X-A": "1", "x-a": "2"}))) == ["/headers/x-a"]


def test_the_pointer_to_a_header_is_escaped() -> None:
    assert list(refusals(body(headers={"X~/Y": 1}))) == ["/headers/X~0~1Y"]
    assert list(refusals(body(headers={"X~/Y:": "1"}))) == ["/headers/X~0~1Y:"]
    assert list(refusals(body(**{"a/b~c": 1}))) == ["/a~1b~0c"]


# Wrong types


TYPES: dict[str, Json] = {
    "null": None,
    "true": True,
    "number": 5,
    "fraction": 1.5,
    "text": "?",
    "list": [[]],
    "object": {"?": {}},
}
ALLOWED: dict[str, set[str]] = {
    "subject": {"text"},
    "idempotency_key": {"text"},
    "unsubscribe": {"number"},
}


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind != "null"])
@pytest.mark.parametrize("field", [field.alias or name for name, field in EmailRequest.model_fields.items()])
def test_a_value_of_the_wrong_type_is_refused_at_its_field(field: str, kind: str) -> None:
    if kind in ALLOWED.get(field, ()):
        assert EmailRequest.parse({**EMAIL, field: TYPES[kind]})
        return
    for pointer, detail in refusals({**EMAIL, field: TYPES[kind]}).items():
        assert pointer == f"/{field}" or pointer.startswith(f"/{field}/")
        assert detail != "is wrong"


@pytest.mark.parametrize(
    ("fields", "pointer", "rule"),
    [
        ({"to": {"a": 1}}, "/to", "must be a list"),
        ({"to": ["a@b.example", 5]}, "/to/1", "must be a string"),
        ({"to": "x"}, "/to", "must be an address such as `name@mail.example` (other scripts in punycode)"),
        ({"template": "100091"}, "/template", "must be an object"),
        ({"template": {"id": "100091"}}, "/template/id", "must be a whole number"),
        ({"template": {"id": 1.0}}, "/template/id", "must be a whole number"),
        ({"template": {"id": True}}, "/template/id", "must be a whole number"),
        ({"template": {"id": 1, "data": "{}"}}, "/template/data", "must be an object"),
        ({"template": {"id": 1, "name": "x"}}, "/template/name", "unknown field"),
        ({"attachments": attachment()}, "/attachments", "must be a list"),
        ({"attachments": "x"}, "/attachments", "must be a list"),
        ({"attachments": ["x"]}, "/attachments/0", "must be an object"),
        ({"attachments": [{"filename": 5, "content": 6}]}, "/attachments/0/filename", "must be a string"),
        ({"attachments": [{"filename": "a.pdf"}]}, "/attachments/0/content", "is required"),
        ({"headers": "{}"}, "/headers", "must be an object"),
        ({"headers": {"X-A": 1}}, "/headers/X-A", "must be a string"),
        ({"headers": {"X-A": None}}, "/headers/X-A", "must be a string"),
        ({"on_unknown": "retry"}, "/on_unknown", "must be 'resend' or 'hold'"),
        ({"on_suppressed": "skip"}, "/on_suppressed", "must be 'refuse' or 'drop'"),
        ({"subjekt": "x"}, "/subjekt", "unknown field"),
        ({"sender": "a@b.example"}, "/sender", "unknown field"),
    ],
)
def test_a_refusal_names_place_and_rule(fields: dict[str, Any], pointer: str, rule: str) -> None:
    assert refusals({**EMAIL, **fields})[pointer] == rule


def test_every_wrong_field_is_listed_at_once() -> None:
    found = refusals(
        {"to": ["x", "a@b.example", "y"], "template": {}, "attachments": [{}], "unsubscribe": "?", "extra": 1}
    )
    assert list(found) == [
        "/from",
        "/to/0",
        "/to/2",
        "/subject",
        "/template/id",
        "/attachments/0/filename",
        "/attachments/0/content",
        "/unsubscribe",
        "/extra",
    ]


def test_every_conflict_between_fields_is_listed_at_once() -> None:
    conflicting = body(
        to=["a@b.example"],
        bcc=["A@b.example", "c@d.example", "a@B.example"],
        simple={"text": "x"},
        attachments=[attachment(3 * 1024 * 1024)] * 2,
        headers={"Subject": "x", "b:c": "y", "B:C": "z"},
        send_at="2026-05-02T00:00:00Z",
        expires_at="2026-05-01T00:00:00Z",
    )
    with pytest.raises(InvalidRequest) as refused:
        EmailRequest.parse(conflicting)
    assert [error.pointer for error in refused.value.errors] == [
        "/bcc/0", "/bcc/2", "/template", "/attachments", "/headers/Subject", "/headers/b:c",
        "/headers/B:C", "/headers/B:C", "/expires_at",
    ]  # fmt: skip
    assert list(refusals(without("to", "template"))) == ["/to", "/template"]


# Times


@given(instants, st.sampled_from(["T", "t"]))
def test_an_rfc_3339_time_is_the_instant_that_it_names(moment: datetime, separator: str) -> None:
    text = moment.isoformat().replace("T", separator)
    assert email(send_at=text).send_at == moment
    assert email(expires_at=text).expires_at == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-01T09:00:00Z", datetime(2026, 5, 1, 9, tzinfo=timezone.utc)),
        ("2026-05-01t09:00:00z", datetime(2026, 5, 1, 9, tzinfo=timezone.utc)),
        ("2026-05-01T09:00:00-00:00", datetime(2026, 5, 1, 9, tzinfo=timezone.utc)),
        ("2026-05-01T09:00:00.5+08:00", datetime(2026, 5, 1, 1, 0, 0, 500_000, tzinfo=timezone.utc)),
        ("2026-05-01T09:00:00.123456789Z", datetime(2026, 5, 1, 9, 0, 0, 123_456, tzinfo=timezone.utc)),
        ("2024-02-29T23:59:59+23:59", datetime(2024, 2, 29, 0, 0, 59, tzinfo=timezone.utc)),
        ("2024-02-29T00:00:00-23:59", datetime(2024, 2, 29, 23, 59, tzinfo=timezone.utc)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=timezone.utc)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc)),
    ],
)
def test_the_extremes_of_rfc_3339_are_taken(text: str, moment: datetime) -> None:
    request = EmailRequest.parse(body(send_at=text), stored=True)
    assert request.send_at == moment
    assert EmailRequest.parse(request.document(), stored=True) == request


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026-05-01", "09:00:00Z", "2026-05-01T09:00Z", "2026-05-01 09:00:00Z",
        "2026-05-01T09:00:00", "2026-05-01T09:00:00+08", "2026-05-01T09:00:00+0800",
        "2026-05-01T09:00:00+08:00:00", "2026-05-01T09:00:00,5Z", "2026-05-01T09:00:00.Z",
        "2026-05-01T24:00:00Z", "2026-05-01T09:60:00Z", "2016-12-31T23:59:60Z", "2026-05-01T09:00:61Z",
        "2026-05-01T09:00:00+24:00", "2026-05-01T09:00:00-08:60", "2026-05-01T09:00:00+99:99",
        "2026-W18-5T09:00:00Z", "20260501T090000Z", "+2026-05-01T09:00:00Z", "26-05-01T09:00:00Z",
        "\uff12\uff10\uff12\uff16-05-01T09:00:00Z", "2026-05-01T09:00:00Z\n", " 2026-05-01T09:00:00Z",
    ],
)  # fmt: skip
def test_another_form_of_time_is_refused(text: str) -> None:
    for field in ("send_at", "expires_at"):
        assert "must be an RFC 3339" in refusals(body(**{field: text}))[f"/{field}"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z",
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
    ],
)  # fmt: skip
def test_a_day_that_no_calendar_has_is_refused(text: str) -> None:
    assert "a day of the calendar" in refusals(body(send_at=text))["/send_at"]


@given(st.text(st.sampled_from("0123456789-+:.TZtz "), max_size=30) | json_values)
def test_any_time_is_taken_or_refused(value: Json) -> None:
    with contextlib.suppress(InvalidRequest):
        moment = email(send_at=value).send_at
        assert moment is None or moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize("field", ["send_at", "expires_at"])
def test_a_time_is_at_most_30_days_ahead_when_the_request_is_made(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 5, 1, 9, tzinfo=timezone.utc)
    monkeypatch.setattr(clock, "now", now.timestamp)
    assert email(**{field: "2026-05-31T09:00:00Z"})
    late = body(**{field: "2026-05-31T17:00:01+08:00"})
    assert refusals(late) == {f"/{field}": "must be at most 30 days ahead"}
    assert EmailRequest.parse(late, stored=True)


def test_a_native_body_with_a_late_time_is_refused_at_its_field() -> None:
    native = native_body(body(send_at="9999-12-31T00:00:00Z", header_from="ceo@other.example"))
    assert list(refusals(native)) == ["/HeaderFrom", "/send_at"]


def test_the_header_from_is_of_the_senders_own_domain() -> None:
    assert email(header_from="Help <help@MAIL.shop.example>")
    for foreign in ("ceo@other.example", "Shop <a@shop.example>", "a@x.mail.shop.example"):
        found = refusals(body(header_from=foreign))
        assert found == {"/header_from": "must be of the sender's own domain"}
        assert EmailRequest.parse(body(header_from=foreign), stored=True)


def test_an_email_expires_after_it_is_sent() -> None:
    moment = "2026-05-01T09:00:00Z"
    assert list(refusals(body(send_at=moment, expires_at="2026-05-01T17:00:00+08:00"))) == ["/expires_at"]
    assert email(send_at=moment, expires_at="2026-05-01T09:00:00.000001Z")


# Defaults


DEFAULTS = {
    "from": "Shop <a@b.example>",
    "template": {"id": 7},
    "reply_to": "r@b.example",
    "bcc": ["log@b.example"],
}


def test_defaults_fill_only_what_is_missing() -> None:
    filled = EmailRequest.parse({"to": "c@d.example", "subject": "Hi", "reply_to": "x@y.example"}, DEFAULTS)
    assert filled.document() == {
        "from": "Shop <a@b.example>", "to": ["c@d.example"], "bcc": ["log@b.example"], "subject": "Hi",
        "reply_to": "x@y.example", "template": {"id": 7},
    }  # fmt: skip
    assert EmailRequest.parse(body(bcc=[]), DEFAULTS).bcc == ()
    assert EmailRequest.parse({**EMAIL, "from": None}, DEFAULTS).sender == "Shop <a@b.example>"


def test_a_whole_field_comes_from_the_body_or_from_the_defaults() -> None:
    request = EmailRequest.parse(body(template={"id": 1}), {"template": {"id": 7, "data": {"a": 1}}})
    assert request.document()["template"] == {"id": 1}


def test_content_of_the_body_replaces_content_of_the_defaults_of_either_kind() -> None:
    assert EmailRequest.parse({**without("template"), "simple": {"text": "x"}}, DEFAULTS).template is None
    assert EmailRequest.parse(EMAIL, {"simple": {"text": "x"}}).simple is None
    assert EmailRequest.parse({**without("template"), "simple": None}, DEFAULTS).template


def test_defaults_fill_a_native_body_too() -> None:
    request = EmailRequest.parse(
        {"Destination": ["c@d.example"], "Subject": "Hi", "ReplyToAddresses": None}, DEFAULTS
    )
    assert request.sender == "Shop <a@b.example>"
    assert request.reply_to == "r@b.example"
    assert request.template


def test_a_conflict_with_a_default_points_to_its_field() -> None:
    assert list(refusals(body(to="log@b.example"), DEFAULTS)) == ["/bcc"]


@given(own_bodies(), own_bodies())
def test_defaults_never_change_what_a_complete_body_says(
    document: dict[str, Any], others: dict[str, Any]
) -> None:
    with contextlib.suppress(InvalidRequest):
        request = EmailRequest.parse(document, others)
        given = EmailRequest.parse(document).document()
        assert {
            name: request.document()[name] for name in given if name != "on_unknown"
        }.items() <= given.items()


# Anything at all


@given(json_values | st.text() | st.binary() | st.dictionaries(st.text(), json_values))
def test_any_input_is_taken_or_refused(value: Any) -> None:
    with contextlib.suppress(InvalidRequest):
        EmailRequest.parse(value)


@given(mutated_bodies(own_bodies()) | mutated_bodies(own_bodies().map(native_body)))
def test_a_body_with_one_other_value_is_taken_or_refused_at_a_place_that_it_has(document: Any) -> None:
    try:
        request = EmailRequest.parse(document)
    except InvalidRequest as refused:
        errors = refused.errors
    else:
        assert EmailRequest.parse(request.document()) == request
        return
    for error in errors:
        *parents, _last = [*error.pointer.split("/")[1:], ""]
        found = document
        for token in parents[:-1]:
            name = token.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
        assert error.detail
        assert not parents or isinstance(found, (dict, list))


@given(
    st.dictionaries(
        st.sampled_from([field.alias or name for name, field in EmailRequest.model_fields.items()]),
        json_values,
    )
)
def test_fields_with_any_values_are_taken_or_refused_with_words_of_our_own(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        EmailRequest.parse(document)
    assert not any(error.detail == "is wrong" for error in refused.value.errors)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "[]",
        "null",
        "{",
        '"x"',
        b"\xff",
        '{"to": NaN}',
        "[" * 100_000,
        '{"to":"a@b.example","to":"c@d.example"}',
    ],
)
def test_text_that_is_no_json_object_is_refused(raw: str | bytes) -> None:
    (error,) = refusals(raw).items()
    assert error[1]


@pytest.mark.parametrize("value", [None, 5, True, [], ["x"], 1.5])
def test_a_value_that_is_no_object_is_refused(value: Any) -> None:
    assert refusals(value) == {"": "must be a JSON object"}


def test_template_data_is_as_deep_as_a_request_may_nest() -> None:
    def data(levels: int) -> dict[str, Any]:
        return {"a": data(levels - 1)} if levels else {"a": 1}

    deep = email(template={"id": 1, "data": data(29)})
    assert EmailRequest.parse(json.dumps(deep.document())) == deep
    (detail,) = refusals(body(template={"id": 1, "data": data(30)})).values()
    assert "nested too deep" in detail


def test_template_data_keeps_numbers_and_text_of_every_kind() -> None:
    data: dict[str, Json] = {
        "big": 2**70,
        "small": -1.5e-9,
        "zero": 0,
        "no": None,
        "yes": True,
        "text": "商店\n\U0001f600",
        "": [],
    }
    assert email(template={"id": 1, "data": data}).document()["template"]["data"] == data


@given(json_objects)
def test_template_data_is_any_json_object(data: dict[str, Json]) -> None:
    template = email(template={"id": 1, "data": data}).template
    assert template
    assert template.data == data


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400])
def test_template_data_holds_no_number_that_json_cannot_carry(number: float) -> None:
    assert list(refusals(body(template={"id": 1, "data": {"n": [number]}}))) == ["/template/data/n/0"]


def test_a_refusal_says_every_place_and_rule_in_its_text() -> None:
    with pytest.raises(InvalidRequest, match=r"^/from: is required; /subject: is required$"):
        EmailRequest.parse(without("from", "subject"))
    assert FieldError("", "x") == FieldError(pointer="", detail="x")
