from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from local.ses_emulator import Template
from local.ses_emulator.addresses import Sender, is_address, is_message_id, parse_sender
from local.ses_emulator.attachments import SUPPORTED_TYPES
from local.ses_emulator.templates import missing_variables, render

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk

MB = 1024 * 1024


def b64(content: str | bytes) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def people(count: int, kind: str = "user") -> list[str]:
    return [f"{kind}{number}@example.com" for number in range(count)]


def attachment(name: str = "a.txt", content: str | bytes = "x", **more: str) -> dict[str, str]:
    return {"FileName": name, "Content": b64(content), **more}


def template(data: str, template_id: int = 100091) -> dict[str, Any]:
    return {"Template": {"TemplateID": template_id, "TemplateData": data}}


BIG, SMALL = [attachment(content=b"x" * 4 * MB)], [attachment()]
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("InvalidParameterValue.EmailAddressIsNULL", {"Destination": None}),
    ("InvalidParameterValue.EmailAddressIsNULL", {"Destination": []}),
    ("InvalidParameterValue.EmailAddressIsNULL", {"Destination": ["a@b.example", ""]}),
    ("InvalidParameterValue.EmailAddressIsNULL", {"FromEmailAddress": ""}),
    ("FailedOperation.TooManyRecipients", {"Destination": people(51)}),
    ("FailedOperation.TooManyRecipients", {"Cc": people(21)}),
    ("FailedOperation.TooManyRecipients", {"Bcc": people(21)}),
    ("InvalidParameterValue.ReceiverEmailInvalid", {"Destination": ["user@"]}),
    ("InvalidParameterValue.ReceiverEmailInvalid", {"Cc": ["User <user@example.com>"]}),
    ("InvalidParameterValue", {"Bcc": ["USER@example.com"]}),
    ("InvalidParameterValue", {"ReplyToAddresses": "a@b.example,c@d.example"}),
    ("FailedOperation.IncorrectSender", {"FromEmailAddress": "Shop<noreply@mail.shop.example>"}),
    ("FailedOperation.IncorrectSender", {"FromEmailAddress": "Shop  <noreply@mail.shop.example>"}),
    ("FailedOperation.IncorrectSender", {"FromEmailAddress": "Shop: us <noreply@mail.shop.example>"}),
    ("FailedOperation.IncorrectSender", {"FromEmailAddress": "<noreply@mail.shop.example>"}),
    ("FailedOperation.NotAuthenticatedSender", {"FromEmailAddress": "noreply@unverified.example"}),
    ("FailedOperation.NotAuthenticatedSender", {"FromEmailAddress": "noreply@UNVERIFIED.example"}),
    ("InvalidParameterValue.InvalidEmailIdentity", {"HeaderFrom": "ceo@other.example"}),
    ("FailedOperation.IncorrectSender", {"HeaderFrom": "ceo"}),
    ("InvalidParameterValue", {"Subject": ""}),
    ("InvalidParameterValue", {"Subject": "x" * 999}),
    ("InvalidParameterValue", {"Subject": "Hello\r\nBcc: victim@example.com"}),
    ("FailedOperation.MissingEmailContent", {"Template": None}),
    ("FailedOperation.MissingEmailContent", {"Simple": {}}),
    ("FailedOperation.MissingEmailContent", {"Simple": {"Html": "", "Text": ""}}),
    ("FailedOperation.MissingEmailContent", template("")),
    ("FailedOperation.WrongContentJson", template("{")),
    ("FailedOperation.WrongContentJson", template('["1234"]')),
    ("FailedOperation.WrongContentJson", template('{"code": NaN}')),
    ("FailedOperation.WrongContentJson", template('{"code": {"a": "b"}}')),
    ("FailedOperation.WrongContentJson", template('{"code": "\\ud800"}')),
    ("FailedOperation.InvalidTemplateID", template("{}", 1)),
    ("FailedOperation.InvalidTemplateID", template("{}", 100094)),
    ("FailedOperation.InvalidTemplateID", template("{}", 100095)),
    ("InvalidParameterValue.EmailContentIsWrong", {"Simple": {"Text": "not base64!"}}),
    ("InvalidParameterValue.EmailContentIsWrong", {"Simple": {"Html": b64(b"\xff")}}),
    ("FailedOperation.EmailContentToolarge", {"Simple": {"Text": b64("x" * (MB + 1))}}),
    ("FailedOperation.EmailContentToolarge", template(json.dumps({"code": "x" * MB}))),
    ("FailedOperation.TooManyAttachments", {"Attachments": [attachment()] * 11}),
    ("FailedOperation.AttachContentToolarge", {"Attachments": [attachment(content=b"x" * (4 * MB + 1))]}),
    ("FailedOperation.AttachContentToolarge", {"Attachments": BIG + SMALL}),
    ("FailedOperation.InvalidAttachName", {"Attachments": [attachment("my file.txt")]}),
    ("FailedOperation.InvalidAttachName", {"Attachments": [attachment("a/b.txt")]}),
    ("FailedOperation.InvalidAttachName", {"Attachments": [attachment("setup.exe")]}),
    ("FailedOperation.InvalidAttachName", {"Attachments": [attachment("film.mp4")]}),
    ("FailedOperation.InvalidAttachName", {"Attachments": [attachment("noextension")]}),
    ("FailedOperation.InvalidAttachName", {"Attachments": [attachment(".txt")]}),
    ("FailedOperation.InvalidAttachName", {"Attachments": [attachment("x" * 252 + ".txt")]}),
    ("InvalidParameterValue.AttachContentIsWrong", {"Attachments": [{"FileName": "a.txt", "Content": "%"}]}),
    ("InvalidParameterValue.AttachContentIsWrong", {"Attachments": [{"FileName": "a.txt"}]}),
    ("FailedOperation.FileURLNotExist", {"Attachments": [attachment(FileURL="https://files.example/a.txt")]}),
    ("InvalidParameterValue", {"Unsubscribe": "12"}),
    ("InvalidParameterValue", {"Unsubscribe": "english"}),
    ("InvalidParameterValue", {"TriggerType": 2}),
    ("InvalidParameterValue", {"SmtpHeaders": "X-Order: 118"}),
    ("InvalidParameterValue", {"SmtpHeaders": '{"X-Order": 118}'}),
    ("InvalidParameterValue", {"SmtpHeaders": '{"X Order": "118"}'}),
    ("InvalidParameterValue", {"SmtpHeaders": '{"X-Order": "118\\nBcc: a@b.example"}'}),
    ("InvalidParameterValue", {"SmtpMessageId": "order-118@mail.shop.example"}),
    ("InvalidParameterValue", {"SmtpMessageId": "<order 118@mail.shop.example>"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "change"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_broken_rule_is_rejected_with_its_code(
    ses: Emulator, sdk: Sdk, code: str, change: dict[str, Any]
) -> None:
    with pytest.raises(TencentCloudSDKException) as caught:
        sdk.send(**change)
    assert caught.value.code == code
    assert ses.inbox() == []


ACCEPTED: list[dict[str, Any]] = [
    {"Destination": people(50), "Cc": people(20, "cc"), "Bcc": people(20, "bcc")},
    {"Destination": None, "Bcc": ["a@b.example"]},
    {"Cc": ["user@example.com"]},
    {"FromEmailAddress": "noreply@mail.shop.example"},
    {"FromEmailAddress": "The Shop, 商店 <noreply@mail.shop.example>"},
    {"HeaderFrom": "Support <help@MAIL.shop.example>", "ReplyToAddresses": "help@shop.example"},
    {"ReplyToAddresses": ""},
    {"Subject": "x" * 998},
    template('{"code": 1234, "unused": null}'),
    {"Simple": {"Text": b64("x" * MB)}},
    {"Attachments": [attachment(f"a{number}.PDF") for number in range(10)]},
    {"Attachments": [attachment(content=b"x" * 4 * MB)]},
    {"Attachments": [attachment("账单.pdf")]},
    {"Unsubscribe": "11", "TriggerType": 1},
    {"SmtpHeaders": '{"X-Order": "118", "List-Unsubscribe": "<mailto:a@b.example>"}'},
    {"SmtpMessageId": "<2SNZPF1T2NU4.5OB8TNNRVRYM3@qcloudmail.example>"},
]


@pytest.mark.parametrize("change", ACCEPTED, ids="-".join)
def test_everything_within_the_rules_is_accepted(ses: Emulator, sdk: Sdk, change: dict[str, Any]) -> None:
    ses_message_id = sdk.send(**change)["MessageId"]
    assert [mail.ses_message_id for mail in ses.inbox()] == [ses_message_id]


@pytest.mark.parametrize("extension", sorted(SUPPORTED_TYPES))
def test_every_supported_attachment_type_passes(sdk: Sdk, extension: str) -> None:
    assert sdk.send(Attachments=[attachment(f"file.{extension}")])["MessageId"]


@pytest.mark.parametrize(
    ("settings", "change", "code"),
    [
        ({"allow_simple": False}, {"Simple": {"Text": b64("x")}}, "FailedOperation.WithOutPermission"),
        ({"allow_attachments": False}, {"Attachments": [attachment()]}, "FailedOperation.NoAttachPermission"),
        ({"verified_domains": frozenset({"other.example"})}, {}, "FailedOperation.NotAuthenticatedSender"),
    ],
)
def test_account_may_lack_a_permission(
    start: Callable[..., Emulator],
    connect: Callable[..., Sdk],
    settings: dict[str, Any],
    change: dict[str, Any],
    code: str,
) -> None:
    with pytest.raises(TencentCloudSDKException) as caught:
        connect(start(**settings)).send(**change)
    assert caught.value.code == code


def test_email_is_stored_as_its_recipient_would_get_it(ses: Emulator, sdk: Sdk) -> None:
    sdk.send(
        Subject="订单 {{code}}",
        Destination=["a@b.example"],
        Cc=["c@d.example"],
        Bcc=["e@f.example"],
        ReplyToAddresses="help@shop.example",
        HeaderFrom="help@mail.shop.example",
        Template={"TemplateID": 100091, "TemplateData": '{"code": "4711 你好"}'},
        Attachments=[attachment("bill.pdf", b"%PDF")],
        SmtpHeaders='{"X-Order": "118"}',
        SmtpMessageId="<order-118@mail.shop.example>",
        Unsubscribe="2",
        TriggerType=1,
    )
    (mail,) = ses.inbox()
    assert mail.subject == "订单 4711 你好"
    assert "4711 你好" in mail.html
    assert "4711 你好" in mail.text
    assert (mail.to, mail.cc, mail.bcc) == (["a@b.example"], ["c@d.example"], ["e@f.example"])
    assert (mail.sender, mail.header_from) == ("Shop <noreply@mail.shop.example>", "help@mail.shop.example")
    assert mail.reply_to == "help@shop.example"
    assert mail.template == {"id": 100091, "name": "verification-code", "data": {"code": "4711 你好"}}
    (file,) = mail.attachments
    assert (file.name, file.size, file.sha256) == ("bill.pdf", 4, hashlib.sha256(b"%PDF").hexdigest())
    assert mail.headers == {"X-Order": "118"}
    assert mail.smtp_message_id == "<order-118@mail.shop.example>"
    assert (mail.unsubscribe, mail.trigger_type, mail.missing_variables) == ("2", 1, [])
    assert mail.raw["Template"]["TemplateData"] == '{"code": "4711 你好"}'


def test_simple_content_is_decoded_and_not_rendered(ses: Emulator, sdk: Sdk) -> None:
    sdk.send(Subject="{{a}}", Simple={"Html": b64("<p>{{a}} é</p>"), "Text": b64("{{a}} é")})
    (mail,) = ses.inbox()
    assert (mail.subject, mail.html, mail.text, mail.template) == ("{{a}}", "<p>{{a}} é</p>", "{{a}} é", None)


def test_missing_variable_is_left_empty_and_reported(ses: Emulator, sdk: Sdk) -> None:
    ses.add_template(Template(7, "welcome", html="<p>{{ first }}, {{last}}</p>", text="{{first}}"))
    sdk.send(Subject="For {{name}}", **template('{"first": "Ada"}', 7))
    (mail,) = ses.inbox()
    assert (mail.subject, mail.html) == ("For ", "<p>Ada, </p>")
    assert mail.missing_variables == ["name", "last"]


def test_message_id_carries_the_time_in_utc_plus_8(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    message_id = connect(start(clock=clock, app_id=1300000000)).send()["MessageId"]
    day = datetime.fromtimestamp(clock.now, timezone(timedelta(hours=8)))
    assert re.fullmatch(rf"qcloudses-30-1300000000-date-{day:%Y%m%d%H%M%S}-[\w-]{{12}}", message_id)


LOCAL = st.from_regex(r"[a-z0-9+_-]{1,10}(\.[a-z0-9]{1,5})?", fullmatch=True)
DOMAIN = st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z]{2,6}){1,2}", fullmatch=True)
ADDRESS = st.builds("{}@{}".format, LOCAL, DOMAIN)
ALIAS = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters=":<>"), min_size=1, max_size=20
)


@given(ALIAS, ADDRESS)
def test_sender_is_an_address_or_an_alias_one_space_and_the_address(alias: str, address: str) -> None:
    domain = address.rpartition("@")[2]
    assert parse_sender(address) == Sender("", address, domain)
    assert parse_sender(f"{alias} <{address}>") == Sender(alias, address, domain)
    for wrong in (
        f"{alias}<{address}>",
        f"{alias}  <{address}>",
        f"{alias} <{address}> ",
        f"{alias} {address}",
    ):
        assert parse_sender(wrong) is None
    assert parse_sender(f"{alias}: {alias} <{address}>") is None


@given(st.text(max_size=60))
@example("a <b@c.example>\n")
@example("a\r <b@c.example>")
@example("a < b@c.example>")
def test_sender_parsed_reads_back_as_it_was_written(text: str) -> None:
    sender = parse_sender(text)
    if sender is not None:
        assert text == (f"{sender.alias} <{sender.address}>" if sender.alias else sender.address)
        assert is_address(sender.address)


@given(ADDRESS)
def test_message_id_is_an_address_in_brackets(address: str) -> None:
    assert is_message_id(f"<{address}>")
    for wrong in (address, f"<{address}", f"<{address}>\n", f"< {address}>", f"<{address}><{address}>"):
        assert not is_message_id(wrong)


@pytest.mark.parametrize(
    "text", ["", "a", "a@b", "a@b.example\n", "a@@b.example", ".a@b.example", "a.@b.example", "a@-b.example",
             "a b@c.example", "é@b.example", f"{'a' * 65}@b.example", f"a@{'b.' * 130}example"]
)  # fmt: skip
def test_malformed_address_is_none(text: str) -> None:
    assert not is_address(text)


NAMES = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)


@given(st.dictionaries(NAMES, st.text(max_size=20)), st.lists(NAMES))
def test_rendering_replaces_every_variable_once(data: dict[str, str], used: list[str]) -> None:
    source = "|".join(f"{{{{{name}}}}}" for name in used)
    assert render(source, data) == "|".join(data.get(name, "") for name in used)
    assert missing_variables([source], data) == [name for name in dict.fromkeys(used) if name not in data]
