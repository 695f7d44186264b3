"""Sender domains and sender addresses, through the SDK's typed models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk, Wire
    from ses_emulator.typed_models import TypedClient

DOMAIN = "mail.shop.example"
EMAIL = {
    "FromEmailAddress": f"noreply@{DOMAIN}",
    "Destination": ["user@example.com"],
    "Subject": "Hello",
    "Template": {"TemplateID": 100091, "TemplateData": "{}"},
}


def test_domain_may_send_once_its_records_are_found(client: TypedClient, wire: Wire) -> None:
    wire.json("PUT", f"domains/{DOMAIN}", {"verified": False})
    assert client.code("CreateEmailIdentity", EmailIdentity=DOMAIN) == "InvalidParameterValue.RepeatCreation"
    assert not client.answer("UpdateEmailIdentity", EmailIdentity=DOMAIN).VerifiedForSendingStatus
    assert client.code("SendEmail", **EMAIL) == "FailedOperation.NotAuthenticatedSender"
    wire.json("PUT", f"domains/{DOMAIN}", {"verified": False, "published": True})
    assert not client.answer("GetEmailIdentity", EmailIdentity=DOMAIN).VerifiedForSendingStatus
    found = client.answer("UpdateEmailIdentity", EmailIdentity=DOMAIN)
    assert found.VerifiedForSendingStatus
    assert all(record.Status and record.CurrentValue == record.ExpectedValue for record in found.Attributes)
    assert client.answer("SendEmail", **EMAIL).MessageId


def test_new_domain_is_not_verified_before_it_is_checked(client: TypedClient) -> None:
    created = client.answer("CreateEmailIdentity", EmailIdentity="Mail.Shop.example", DKIMOption=1)
    assert (created.IdentityType, created.VerifiedForSendingStatus, created.DKIMOption) == (
        "DOMAIN",
        False,
        1,
    )
    names = {record.SendDomain for record in created.Attributes}
    assert names == {DOMAIN, f"qcloud._domainkey.{DOMAIN}", f"_dmarc.{DOMAIN}"}
    assert not any(record.Status for record in created.Attributes)
    assert client.code("SendEmail", **EMAIL) == "FailedOperation.NotAuthenticatedSender"
    client.answer("UpdateEmailIdentity", EmailIdentity=DOMAIN)
    assert client.answer("SendEmail", **EMAIL).MessageId


def test_unverified_domain_of_the_settings_stays_so(client: TypedClient) -> None:
    found = client.answer("UpdateEmailIdentity", EmailIdentity="unverified.example")
    assert not found.VerifiedForSendingStatus
    assert {record.CurrentValue for record in found.Attributes} == {""}


def test_both_dkim_keys(client: TypedClient) -> None:
    client.answer("CreateEmailIdentity", EmailIdentity=DOMAIN)
    found = client.answer("UpdateEmailIdentity", EmailIdentity=DOMAIN, DKIMOption=2)
    keys = [record.ExpectedValue for record in found.Attributes if "_domainkey" in record.SendDomain]
    assert found.DKIMOption == 2
    assert [len(key) for key in keys] == [234, 410]  # of public keys of 1024 and 2048 bits


def test_deleted_domain_may_not_send(client: TypedClient) -> None:
    client.answer("CreateEmailIdentity", EmailIdentity=DOMAIN)
    client.answer("UpdateEmailIdentity", EmailIdentity=DOMAIN)
    client.answer("CreateEmailAddress", EmailAddress=f"news@{DOMAIN}")
    denied = "OperationDenied.SenderWithDomainIsNotEmpty"
    assert client.code("DeleteEmailIdentity", EmailIdentity=DOMAIN) == denied
    client.answer("DeleteEmailAddress", EmailAddress=f"News@{DOMAIN}")
    client.answer("DeleteEmailIdentity", EmailIdentity=DOMAIN)
    assert client.code("GetEmailIdentity", EmailIdentity=DOMAIN) == "InvalidParameterValue.NotExistDomain"
    assert client.code("UpdateEmailIdentity", EmailIdentity=DOMAIN) == "InvalidParameterValue.NotExistDomain"
    assert client.code("DeleteEmailIdentity", EmailIdentity=DOMAIN) == "InvalidParameterValue"
    assert client.code("SendEmail", **EMAIL) == "FailedOperation.NotAuthenticatedSender"
    client.answer("CreateEmailIdentity", EmailIdentity=DOMAIN)
    client.answer("UpdateEmailIdentity", EmailIdentity=DOMAIN)
    assert client.answer("SendEmail", **EMAIL).MessageId


def test_domains_are_found_by_their_tags(client: TypedClient) -> None:
    red, large = {"TagKey": "colour", "TagValue": "red"}, {"TagKey": "size", "TagValue": "large"}
    client.answer("CreateEmailIdentity", EmailIdentity="a.example", TagList=[red, large])
    client.answer("CreateEmailIdentity", EmailIdentity="b.example", TagList=[red])

    def names(*tags: dict[str, str]) -> list[str]:
        found = client.answer("ListEmailIdentities", TagList=list(tags)).EmailIdentities
        return [identity.IdentityName for identity in found]

    assert names() == ["a.example", "b.example", "unverified.example"]
    assert names(red) == ["a.example", "b.example"]
    assert names(red, large) == ["a.example"]
    (tag,) = client.answer("GetEmailIdentity", EmailIdentity="b.example").TagList
    assert (tag.TagKey, tag.TagValue) == ("colour", "red")
    page = client.answer("ListEmailIdentities", Limit=1, Offset=1)
    assert ([found.IdentityName for found in page.EmailIdentities], page.Total) == (["b.example"], 3)


@pytest.mark.parametrize("name", ["", "example", "two words.example", "-.example", "user@shop.example"])
def test_domain_has_two_labels(client: TypedClient, name: str) -> None:
    code = client.code("CreateEmailIdentity", EmailIdentity=name)
    assert code == "InvalidParameterValue.InvalidEmailIdentity"


def test_account_has_ten_domains(client: TypedClient) -> None:
    for number in range(9):  # and unverified.example
        client.answer("CreateEmailIdentity", EmailIdentity=f"d{number}.example")
    code = client.code("CreateEmailIdentity", EmailIdentity="more.example")
    assert code == "OperationDenied.ExceedDomainLimit"
    assert client.code("CreateEmailIdentity", EmailIdentity="x.example", DKIMOption=3) == (
        "InvalidParameterValue"
    )


def test_sender_addresses(start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock) -> None:
    client = connect(start(clock=clock)).client
    client.answer("CreateEmailAddress", EmailAddress=f"news@{DOMAIN}", EmailSenderName="新闻 News")
    client.answer("CreateEmailAddress", EmailAddress=f"shop@{DOMAIN}")
    first, second = client.answer("ListEmailAddress").EmailSenders
    assert (first.EmailAddress, first.EmailSenderName) == (f"news@{DOMAIN}", "新闻 News")
    assert (first.CreatedTimestamp, first.SmtpPwdType) == (clock.now, 0)
    assert (second.EmailAddress, second.EmailSenderName) == (f"shop@{DOMAIN}", "")
    client.answer("DeleteEmailAddress", EmailAddress=f"news@{DOMAIN}")
    assert [sender.EmailAddress for sender in client.answer("ListEmailAddress").EmailSenders] == [
        f"shop@{DOMAIN}"
    ]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"EmailAddress": "nobody"}, "InvalidParameterValue.IllegalEmailAddress"),
        ({"EmailAddress": f"News <a@{DOMAIN}>"}, "InvalidParameterValue.IllegalEmailAddress"),
        (
            {"EmailAddress": f"a@{DOMAIN}", "EmailSenderName": "News: Shop"},
            "InvalidParameterValue.IllegalSenderName",
        ),
        ({"EmailAddress": f"taken@{DOMAIN}"}, "InvalidParameterValue.RepeatEmailAddress"),
        ({"EmailAddress": "a@unverified.example"}, "OperationDenied.DomainNotVerified"),
    ],
)
def test_invalid_sender_address(client: TypedClient, parameters: dict[str, Any], code: str) -> None:
    client.answer("CreateEmailAddress", EmailAddress=f"taken@{DOMAIN}")
    assert client.code("CreateEmailAddress", **parameters) == code


def test_domain_has_ten_sender_addresses(client: TypedClient) -> None:
    for number in range(10):
        client.answer("CreateEmailAddress", EmailAddress=f"n{number}@{DOMAIN}")
    code = client.code("CreateEmailAddress", EmailAddress=f"more@{DOMAIN}")
    assert code == "OperationDenied.ExceedSenderLimit"
    client.answer("CreateEmailAddress", EmailAddress="n@other.example")
    code = client.code("DeleteEmailAddress", EmailAddress=f"more@{DOMAIN}")
    assert code == "InvalidParameterValue.NoSuchSender"


@pytest.mark.parametrize(
    ("name", "body"),
    [("example", b"{}"), (DOMAIN, b'{"verified": 1}'), (DOMAIN, b'{"dns": true}'), (DOMAIN, b"[]")],
)
def test_admin_api_rejects_what_is_no_domain(wire: Wire, name: str, body: bytes) -> None:
    assert wire.request("PUT", f"/_emulator/domains/{name}", body).status == 400


def test_admin_api_lists_domains(wire: Wire) -> None:
    wire.json("PUT", f"domains/{DOMAIN}")
    assert {found["domain"]: found["verified"] for found in wire.json("GET", "domains")} == {
        DOMAIN: True,
        "unverified.example": False,
    }
