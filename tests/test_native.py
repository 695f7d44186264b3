from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from mailer.email.identity import smtp_message_id_for
from mailer.email.native import is_native, native_location, to_native
from mailer.email.request import EmailRequest
from mailer.errors import InvalidRequest
from request_bodies import Json, json_objects, native_body, own_bodies

API_PAGE = json.loads((Path(__file__).parent / "data/api_page_requests.json").read_text(encoding="utf-8"))
NATIVE: dict[str, Any] = API_PAGE[1]


def refusals(document: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        EmailRequest.parse(document)
    found = {error.pointer: error.detail for error in refused.value.errors}
    assert len(found) == len(refused.value.errors)
    return found


def parameters(request: EmailRequest) -> dict[str, Any]:
    """Return the parameters of SendEmail, with what is text that holds JSON as that JSON."""
    native = to_native(request.document(), "id@domain")
    assert native.pop("SmtpMessageId") == "<id@domain>"
    if "Template" in native:
        native["Template"]["TemplateData"] = json.loads(native["Template"]["TemplateData"])
    if "SmtpHeaders" in native:
        native["SmtpHeaders"] = json.loads(native["SmtpHeaders"])
    return native


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("document", API_PAGE)
def test_the_request_bodies_of_the_api_page_go_out_as_they_came(document: dict[str, Any]) -> None:
    expected = json.loads(json.dumps(document))
    if "Template" in expected:
        expected["Template"]["TemplateData"] = json.loads(expected["Template"]["TemplateData"])
    assert parameters(EmailRequest.parse(document)) == expected
    assert parameters(EmailRequest.parse(json.dumps(document))) == expected


def test_every_documented_parameter_goes_out_as_it_came() -> None:
    document: dict[str, Any] = {
        "FromEmailAddress": "Shop <noreply@mail.shop.example>",
        "Destination": ["a@b.example", "c@d.example"],
        "Cc": ["e@f.example"],
        "Bcc": ["g@h.example"],
        "ReplyToAddresses": "help@shop.example",
        "Subject": "Your order",
        "HeaderFrom": "Shop <news@mail.shop.example>",
        "Template": {"TemplateID": 100091, "TemplateData": {"code": "1234", "lines": [1, 2.5, None]}},
        "Attachments": [
            {"FileName": "a.pdf", "Content": encoded("one")},
            {"FileName": "b.txt", "Content": ""},
        ],
        "Unsubscribe": "0",
        "TriggerType": 0,
        "SmtpHeaders": {"X-Shop": "1"},
    }
    sent = {**document, "SmtpMessageId": "order-1", "SmtpHeaders": json.dumps(document["SmtpHeaders"])}
    sent["Template"] = {
        "TemplateID": 100091,
        "TemplateData": json.dumps(document["Template"]["TemplateData"]),
    }
    request = EmailRequest.parse(sent)
    assert parameters(request) == document
    assert request.idempotency_key == "order-1"


@given(own_bodies())
def test_both_forms_of_a_request_are_the_same_request(own: dict[str, Any]) -> None:
    request, native = EmailRequest.parse(own), EmailRequest.parse(native_body(own))
    assert native == request


@given(own_bodies())
def test_what_goes_out_reads_back_as_the_same_request(own: dict[str, Any]) -> None:
    request = EmailRequest.parse(own)
    steering: dict[str, Any] = {
        name: own[name] for name in ("send_at", "expires_at", "on_unknown") if name in own
    }
    again = EmailRequest.parse({**to_native(request.document(), "key@domain"), **steering})
    assert again == request.model_copy(update={"idempotency_key": "<key@domain>"})


@given(json_objects)
def test_template_data_is_sent_as_a_json_string(data: dict[str, Json]) -> None:
    request = EmailRequest.parse({**NATIVE, "Template": {"TemplateID": 1, "TemplateData": json.dumps(data)}})
    sent = to_native(request.document(), "")["Template"]
    assert isinstance(sent["TemplateData"], str)
    assert json.loads(sent["TemplateData"]) == data


def test_nothing_that_was_not_asked_for_is_sent() -> None:
    assert set(to_native(EmailRequest.parse(NATIVE).document(), "")) == {*NATIVE, "SmtpMessageId"}


def test_nulls_as_the_sdk_writes_them_are_left_out() -> None:
    nulls = dict.fromkeys(
        [
            "Cc",
            "Bcc",
            "Simple",
            "Attachments",
            "Unsubscribe",
            "TriggerType",
            "SmtpMessageId",
            "SmtpHeaders",
            "HeaderFrom",
        ]
    )
    assert EmailRequest.parse({**NATIVE, **nulls}) == EmailRequest.parse(NATIVE)
    file = {"FileName": "a.pdf", "Content": "", "FileURL": None}
    assert EmailRequest.parse({**NATIVE, "Attachments": [file]}).attachments[0].filename == "a.pdf"
    simple = EmailRequest.parse({**NATIVE, "Template": None, "Simple": {"Html": None, "Text": encoded("hi")}})
    assert simple.document()["simple"] == {"text": "hi"}


def test_fields_that_steer_delivery_go_with_a_native_body() -> None:
    request = EmailRequest.parse(
        {
            **NATIVE,
            "idempotency_key": "k",
            "send_at": "2026-05-01T09:00:00Z",
            "expires_at": "2026-05-02T09:00:00Z",
            "on_unknown": "hold",
        }
    )
    assert (request.idempotency_key, request.on_unknown) == ("k", "hold")
    assert request.send_at
    assert request.expires_at


def test_the_smtp_message_id_is_the_idempotency_key() -> None:
    assert EmailRequest.parse({**NATIVE, "SmtpMessageId": "<a@b>"}).idempotency_key == "<a@b>"
    for order in (["SmtpMessageId", "idempotency_key"], ["idempotency_key", "SmtpMessageId"]):
        found = refusals({**NATIVE, **dict.fromkeys(order, "k")})
        assert found == {f"/{order[1]}": "give either SmtpMessageId or idempotency_key"}
    assert (
        EmailRequest.parse({**NATIVE, "SmtpMessageId": None, "idempotency_key": "k"}).idempotency_key == "k"
    )


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"Destination": ["a@b.example", "x"]}, ["/Destination/1"]),
        ({"Destination": "x"}, ["/Destination"]),
        ({"Destination": [], "Cc": None}, ["/Destination"]),
        ({"Bcc": ["a@b.example", "USER@example.com"]}, ["/Bcc/1"]),
        ({"Cc": [5]}, ["/Cc/0"]),
        ({"Subject": 5}, ["/Subject"]),
        ({"FromEmailAddress": None}, ["/FromEmailAddress"]),
        ({"ReplyToAddresses": ["a@b.example"]}, ["/ReplyToAddresses"]),
        ({"HeaderFrom": "x"}, ["/HeaderFrom"]),
        ({"SmtpMessageId": "a\nb"}, ["/SmtpMessageId"]),
        ({"Unsubscribe": "12"}, ["/Unsubscribe"]),
        ({"TriggerType": "0"}, ["/TriggerType"]),
        ({"Template": "100091"}, ["/Template"]),
        ({"Template": {"TemplateID": "100091", "TemplateData": "{}"}}, ["/Template/TemplateID"]),
        ({"Template": {"TemplateData": "{}"}}, ["/Template/TemplateID"]),
        ({"Template": {"TemplateID": 1, "id": 2}}, ["/Template/id"]),
        ({"Template": {"TemplateID": 1, "a/b~": 2}}, ["/Template/a~1b~0"]),
        ({"Template": None}, ["/Template"]),
        ({"Simple": API_PAGE[2]["Simple"]}, ["/Template"]),
        ({"Template": None, "Simple": "aGk="}, ["/Simple"]),
        ({"Template": None, "Simple": {"Text": ""}}, ["/Simple"]),
        ({"Template": None, "Simple": {"Text": "?", "Html": 5}}, ["/Simple/Text", "/Simple/Html"]),
        ({"Template": None, "Simple": {"Text": "gICA"}}, ["/Simple/Text"]),
        ({"Template": None, "Simple": {"text": "aGk="}}, ["/Simple/text", "/Simple"]),
        ({"Attachments": {}}, ["/Attachments"]),
        ({"Attachments": ["x"]}, ["/Attachments/0"]),
        ({"Attachments": [{"FileName": "a.exe"}]}, ["/Attachments/0/FileName", "/Attachments/0/Content"]),
        ({"Attachments": [{"FileName": "a.pdf", "Content": "", "FileURL": "x"}]}, ["/Attachments/0/FileURL"]),
        ({"SmtpHeaders": {"X-A": "1"}}, ["/SmtpHeaders"]),
        ({"SmtpHeaders": "[]"}, ["/SmtpHeaders"]),
        ({"SmtpHeaders": '{"X-A": 1}'}, ["/SmtpHeaders"]),
        ({"SmtpHeaders": '{"From": "x"}'}, ["/SmtpHeaders"]),
        ({"subject": "x", "to": "a@b.example"}, ["/subject", "/to"]),
        ({"SmtpHeader": "{}", "a/b~": 1}, ["/SmtpHeader", "/a~1b~0"]),
    ],
)  # fmt: skip
def test_a_refusal_points_into_the_native_body(fields: dict[str, Any], pointers: list[str]) -> None:
    assert list(refusals({**NATIVE, **fields})) == pointers


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1', "it is not JSON"),
        ("[]", "it must be a JSON object"),
        ('{"a": NaN}', "it must be a number"),
        ('{"a": 1, "a": 2}', "it has an object with the same name twice"),
        ('{"a":' * 31 + "1" + "}" * 31, "it is nested too deep"),
        ({"a": 1}, "it is not JSON"),
        (5, "it is not JSON"),
    ],
)
def test_template_data_must_be_a_string_that_holds_a_json_object(text: Json, why: str) -> None:
    found = refusals({**NATIVE, "Template": {"TemplateID": 1, "TemplateData": text}})
    assert found["/Template/TemplateData"].startswith("must be a string that holds a JSON object; " + why)


def test_template_data_may_nest_as_deep_as_it_can_be_stored() -> None:
    text = '{"a":' * 30 + "1" + "}" * 30
    request = EmailRequest.parse({**NATIVE, "Template": {"TemplateID": 1, "TemplateData": text}})
    assert EmailRequest.parse(json.dumps(request.document())) == request


def test_names_and_fields_that_are_wrong_are_listed_at_once() -> None:
    found = refusals({"Nope": 1, "Template": {"TemplateID": 0, "TemplateData": "?"}, "SmtpHeaders": "?"})
    assert list(found) == [
        "/Nope",
        "/Template/TemplateData",
        "/SmtpHeaders",
        "/FromEmailAddress",
        "/Subject",
        "/Template/TemplateID",
    ]


def test_a_body_with_one_of_the_apis_names_is_native() -> None:
    assert is_native({"to": [], "Subject": ""})
    assert not is_native({"to": [], "": 1, "subject": ""})
    assert not is_native({})


def test_every_field_of_a_request_has_its_place_in_a_native_body() -> None:
    assert native_location(()) == ()
    assert native_location(("from",)) == ("FromEmailAddress",)
    assert native_location(("attachments", 3, "filename")) == ("Attachments", 3, "FileName")
    assert native_location(("send_at",)) == ("send_at",)


def test_the_message_id_has_the_domain_of_the_sender() -> None:
    assert smtp_message_id_for("abc", "Shop <noreply@Mail.Shop.example>") == "abc@mail.shop.example"
