"""The addresses that SES does not send to, through the SDK's typed models."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local.ses_emulator.days import day_of, time_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk, Wire
    from ses_emulator.typed_models import TypedClient

BLOCKED = "FailedOperation.EmailAddrInBlacklist"
DAY = 86400


def email(*recipients: str) -> dict[str, Any]:
    return {
        "FromEmailAddress": "noreply@mail.shop.example",
        "Destination": list(recipients),
        "Subject": "Hello",
        "Template": {"TemplateID": 100091, "TemplateData": "{}"},
    }


def period(first: date, last: date) -> dict[str, Any]:
    return {"StartDate": first.isoformat(), "EndDate": last.isoformat(), "Offset": 0, "Limit": 100}


@pytest.fixture
def timed(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock, wires: type[Wire]
) -> Callable[[], tuple[TypedClient, Wire]]:
    """Return a function that starts an emulator at the test's clock."""

    def make() -> tuple[TypedClient, Wire]:
        ses = start(clock=clock)
        return connect(ses).client, wires(ses, clock)

    return make


def test_address_that_bounced_is_blocked(client: TypedClient, ses: Emulator) -> None:
    client.answer("SendEmail", **email("user@example.com", "bounce@callback.example"))
    assert client.code("SendEmail", **email("Bounce@callback.example")) == BLOCKED
    today = day_of(ses.inbox()[0].received)
    listed = client.answer("ListBlackEmailAddress", **period(today, today))
    (entry,) = listed.BlackList
    assert (entry.EmailAddress, listed.TotalCount) == ("bounce@callback.example", 1)
    assert entry.BounceTime == time_text(ses.inbox()[0].received)
    assert "550" in entry.IspDesc
    client.answer("DeleteBlackList", EmailAddressList=["BOUNCE@callback.example"])
    assert client.answer("ListBlackEmailAddress", **period(today, today)).TotalCount == 0
    assert client.answer("SendEmail", **email("bounce@callback.example")).MessageId


def test_hard_bounce_by_the_admin_api_blocks_too(client: TypedClient, wire: Wire) -> None:
    client.answer("SendEmail", **email("user@example.com"))
    bounce = {"mail": 1, "event": "bounce", "url": "http://127.0.0.1:1/"}
    wire.json("POST", "callbacks", {**bounce, "bounceType": "soft_bounce"})
    client.answer("SendEmail", **email("user@example.com"))
    wire.json("POST", "callbacks", bounce)
    assert client.code("SendEmail", **email("user@example.com")) == BLOCKED


def test_block_ends_after_fourteen_days(timed: Callable[[], tuple[TypedClient, Wire]], clock: Clock) -> None:
    _, wire = timed()
    wire.json("PUT", "blocked/user@example.com", {"reason": "552 5.2.2 Mailbox full."})
    (blocked,) = wire.json("GET", "blocked")
    assert blocked == {"address": "user@example.com", "since": clock.now, "reason": "552 5.2.2 Mailbox full."}
    clock.now += 14 * DAY - 1
    assert wire.code() == BLOCKED
    clock.now += 1
    assert wire.post()["MessageId"]
    assert wire.json("GET", "blocked") == []
    assert wire.request("PUT", "/_emulator/blocked/nobody").status == 400


def test_blocked_addresses_are_found_by_day_and_address(
    timed: Callable[[], tuple[TypedClient, Wire]], clock: Clock
) -> None:
    client, wire = timed()
    today, now = day_of(clock.now), clock.now
    for days, name in ((2, "a"), (1, "b"), (0, "c")):
        clock.now = now - days * DAY
        wire.json("PUT", f"blocked/{name}@example.com")
    two_days_ago, yesterday = (today - timedelta(days=days) for days in (2, 1))

    def found(first: date, last: date, **more: Any) -> list[str]:
        listed = client.answer("ListBlackEmailAddress", **{**period(first, last), **more}).BlackList
        return [entry.EmailAddress[0] for entry in listed]

    assert found(two_days_ago, today) == ["a", "b", "c"]
    assert found(two_days_ago, yesterday) == ["a", "b"]
    assert found(two_days_ago, today, EmailAddress="B@example.com") == ["b"]
    assert found(two_days_ago, today, Offset=1, Limit=1) == ["b"]
    for change, code in (
        ({"StartDate": "2026-2-1"}, "InvalidParameterValue.WrongDate"),
        ({"EndDate": "2026-02-30"}, "InvalidParameterValue.WrongDate"),
        ({"EndDate": two_days_ago.isoformat()}, "InvalidParameterValue.WrongDate"),
        ({"Limit": 101}, "FailedOperation.InvalidLimit"),
    ):
        assert client.code("ListBlackEmailAddress", **{**period(yesterday, today), **change}) == code
    assert client.code("DeleteBlackList", EmailAddressList=[]) == "InvalidParameterValue"


def listed(client: TypedClient, **more: Any) -> list[tuple[str, int, str]]:
    answer = client.answer("ListCustomBlacklist", **{"Offset": 0, "Limit": 100, "Status": 2, **more})
    return [(entry.Email, entry.Status, entry.ExpireDate) for entry in answer.Data]


def test_own_list_counts_what_it_took(client: TypedClient) -> None:
    emails = ["a@b.example", "A@b.example", "nobody", "x" * 250 + "@b.example", "c@b.example"]
    answer = client.answer("CreateCustomBlacklist", Emails=emails)
    counts = (answer.TotalCount, answer.ValidCount, answer.RepeatCount, answer.InvalidCount)
    assert (*counts, answer.TooLongCount) == (5, 2, 1, 1, 1)
    assert client.answer("CreateCustomBlacklist", Emails=["c@b.example"]).RepeatCount == 1
    assert listed(client) == [("c@b.example", 1, ""), ("a@b.example", 1, "")]
    assert client.code("SendEmail", **email("user@example.com", "A@B.example")) == BLOCKED
    client.answer("DeleteCustomBlackList", Emails=["a@B.example"])
    assert client.answer("SendEmail", **email("a@b.example")).MessageId


def test_entry_of_the_own_list_expires(timed: Callable[[], tuple[TypedClient, Wire]], clock: Clock) -> None:
    client, _ = timed()
    today = day_of(clock.now)
    tomorrow = (today + timedelta(days=1)).isoformat()
    client.answer("CreateCustomBlacklist", Emails=["old@b.example"], ExpireDate=today.isoformat())
    client.answer("CreateCustomBlacklist", Emails=["new@b.example"], ExpireDate=tomorrow)
    assert listed(client) == [("new@b.example", 1, tomorrow), ("old@b.example", 0, today.isoformat())]
    assert [name for name, *_ in listed(client, Status=0)] == ["old@b.example"]
    assert [name for name, *_ in listed(client, Status=1)] == ["new@b.example"]
    assert [name for name, *_ in listed(client, Email="OLD@b.example")] == ["old@b.example"]
    assert client.answer("SendEmail", **email("old@b.example")).MessageId
    assert client.code("SendEmail", **email("new@b.example")) == BLOCKED
    (entry,) = client.answer("ListCustomBlacklist", Offset=0, Limit=1, Status=2).Data
    assert entry.CreateTime == time_text(clock.now)
    client.answer("UpdateCustomBlackList", Id=entry.Id, Email="other@b.example")
    assert listed(client, Status=1) == [("other@b.example", 1, "")]
    client.answer("UpdateCustomBlackList", Id=entry.Id, Email="Other@b.example", ExpireDate=tomorrow)
    assert listed(client) == [("Other@b.example", 1, tomorrow), ("old@b.example", 0, today.isoformat())]
    assert client.answer("SendEmail", **email("new@b.example")).MessageId
    assert client.code("SendEmail", **email("other@b.example")) == BLOCKED


def test_invalid_entry_of_the_own_list(client: TypedClient) -> None:
    client.answer("CreateCustomBlacklist", Emails=["a@b.example"])
    for action, parameters, code in (
        ("CreateCustomBlacklist", {"Emails": []}, "MissingParameter.EmailsNecessary"),
        (
            "CreateCustomBlacklist",
            {"Emails": ["a@b.example"], "ExpireDate": "soon"},
            "InvalidParameterValue.WrongDate",
        ),
        (
            "CreateCustomBlacklist",
            {"Emails": ["a@b.example"] * 20_001},
            "LimitExceeded.ReceiverDetailRequestLimit",
        ),
        (
            "UpdateCustomBlackList",
            {"Id": 1, "Email": "nobody"},
            "InvalidParameterValue.IllegalEmailAddress",
        ),
        ("UpdateCustomBlackList", {"Id": 2, "Email": "a@b.example"}, "InvalidParameterValue"),
        ("ListCustomBlacklist", {"Offset": 0, "Limit": 0, "Status": 2}, "FailedOperation.InvalidLimit"),
        ("ListCustomBlacklist", {"Offset": 0, "Limit": 1, "Status": 3}, "InvalidParameterValue"),
    ):
        assert client.code(action, **parameters) == code
