"""Templates: created, reviewed, changed and deleted through the SDK's typed models."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk, Wire
    from ses_emulator.typed_models import TypedClient


def content(**parts: str) -> dict[str, str]:
    return {name: base64.b64encode(text.encode()).decode() for name, text in parts.items()}


def create(client: TypedClient, name: str = "welcome", **parts: str) -> int:
    created: int = client.answer(
        "CreateEmailTemplate", TemplateName=name, TemplateContent=content(**parts or {"Text": "Hi {{name}}"})
    ).TemplateID
    return created


def metadata(client: TypedClient, template_id: int) -> Any:
    listed = client.answer("ListEmailTemplates", Limit=100, Offset=0).TemplatesMetadata
    (found,) = (template for template in listed if template.TemplateID == template_id)
    return found


def email(template_id: int) -> dict[str, Any]:
    return {
        "FromEmailAddress": "noreply@mail.shop.example",
        "Destination": ["user@example.com"],
        "Subject": "Hello",
        "Template": {"TemplateID": template_id, "TemplateData": '{"name": "Ann"}'},
    }


def test_new_template_is_in_review_until_it_is_approved(
    client: TypedClient, wire: Wire, ses: Emulator
) -> None:
    template = create(client, Html="<p>Hi {{name}}</p>")
    assert client.answer("GetEmailTemplate", TemplateID=template).TemplateStatus == 1
    assert client.code("SendEmail", **email(template)) == "FailedOperation.InvalidTemplateID"
    assert wire.json("PATCH", f"templates/{template}", {"status": 0})["status"] == 0
    assert client.answer("GetEmailTemplate", TemplateID=template).TemplateStatus == 0
    assert client.answer("SendEmail", **email(template)).MessageId
    assert ses.inbox()[0].html == "<p>Hi Ann</p>"


def test_review_may_reject_with_a_reason(client: TypedClient, wire: Wire) -> None:
    template = create(client)
    wire.json("PATCH", f"templates/{template}", {"status": 2, "review_reason": "No sender is named."})
    found = metadata(client, template)
    assert (found.TemplateStatus, found.ReviewReason) == (2, "No sender is named.")
    assert client.code("SendEmail", **email(template)) == "FailedOperation.InvalidTemplateID"


def test_template_is_read_back_as_it_was_written(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    client = connect(start(clock=clock)).client
    template = create(client, "welcome", Html="<p>你好 {{name}}</p>", Text="你好 {{name}}")
    found = client.answer("GetEmailTemplate", TemplateID=template)
    assert found.TemplateName == "welcome"
    assert vars(found.TemplateContent) == {
        f"_{name}": value
        for name, value in content(Html="<p>你好 {{name}}</p>", Text="你好 {{name}}").items()
    }
    assert metadata(client, template).CreatedTimestamp == clock.now


def test_update_needs_another_review(client: TypedClient, wire: Wire) -> None:
    template = create(client)
    wire.json("PATCH", f"templates/{template}", {"status": 0})
    created = metadata(client, template).CreatedTimestamp
    client.answer(
        "UpdateEmailTemplate",
        TemplateID=template,
        TemplateName="hello",
        TemplateContent=content(Text="Hello"),
    )
    found = metadata(client, template)
    assert (found.TemplateName, found.TemplateStatus, found.CreatedTimestamp) == ("hello", 1, created)
    assert client.code("SendEmail", **email(template)) == "FailedOperation.InvalidTemplateID"


def test_deleted_template_is_gone(client: TypedClient) -> None:
    first = create(client)
    client.answer("DeleteEmailTemplate", TemplateID=first)
    assert client.code("GetEmailTemplate", TemplateID=first) == "InvalidParameterValue.TemplateNotExist"
    assert client.code("DeleteEmailTemplate", TemplateID=first) == "InvalidParameterValue"
    assert create(client) == first + 1, "an id is not used again"


def test_templates_may_be_approved_at_once(
    start: Callable[..., Emulator], connect: Callable[..., Sdk]
) -> None:
    client = connect(start(auto_approve=True)).client
    assert client.answer("SendEmail", **email(create(client))).MessageId


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"TemplateName": ""}, "InvalidParameterValue.TemplateNameIllegal"),
        ({"TemplateName": "two\nlines"}, "InvalidParameterValue.TemplateNameIllegal"),
        ({"TemplateContent": {}}, "InvalidParameterValue.TemplateContentIsNULL"),
        ({"TemplateContent": {"Html": ""}}, "InvalidParameterValue.TemplateContentIsNULL"),
        ({"TemplateContent": {"Html": "<p>"}}, "InvalidParameterValue.TemplateContentIsWrong"),
        ({"TemplateContent": {"Text": "/w=="}}, "InvalidParameterValue.TemplateContentIsWrong"),
        ({"TemplateContent": content(Text="x" * (1 << 20) + "x")}, "FailedOperation.TemplateContentToolarge"),
    ],
)
def test_invalid_template(client: TypedClient, change: dict[str, Any], code: str) -> None:
    valid = {"TemplateName": "welcome", "TemplateContent": content(Text="Hi")}
    assert client.code("CreateEmailTemplate", **{**valid, **change}) == code


def test_invalid_change(client: TypedClient) -> None:
    valid = {"TemplateID": 100091, "TemplateName": "code", "TemplateContent": content(Text="Hi")}
    for change, code in (
        ({"TemplateID": 1}, "TemplateNotExist"),
        ({"TemplateName": ""}, "TemplateNameIsNULL"),
        ({"TemplateContent": {}}, "TemplateContentIsNULL"),
    ):
        assert client.code("UpdateEmailTemplate", **{**valid, **change}) == f"InvalidParameterValue.{code}"
    assert client.answer("GetEmailTemplate", TemplateID=100091).TemplateStatus == 0


def test_page_size_is_limited(client: TypedClient) -> None:
    assert client.code("ListEmailTemplates", Limit=101, Offset=0) == "FailedOperation.InvalidLimit"


def test_review_of_a_template_that_does_not_exist(wire: Wire) -> None:
    assert wire.request("PATCH", "/_emulator/templates/1", b'{"status": 0}').status == 404
    assert wire.request("PATCH", "/_emulator/templates/first", b'{"status": 0}').status == 400
    assert wire.request("PATCH", "/_emulator/templates/100091", b'{"state": 0}').status == 400


def test_account_returns_to_its_start(client: TypedClient, wire: Wire, ses: Emulator) -> None:
    template = create(client)
    client.answer("DeleteEmailTemplate", TemplateID=100091)
    wire.json("DELETE", "inbox")
    assert client.answer("GetEmailTemplate", TemplateID=template).TemplateName == "welcome"
    wire.json("DELETE", "account")
    assert client.answer("GetEmailTemplate", TemplateID=100091).TemplateStatus == 0
    assert client.code("GetEmailTemplate", TemplateID=template) == "InvalidParameterValue.TemplateNotExist"
