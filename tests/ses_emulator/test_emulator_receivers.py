"""Recipient lists, through the SDK's typed models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from local.ses_emulator.days import time_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk
    from ses_emulator.typed_models import TypedClient


def new_list(client: TypedClient, name: str = "customers") -> int:
    created: int = client.answer("CreateReceiver", ReceiversName=name).ReceiverId
    return created


def add(client: TypedClient, receiver_id: int, *emails: str) -> Any:
    return client.answer("CreateReceiverDetail", ReceiverId=receiver_id, Emails=list(emails))


def row(email: str, **data: Any) -> dict[str, str]:
    return {"Email": email, "TemplateData": json.dumps(data)}


def test_lists_are_created_filled_and_deleted(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    client = connect(start(clock=clock)).client
    first = client.answer("CreateReceiver", ReceiversName="customers", Desc="all of them").ReceiverId
    second = new_list(client, "partners")
    add(client, first, "a@b.example", "nobody")
    listed = client.answer("ListReceivers", Offset=0, Limit=100)
    full, empty = listed.Data
    assert listed.TotalCount == 2
    assert (full.ReceiverId, full.ReceiversName, full.Desc) == (first, "customers", "all of them")
    assert (full.Count, full.InvalidCount, full.ReceiversStatus) == (2, 1, 3)
    assert full.CreateTime == time_text(clock.now)
    assert (empty.ReceiverId, empty.Count, empty.ReceiversStatus, empty.Desc) == (second, 0, 1, "")
    for query, names in (
        ({"Status": 1}, ["partners"]),
        ({"KeyWord": "tom"}, ["customers"]),
        ({"Offset": 1}, ["partners"]),
        ({"KeyWord": "nobody"}, []),
    ):
        found = client.answer("ListReceivers", **{"Offset": 0, "Limit": 100, **query}).Data
        assert [one.ReceiversName for one in found] == names
    client.answer("DeleteReceiver", ReceiverId=first)
    assert [one.ReceiverId for one in client.answer("ListReceivers", Offset=0, Limit=1).Data] == [second]
    for action, more in (
        ("DeleteReceiver", {}),
        ("CreateReceiverDetail", {"Emails": ["a@b.example"]}),
        ("ListReceiverDetails", {"Offset": 0, "Limit": 1}),
    ):
        assert client.code(action, ReceiverId=first, **more) == "OperationDenied.ReceiverNotExist"


def test_addresses_are_counted_by_kind(client: TypedClient) -> None:
    receiver = new_list(client)
    added = add(client, receiver, "a@b.example", "A@b.example", "", "x" * 300 + "@b.example", "nobody")
    assert (added.TotalCount, added.ValidCount, added.RepeatCount) == (5, 2, 1)
    assert (added.EmptyEmailCount, added.TooLongCount) == (1, 1)
    again = add(client, receiver, "a@b.example", "c@b.example")
    assert (again.TotalCount, again.ValidCount, again.RepeatCount) == (2, 1, 1)
    details = client.answer("ListReceiverDetails", ReceiverId=receiver, Offset=0, Limit=100)
    assert [(one.Email, one.Status, one.EmailId) for one in details.Data] == [
        ("a@b.example", 1, 1),
        ("nobody", 2, 2),
        ("c@b.example", 1, 3),
    ]
    assert (details.TotalCount, details.ValidCount, details.InvalidCount) == (3, 2, 1)
    assert [bool(one.Reason) for one in details.Data] == [False, True, False]


def test_recipients_are_found_by_address_time_and_status(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    client = connect(start(clock=clock)).client
    receiver = new_list(client)
    first = time_text(clock.now)
    add(client, receiver, "ann@b.example", "nobody")
    clock.now += 60
    later = time_text(clock.now)
    add(client, receiver, "anna@b.example")

    def found(**more: Any) -> list[str]:
        query = {"ReceiverId": receiver, "Offset": 0, "Limit": 100, **more}
        return [one.Email for one in client.answer("ListReceiverDetails", **query).Data]

    assert found(Email="ANN") == ["ann@b.example", "anna@b.example"]
    assert found(Status=2) == ["nobody"]
    assert found(CreateTimeBegin=later) == ["anna@b.example"]
    assert found(CreateTimeEnd=first) == ["ann@b.example", "nobody"]
    assert found(CreateTimeBegin=first, CreateTimeEnd=later, Limit=1, Offset=2) == ["anna@b.example"]
    for change, code in (
        ({"CreateTimeEnd": "2026-02-30 00:00:00"}, "InvalidParameterValue"),
        ({"Limit": 0}, "FailedOperation.InvalidLimit"),
    ):
        query = {"ReceiverId": receiver, "Offset": 0, "Limit": 1, **change}
        assert client.code("ListReceiverDetails", **query) == code


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"ReceiversName": ""}, "InvalidParameterValue.ReceiverNameIllegal"),
        ({"ReceiversName": "a\tb"}, "InvalidParameterValue.ReceiverNameIllegal"),
        ({"ReceiversName": "taken"}, "InvalidParameterValue.RepeatReceiverName"),
        ({"ReceiversName": "x", "Desc": "x" * 301}, "InvalidParameterValue.ReceiverDescIllegal"),
        ({"ReceiversName": "x", "Desc": ""}, "InvalidParameterValue.ReceiverDescIllegal"),
        ({"ReceiversName": "x", "Desc": "a\nb"}, "InvalidParameterValue.ReceiverDescIllegal"),
    ],
)
def test_invalid_list(client: TypedClient, parameters: dict[str, str], code: str) -> None:
    new_list(client, "taken")
    assert client.code("CreateReceiver", **parameters) == code


def test_recipients_bring_their_own_data(client: TypedClient) -> None:
    receiver = new_list(client)
    rows = [row("a@b.example", name="Ann", age=7), row("c@d.example", age=8, name="Carl")]
    added = client.answer("CreateReceiverDetailWithData", ReceiverId=receiver, Datas=rows)
    assert (added.TotalCount, added.ValidCount) == (2, 2)
    details = client.answer("ListReceiverDetails", ReceiverId=receiver, Offset=0, Limit=100).Data
    assert [one.TemplateData for one in details] == [one["TemplateData"] for one in rows]
    code = client.code("CreateReceiverDetail", ReceiverId=receiver, Emails=["e@f.example"])
    assert code == "InvalidParameterValue.TemplateDataInconsistent"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([row("nobody", name="x")], "InvalidParameterValue.ReceiverEmailInvalid"),
        ([row("a@b.example", name="x" * 800)], "InvalidParameterValue.TemplateDataLenLimit"),
        ([row("a@b.example", name=["x"])], "InvalidParameterValue.TemplateDataError"),
        ([{"Email": "a@b.example", "TemplateData": "[]"}], "InvalidParameterValue.TemplateDataError"),
        ([row("a@b.example", name="<b>Ann</b>")], "InvalidParameterValue.InValidTemplateData"),
        ([row("a@b.example", age=1)], "InvalidParameterValue.TemplateDataInconsistent"),
        (
            [row("a@b.example", name="x"), row("c@b.example", age=1)],
            "InvalidParameterValue.TemplateDataInconsistent",
        ),
        ([], "MissingParameter.EmailsNecessary"),
    ],
)
def test_invalid_data(client: TypedClient, rows: list[dict[str, str]], code: str) -> None:
    receiver = new_list(client)
    client.answer("CreateReceiverDetailWithData", ReceiverId=receiver, Datas=[row("z@b.example", name="< 3")])
    assert client.code("CreateReceiverDetailWithData", ReceiverId=receiver, Datas=rows) == code


def test_numbers_of_recipients_are_limited(client: TypedClient) -> None:
    receiver = new_list(client)
    emails = [f"u{number}@b.example" for number in range(50_001)]
    code = client.code("CreateReceiverDetail", ReceiverId=receiver, Emails=emails[:20_001])
    assert code == "LimitExceeded.ReceiverDetailRequestLimit"
    for start in (0, 20_000):
        add(client, receiver, *emails[start : start + 20_000])
    code = client.code("CreateReceiverDetail", ReceiverId=receiver, Emails=emails[40_000:])
    assert code == "LimitExceeded.ReceiverDetailCountLimit"
    assert add(client, receiver, *emails[40_000:50_000]).ValidCount == 10_000
    assert client.code("CreateReceiverDetail", ReceiverId=receiver, Emails=[]) == (
        "MissingParameter.EmailsNecessary"
    )
    assert client.code("CreateReceiverDetail", ReceiverId=0, Emails=["a@b.example"]) == (
        "MissingParameter.ReceiverIdNecessary"
    )
