"""The table `render`: Jinja2 over a payload and headers, sandboxed, with filters for what emails show."""

from __future__ import annotations

from typing import Any

import pytest

from mailer.config.mapping import MappedTable, PayloadMapping
from mailer.config.queues import Queue
from mailer.config.templates import compiled
from mailer.config.webhooks import WebhookSource
from mailer.errors import ConfigurationError, InvalidRequest

TABLE: dict[str, Any] = {
    "email": {"from": "Shop <noreply@mail.shop.example>", "subject": "-", "template": {"id": 7}},
    "map": {"to": "customer.email"},
}
PAYLOAD: dict[str, Any] = {
    "customer": {"email": "ann@customer.example", "name": "<Ann>"},
    "created": 1795424401,
    "amount": 123450,
    "currency": "eur",
    "items": ["lamp", "bulb"],
}
HEADERS = {"x-topic": "orders/paid"}


def mapping(render: dict[str, Any], **changes: Any) -> PayloadMapping:
    table = {**TABLE, "render": render, **changes}
    return MappedTable.parse(("webhooks", "orders"), table, name="orders").mapping


@pytest.fixture(autouse=True)
def _section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MappedTable, "SECTION", "webhooks", raising=False)


def rendered(text: str, payload: dict[str, Any] | None = None) -> str:
    whole = {**PAYLOAD, **(payload or {})}
    subject = mapping({"subject": text}).request(whole, None, HEADERS).subject
    assert subject is not None
    return subject


def refusal(render: dict[str, Any], payload: dict[str, Any] | None = None) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        mapping(render).request({**PAYLOAD, **(payload or {})})
    (error,) = caught.value.errors
    return error.pointer, error.detail


def test_templates_make_fields_beside_constants_and_expressions() -> None:
    one = mapping(
        {
            "subject": "{{ headers['x-topic'] }} for {{ payload.customer.name }}",
            "template": {"data": {"total": "{{ payload.amount | amount(payload.currency) }}"}},
            "cc": ["{{ payload.customer.email }}"],
        },
        map={"to": "customer.email", "template": {"data": {"name": "customer.name"}}},
    )
    request = one.request(PAYLOAD, None, HEADERS)
    assert request.subject == "orders/paid for <Ann>"
    assert request.template
    assert request.template.data == {"total": "1,234.50 EUR", "name": "&lt;Ann&gt;"}
    assert request.cc == ("ann@customer.example",)


def test_values_are_escaped_in_html_alone_unless_told_otherwise() -> None:
    text = "<b>{{ payload.customer.name }}</b>"
    data = mapping({"template": {"data": {"a": {"b": [text]}}}}).request(PAYLOAD).template
    assert data
    assert data.data == {"a": {"b": ["<b>&lt;Ann&gt;</b>"]}}
    simple = {"simple": {"html": text, "text": text}}
    constants = {**TABLE["email"], "template": None}
    content = mapping(simple, email=constants).request(PAYLOAD).simple
    assert content
    assert (content.html, content.text) == ("<b>&lt;Ann&gt;</b>", "<b><Ann></b>")
    content = mapping(simple, email=constants, escape=False).request(PAYLOAD).simple
    assert content
    assert content.html == "<b><Ann></b>"


def test_headers_are_beside_the_payload_of_expressions_and_templates() -> None:
    one = mapping({}, when="headers.\"x-topic\" == 'orders/paid'", map={"to": 'headers."x-to"'})
    headers = {**HEADERS, "x-to": "bob@customer.example"}
    assert one.matches({"headers": {"x-topic": "no"}}, headers)
    assert not one.matches(PAYLOAD, {})
    assert not one.matches(["a list"], headers)
    assert one.request(PAYLOAD, None, headers).to == ("bob@customer.example",)
    own = {**PAYLOAD, "headers": {"a": "1"}}
    assert mapping({"subject": "{{ payload.headers.a }}"}).request(own, None, headers).subject == "1"
    assert one.matches({"headers": {"x-topic": "orders/paid"}}), "a queue has no headers of its own"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ 123450 | amount('EUR') }}", "1,234.50 EUR"),
        ("{{ 123450 | amount('eur', ',', '.') }}", "1.234,50 EUR"),
        ("{{ 5 | amount('USD') }}", "0.05 USD"),
        ("{{ -5 | amount('USD') }}", "-0.05 USD"),
        ("{{ '1999' | amount('JPY') }}", "1,999 JPY"),
        ("{{ 1999 | amount('KWD') }}", "1.999 KWD"),
        ("{{ 19999 | amount('CLF') }}", "1.9999 CLF"),
        ("{{ '199.5' | amount('EUR', minor=false) }}", "199.50 EUR"),
        ("{{ 1999 | amount('JPY', minor=false) }}", "1,999 JPY"),
        ("{{ payload.created | date }}", "2026-11-23"),
        ("{{ payload.created | date('%d %B %Y, %H:%M', 'Asia/Singapore') }}", "23 November 2026, 17:00"),
        ("{{ 1795424401000 | date('%H:%M:%S') }}", "09:00:01"),
        ("{{ '1795424401.5' | date('%H:%M:%S') }}", "09:00:01"),
        (
            "{{ '2026-11-23T23:30:00-05:00' | date('%d %B %Y %H:%M', 'Europe/Berlin') }}",
            "24 November 2026 05:30",
        ),
        ("{{ '2026-11-23t23:30:00.1234567z' | date('%d %H:%M', 'Europe/Berlin') }}", "24 00:30"),
        ("{{ '2026-11-23 23:30:00' | date('%d %H:%M', 'Europe/Berlin') }}", "24 00:30"),
        ("{{ '2026-11-23' | date('%d %B', 'America/New_York') }}", "23 November"),
        ("{{ 'Mon, 23 Nov 2026 23:30:00 +0000' | date('%d %H:%M', 'Europe/Berlin') }}", "24 00:30"),
        ("{{ 1 | plural('lamp', 'lamps') }}", "1 lamp"),
        ("{{ '2' | plural('lamp', 'lamps') }}", "2 lamps"),
        ("{{ payload.items | plural('lamp', 'lamps') }}", "2 lamps"),
        ("{{ payload | plural('field', 'fields') }}", "5 fields"),
        ("{{ payload.items | join(', ') }}", "lamp, bulb"),
        ("{% for name, value in payload.customer.items() %}{{ name }} {% endfor %}-", "email name -"),
    ],
)
def test_filters_write_what_people_read(text: str, expected: str) -> None:
    assert rendered(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ payload.amonut | amount('EUR') }}", "`payload.amonut` is undefined"),
        ("{{ payload.amount | amount(payload.curency) }}", "`payload.curency` is undefined"),
        ("{{ payload.customer.adress.city }}", "`payload.customer.adress` is undefined"),
        ("{{ payload['no such'] }}", "`no such` is undefined"),
        ("{{ payload[payload.currency] }}", "a field is undefined"),
        ("{{ headers['x-kind'] }}", "`x-kind` is undefined"),
        ("{{ payload.created | date('%d', payload.zone) }}", "`payload.zone` is undefined"),
        ("{{ 'x' | amount('EUR') }}", "amount: must be a number"),
        ("{{ true | amount('EUR') }}", "amount: must be a number"),
        ("{{ 1 | amount('euros') }}", "amount: the currency must be three letters"),
        ("{{ 'soon' | date }}", "date: must be a date or time of ISO 8601"),
        ("{{ true | date }}", "date: must be a date or time of ISO 8601"),
        ("{{ 99999999999999999999 | date }}", "date: must be a date or time of ISO 8601"),
        ("{{ 1 | date('%d', 'Mars/Base') }}", "date: must name an IANA time zone"),
        ("{{ 'x' | plural('a', 'b') }}", "plural: must be a number"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ payload.items.append(1) }}", "SecurityError"),
    ],
)
def test_template_that_fails_is_named_with_what_is_undefined(text: str, why: str) -> None:
    pointer, detail = refusal({"template": {"data": {"x": [text]}}})
    assert pointer == "/template/data/x/0"
    assert detail.startswith(f"the template `render.template.data.x.0`: {why}")
    assert "eur" not in detail


def test_field_that_is_wrong_once_rendered_is_named_with_its_template() -> None:
    pointer, detail = refusal({"to": "{{ payload.customer.name }}"})
    assert pointer == "/to"
    assert detail.endswith("(from the template `render.to`)")


@pytest.mark.parametrize(
    ("render", "message"),
    [
        ({"subject": "{{ payload"}, r"\[webhooks.orders\] render.subject: must be a Jinja2 expression"),
        ({"subject": "{{ 1 | nonsense }}"}, r"render.subject: must be a Jinja2 expression: No filter"),
        (
            {"cc": ["{{ payload }}", "{{ item }}"]},
            r"render.cc.1: unknown name item, must be one of: headers, pay",
        ),
        ({"template": {"data": {"x": 3}}}, r"render.template.data.x: must be a Jinja2 expression"),
        ({"colour": "x"}, r"render.colour: unknown field"),
        ({"subject": None}, r"render.subject: must be a Jinja2 expression"),
    ],
)
def test_wrong_template_is_named_at_start_with_table_and_key(render: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        mapping(render)


def test_tables_of_webhooks_and_of_queues_name_themselves() -> None:
    wrong = {"render": {"subject": "{{ x }}"}}
    with pytest.raises(ConfigurationError, match=r"\[webhooks.a\] render.subject"):
        WebhookSource.from_toml("a", {"scheme": "token", "secret_env": "MAILER_A", **wrong})
    with pytest.raises(ConfigurationError, match=r"\[queues.b\] render.subject"):
        Queue.from_toml("b", {"match": {"topic": "t"}, **wrong})


def test_filters_are_those_of_digests_too() -> None:
    names = {"items": [{"cents": 5}]}
    assert compiled("{{ items[0].cents | amount('EUR') }}", escape=True).render(names) == "0.05 EUR"
