"""GetStatisticsReport, through the SDK's typed models."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local.ses_emulator.days import day_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk
    from ses_emulator.typed_models import TypedClient


def send(client: TypedClient, *recipients: str, domain: str = "mail.shop.example") -> None:
    client.answer(
        "SendEmail",
        FromEmailAddress=f"Shop <noreply@{domain}>",
        Destination=list(recipients),
        Subject="Hello",
        Template={"TemplateID": 100091, "TemplateData": "{}"},
    )


def counts(volume: Any) -> dict[str, int]:
    return {name: count for name, count in vars(volume).items() if count and name != "_SendDate"}


@pytest.fixture
def client(start: Callable[..., Emulator], connect: Callable[..., Sdk], sdk_clock: Clock) -> TypedClient:
    return connect(start(clock=sdk_clock)).client


def test_report_counts_what_happened_to_each_email(client: TypedClient, clock: Clock) -> None:
    send(client, "user@gmail.com", "open@callback.example", "click@callback.example")
    send(client, "bounce@callback.example", "unsubscribe@callback.example", "silent@callback.example")
    with pytest.raises(Exception, match="EmailAddrInBlacklist"):
        send(client, "bounce@callback.example")
    today = day_of(clock.now).isoformat()
    report = client.answer("GetStatisticsReport", StartDate=today, EndDate=today)
    (day,) = report.DailyVolumes
    expected = {
        "_RequestCount": 7,
        "_AcceptedCount": 6,
        "_DeliveredCount": 4,
        "_OpenedCount": 2,
        "_ClickedCount": 1,
        "_BounceCount": 1,
        "_UnsubscribeCount": 1,
    }
    for volume in (day, report.OverallVolume):
        assert (volume.SendDate, counts(volume)) == (today, expected)


def test_report_is_by_day_domain_and_mailbox(client: TypedClient, clock: Clock) -> None:
    first = day_of(clock.now)
    send(client, "a@gmail.com")
    clock.now += 2 * 86400
    send(client, "b@gmail.com", "c@QQ.com")
    send(client, "d@qq.com", domain="other.example")
    last = day_of(clock.now)

    def requested(start: date = first, end: date = last, **more: str) -> dict[str, int]:
        found = client.answer(
            "GetStatisticsReport", StartDate=start.isoformat(), EndDate=end.isoformat(), **more
        )
        assert found.OverallVolume.RequestCount == sum(day.RequestCount for day in found.DailyVolumes)
        assert found.OverallVolume.SendDate == start.isoformat()
        return {day.SendDate: day.RequestCount for day in found.DailyVolumes}

    assert requested() == {first.isoformat(): 1, last.isoformat(): 3}
    assert requested(end=first) == {first.isoformat(): 1}
    assert requested(first + timedelta(days=1), first + timedelta(days=1)) == {}
    assert requested(Domain="Other.example") == {last.isoformat(): 1}
    assert requested(ReceivingMailboxType="qq.com") == {last.isoformat(): 2}
    assert requested(ReceivingMailboxType="gmail.com", Domain="mail.shop.example") == {
        first.isoformat(): 1,
        last.isoformat(): 1,
    }


def test_batches_count_too(client: TypedClient, clock: Clock) -> None:
    client.answer("CreateEmailAddress", EmailAddress="news@mail.shop.example")
    receiver = client.answer("CreateReceiver", ReceiversName="customers").ReceiverId
    client.answer("CreateReceiverDetail", ReceiverId=receiver, Emails=["a@b.example", "c@d.example"])
    client.answer("CreateCustomBlacklist", Emails=["a@b.example"])
    client.answer(
        "BatchSendEmail",
        FromEmailAddress="news@mail.shop.example",
        ReceiverId=receiver,
        Subject="News",
        TaskType=1,
        Template={"TemplateID": 100091, "TemplateData": "{}"},
    )
    today = day_of(clock.now).isoformat()
    volume = client.answer("GetStatisticsReport", StartDate=today, EndDate=today).OverallVolume
    assert (volume.RequestCount, volume.AcceptedCount) == (2, 1)


def test_period_begins_before_it_ends(client: TypedClient) -> None:
    for start, end in (("2026-01-02", "2026-01-01"), ("2026-1-1", "2026-01-02"), ("", "2026-01-01")):
        code = client.code("GetStatisticsReport", StartDate=start, EndDate=end)
        assert code == "InvalidParameterValue.WrongDate"
