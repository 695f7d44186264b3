"""A foreign payload becomes a request by the expressions of mailer.toml, or is refused."""

from __future__ import annotations

from typing import Any

import pytest

from mailer.config.mapping import MappedTable, PayloadMapping
from mailer.errors import ConfigurationError, InvalidRequest

LOCATION = ("webhooks", "billing")
TABLE: dict[str, Any] = {
    "when": "type == 'invoice.paid'",
    "email": {
        "from": "Shop <noreply@mail.shop.example>",
        "subject": "Your invoice",
        "template": {"id": 100091, "data": {"shop": "Shop"}},
    },
    "map": {
        "to": ["data.customer.email"],
        "cc": "data.copies || `[]`",
        "template": {"data": {"name": "data.customer.name"}},
    },
}
PAYLOAD = {"type": "invoice.paid", "data": {"customer": {"email": "ann@customer.example", "name": "Ann"}}}


def mapping(**changes: Any) -> PayloadMapping:
    return MappedTable.parse(LOCATION, {**TABLE, **changes}, name="billing").mapping


def refusals(one: PayloadMapping, payload: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        one.request(payload)
    return {error.pointer: error.detail for error in caught.value.errors}


def test_constants_and_expressions_make_one_request() -> None:
    request = mapping().request(PAYLOAD)
    assert request.to == ("ann@customer.example",)
    assert request.cc == ()
    assert request.template
    assert request.template.data == {"shop": "Shop", "name": "Ann"}


HTML = "<img src=\"x\" onerror='alert(1)'>&"
ESCAPED = "&lt;img src=&quot;x&quot; onerror=&#x27;alert(1)&#x27;&gt;&amp;"


def test_what_comes_from_outside_is_escaped_where_it_is_html() -> None:
    table = {
        "template": {"data": {"name": "data.customer.name", "all": "data"}},
        "subject": "data.customer.name",
        "to": "data.customer.email",
    }
    payload = {"data": {"customer": {"email": "ann@customer.example", "name": HTML}, "list": [HTML, 1, None]}}
    request = mapping(map=table).request(payload)
    assert request.template
    assert request.subject == HTML
    assert request.template.data["name"] == ESCAPED
    assert request.template.data["all"]["customer"]["name"] == ESCAPED
    assert request.template.data["all"]["list"] == [ESCAPED, 1, None]
    raw = mapping(map=table, escape=False).request(payload).template
    assert raw
    assert raw.data["name"] == HTML


def test_only_the_html_of_simple_content_is_escaped_and_no_constant_is() -> None:
    constants = {**TABLE["email"], "to": "ann@customer.example", "template": None, "simple": {"html": HTML}}
    one = mapping(email=constants, map={"simple": {"text": "text"}})
    request = one.request({"text": HTML})
    assert request.simple
    assert (request.simple.html, request.simple.text) == (HTML, HTML)
    request = mapping(email=constants, map={"simple": "content"}).request({"content": {"html": HTML}})
    assert request.simple
    assert request.simple.html == ESCAPED


def test_data_of_a_mapped_template_is_escaped_and_another_template_is_refused() -> None:
    one = mapping(map={"to": "to", "template": "whole"})
    request = one.request({"to": "ann@customer.example", "whole": {"id": 7, "data": {"name": HTML}}})
    assert request.template
    assert (request.template.id, request.template.data) == (7, {"shop": "Shop", "name": ESCAPED})
    assert "/template" in refusals(one, {"to": "ann@customer.example", "whole": "text"})


def test_a_mapped_request_with_many_errors_is_counted() -> None:
    with pytest.raises(InvalidRequest) as caught:
        mapping(map={"to": "to"}).request({"to": ["x"] * 50})
    assert (len(caught.value.errors), caught.value.total) == (20, 50)
    assert "`to`" in caught.value.errors[0].detail


def test_defaults_fill_what_neither_gives() -> None:
    assert mapping().request(PAYLOAD, {"reply_to": "help@shop.example"}).reply_to == "help@shop.example"


def test_condition_decides_and_none_means_always() -> None:
    assert mapping().matches(PAYLOAD)
    assert not mapping().matches({"type": "invoice.voided"})
    assert MappedTable.parse(LOCATION, {}, name="billing").mapping.matches(None)


def test_expression_that_finds_nothing_is_named() -> None:
    payload = {"data": {"customer": {"email": "ann@customer.example"}}}
    assert refusals(mapping(), payload) == {
        "/template/data/name": "the expression `data.customer.name` found nothing"
    }


def test_expression_that_finds_something_wrong_is_named() -> None:
    one = mapping(map={"to": "data.customer.email", "subject": "data.subject"})
    payload = {"data": {"customer": {"email": "nobody"}, "subject": "Hello\nBcc: all@customer.example"}}
    found = refusals(one, payload)
    assert set(found) == {"/to", "/subject"}
    assert "`data.customer.email`" in found["/to"]
    assert "`data.subject`" in found["/subject"]


def test_error_of_a_constant_names_no_expression() -> None:
    assert "expression" not in refusals(mapping(email={"subject": "x"}), PAYLOAD)["/from"]


def test_expression_that_does_not_fit_the_payload_is_named() -> None:
    payload = {"data": {"name": "Ann"}}
    with pytest.raises(InvalidRequest, match=r"`abs\(data.name\)` does not fit the payload"):
        mapping(when="abs(data.name)").matches(payload)
    with pytest.raises(InvalidRequest, match=r"^/to: .*does not fit the payload"):
        mapping(map={"to": "abs(data.name)"}).request(payload)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"email": "text"}, r"\[webhooks.billing\] email: must be a table"),
        ({"map": {"colour": "a"}}, r"map.colour: unknown field"),
        ({"map": {"to": "a.["}}, r"map.to: must be a JMESPath expression"),
        ({"map": {"to": 3}}, r"map.to: must be a JMESPath expression"),
        ({"map": {"template": {"data": {"x": ""}}}}, r"map.template.data.x: must be a JMESPath expression"),
        ({"when": []}, r"when: must be a JMESPath expression"),
    ],
)
def test_invalid_table_is_named_with_its_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        mapping(**changes)
