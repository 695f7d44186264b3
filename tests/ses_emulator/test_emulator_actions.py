"""Every action of the API: offered with its whole answer, or refused by name."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from tencentcloud.ses.v20201002 import errorcodes, models
from tencentcloud.ses.v20201002.ses_client import SesClient

from local.ses_emulator import errors
from local.ses_emulator.days import day_of
from local.ses_emulator.parameters import ACTIONS, NOT_OFFERED, JsonType
from ses_emulator.typed_models import DOCUMENTED_CODES, PLAIN_TYPES, fields_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk, Wire
    from ses_emulator.typed_models import TypedClient

DAY = "the day of SES"
CONTENT = {"Text": base64.b64encode(b"Hello {{name}}").decode()}
# In this order each action finds what it needs: one call of each that the emulator offers.
CALLS: list[tuple[str, dict[str, Any]]] = [
    (
        "CreateEmailIdentity",
        {"EmailIdentity": "mail.shop.example", "TagList": [{"TagKey": "a", "TagValue": "b"}]},
    ),
    ("UpdateEmailIdentity", {"EmailIdentity": "mail.shop.example", "DKIMOption": 2}),
    ("GetEmailIdentity", {"EmailIdentity": "mail.shop.example"}),
    ("ListEmailIdentities", {"TagList": [{"TagKey": "a", "TagValue": "b"}], "Limit": 10, "Offset": 0}),
    ("CreateEmailAddress", {"EmailAddress": "news@mail.shop.example", "EmailSenderName": "Shop"}),
    ("ListEmailAddress", {}),
    ("CreateEmailTemplate", {"TemplateName": "hello", "TemplateContent": CONTENT}),
    ("UpdateEmailTemplate", {"TemplateID": 100096, "TemplateName": "hi", "TemplateContent": CONTENT}),
    ("GetEmailTemplate", {"TemplateID": 100096}),
    ("ListEmailTemplates", {"Limit": 10, "Offset": 0}),
    ("DeleteEmailTemplate", {"TemplateID": 100096}),
    (
        "SendEmail",
        {
            "FromEmailAddress": "news@mail.shop.example",
            "Destination": ["click@callback.example", "bounce@callback.example"],
            "Subject": "Hello",
            "Template": {"TemplateID": 100091, "TemplateData": '{"code": "1"}'},
        },
    ),
    ("GetSendEmailStatus", {"RequestDate": DAY, "Offset": 0, "Limit": 10}),
    ("GetStatisticsReport", {"StartDate": DAY, "EndDate": DAY}),
    ("ListBlackEmailAddress", {"StartDate": DAY, "EndDate": DAY, "Offset": 0, "Limit": 10}),
    ("DeleteBlackList", {"EmailAddressList": ["bounce@callback.example"]}),
    ("CreateCustomBlacklist", {"Emails": ["never@example.com"], "ExpireDate": DAY}),
    ("UpdateCustomBlackList", {"Id": 1, "Email": "never@example.com"}),
    ("ListCustomBlacklist", {"Offset": 0, "Limit": 10, "Status": 2}),
    ("DeleteCustomBlackList", {"Emails": ["never@example.com"]}),
    ("CreateReceiver", {"ReceiversName": "customers", "Desc": "all"}),
    ("CreateReceiverDetail", {"ReceiverId": 1, "Emails": ["a@example.com", "nobody"]}),
    ("CreateReceiver", {"ReceiversName": "by name"}),
    (
        "CreateReceiverDetailWithData",
        {"ReceiverId": 2, "Datas": [{"Email": "a@example.com", "TemplateData": '{"code": "1"}'}]},
    ),
    ("ListReceivers", {"Offset": 0, "Limit": 10}),
    ("ListReceiverDetails", {"ReceiverId": 1, "Offset": 0, "Limit": 10}),
    (
        "BatchSendEmail",
        {
            "FromEmailAddress": "news@mail.shop.example",
            "ReceiverId": 1,
            "Subject": "News",
            "TaskType": 1,
            "Template": {"TemplateID": 100091, "TemplateData": '{"code": "1"}'},
        },
    ),
    ("ListSendTasks", {"Offset": 0, "Limit": 10}),
    ("DeleteReceiver", {"ReceiverId": 1}),
    ("DeleteEmailAddress", {"EmailAddress": "news@mail.shop.example"}),
    ("DeleteEmailIdentity", {"EmailIdentity": "mail.shop.example"}),
]


@pytest.mark.compatible("SDKs", "Tencent Cloud SDK for Python", package="tencentcloud-sdk-python-ses")
def test_every_action_answers_with_its_whole_model(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    client = connect(start(clock=clock)).client
    today = day_of(clock.now).isoformat()
    for action, parameters in CALLS:
        dated = {name: today if value == DAY else value for name, value in parameters.items()}
        answer = client.answer(action, **dated)
        listed = [value for value in vars(answer).values() if isinstance(value, list)]
        assert all(listed), f"{action} lists nothing, so nothing of its items was checked"
    assert {action for action, _ in CALLS} == set(ACTIONS)


def test_every_action_of_the_sdk_is_known() -> None:
    assert {name for name in vars(SesClient) if name[0].isupper()} == set(ACTIONS) | NOT_OFFERED


@pytest.mark.parametrize("action", sorted(NOT_OFFERED))
def test_action_that_is_not_offered_is_refused_by_name(client: TypedClient, action: str) -> None:
    with pytest.raises(Exception, match=rf"code:UnsupportedOperation .*{action}"):
        client.call_json(action, {})


@pytest.mark.parametrize("action", ["SendEmails", "sendemail", "", "DescribeInstances"])
def test_action_that_does_not_exist(wire: Wire, action: str) -> None:
    assert wire.code(x_tc_action=action) == "InvalidAction"


def _assert_parameters(expected: JsonType, model: type) -> None:
    documented = fields_of(model)
    assert set(expected.fields) == set(documented)
    for name, field in documented.items():
        found = expected.fields[name]
        kind = found.items or found
        assert (found.items is not None) == field.many, name
        assert kind.python_type is PLAIN_TYPES.get(field.name, dict), name
        if kind.python_type is dict:
            _assert_parameters(kind, getattr(models, field.name))


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_parameters_are_those_of_the_model(action: str) -> None:
    _assert_parameters(ACTIONS[action], getattr(models, f"{action}Request"))


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_required_parameters_are_required(client: TypedClient, action: str) -> None:
    required = {name for name, kind in ACTIONS[action].fields.items() if kind.required}
    for name in required:
        others = {
            other: {str: "x", int: 1, list: [], dict: {}}[kind.python_type]
            for other, kind in ACTIONS[action].fields.items()
            if other in required - {name}
        }
        with pytest.raises(Exception, match=rf"code:MissingParameter .*\b{name}\b"):
            client.call_json(action, others)


def test_every_code_of_the_sdk_has_a_message() -> None:
    codes = {value for name, value in vars(errorcodes).items() if name.isupper()}
    assert codes <= set(errors.MESSAGES)
    assert set(errors.OTHER_ACTIONS_CODES) <= codes
    assert {code for listed in DOCUMENTED_CODES.values() for code in listed} <= set(errors.MESSAGES)


def test_actions_have_a_rate_each(start: Callable[..., Emulator], connect: Callable[..., Sdk]) -> None:
    limited = connect(start(other_rate=1)).client
    assert limited.answer("ListEmailAddress").EmailSenders == []
    assert limited.code("ListEmailAddress") == "RequestLimitExceeded"
    assert limited.answer("ListEmailTemplates", Limit=1, Offset=0).TotalCount == 5
