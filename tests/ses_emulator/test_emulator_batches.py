"""BatchSendEmail and its tasks, through the SDK's typed models."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from local.ses_emulator import Template
from local.ses_emulator.days import day_of, next_day, time_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk
    from ses_emulator.typed_models import TypedClient

HOUR = 3600
SENDER = "news@mail.shop.example"
TEMPLATE = {"TemplateID": 100091, "TemplateData": '{"code": "1234"}'}


class Shop:
    """An account with a sender address, at a clock that the test moves."""

    def __init__(self, ses: Emulator, client: TypedClient, clock: Clock) -> None:
        self.ses = ses
        self.client = client
        self.clock = clock
        client.answer("CreateEmailAddress", EmailAddress=SENDER)

    def list_of(self, *emails: str) -> int:
        name = f"list of {len(self.ses.resources.receivers.all())}"
        receiver: int = self.client.answer("CreateReceiver", ReceiversName=name).ReceiverId
        if emails:
            self.client.answer("CreateReceiverDetail", ReceiverId=receiver, Emails=list(emails))
        return receiver

    def batch(self, receiver: int, **parameters: Any) -> int:
        task: int = self.client.answer("BatchSendEmail", **request(receiver, **parameters)).TaskId
        return task

    def task(self, task_id: int) -> Any:
        (found,) = (task for task in self.tasks() if task.TaskId == task_id)
        return found

    def tasks(self, **parameters: Any) -> list[Any]:
        query = {"Offset": 0, "Limit": 100, **parameters}
        listed: list[Any] = self.client.answer("ListSendTasks", **query).Data
        return listed

    def recipients(self) -> list[str]:
        return [mail.to[0] for mail in self.ses.inbox()]


def request(receiver: int, **parameters: Any) -> dict[str, Any]:
    valid = {
        "FromEmailAddress": f"Shop <{SENDER}>",
        "ReceiverId": receiver,
        "Subject": "News",
        "TaskType": 1,
        "Template": TEMPLATE,
    }
    return {name: value for name, value in {**valid, **parameters}.items() if value is not None}


@pytest.fixture
def open_shop(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], sdk_clock: Clock
) -> Callable[..., Shop]:
    def make(**settings: Any) -> Shop:
        ses = start(clock=sdk_clock, **settings)
        return Shop(ses, connect(ses).client, sdk_clock)

    return make


@pytest.fixture
def shop(open_shop: Callable[..., Shop]) -> Shop:
    return open_shop()


def test_batch_is_an_email_to_each_recipient(shop: Shop) -> None:
    receiver = shop.list_of("a@b.example", "nobody", "bounce@callback.example")
    task_id = shop.batch(receiver, ReplyToAddresses="help@shop.example", Unsubscribe="2", ADLocation=1)
    first, second = shop.ses.inbox()
    assert (first.to, second.to) == (["a@b.example"], ["bounce@callback.example"])
    assert (first.subject, first.reply_to, first.unsubscribe) == ("(AD) News", "help@shop.example", "2")
    assert "1234" in first.text
    assert first.task_id == str(task_id)
    counts = shop.ses.counts()
    assert (counts["accepted"], counts["calls"], counts["not_accepted"]) == (2, 0, 0)
    task = shop.task(task_id)
    assert (task.TaskStatus, task.TaskType, task.ErrMsg) == (10, 1, "")
    assert (task.RequestCount, task.SendCount, task.CacheCount) == (2, 2, 0)
    assert (task.ReceiverId, task.ReceiversName) == (receiver, "list of 0")
    assert (task.FromEmailAddress, task.Subject) == (f"Shop <{SENDER}>", "(AD) News")
    assert (task.Template.TemplateID, task.Template.TemplateData) == (100091, TEMPLATE["TemplateData"])
    assert task.CreateTime == task.UpdateTime == time_text(shop.clock.now)
    assert task.TimedParam is task.CycleParam is None


def test_recipients_have_data_of_their_own(shop: Shop) -> None:
    receiver = shop.list_of()
    rows = [
        {"Email": f"{name.lower()}@b.example", "TemplateData": json.dumps({"name": name})}
        for name in ("Ann", "Bob")
    ]
    shop.client.answer("CreateReceiverDetailWithData", ReceiverId=receiver, Datas=rows)
    shop.ses.add_template(Template(7, "hello", text="Hello"))
    shop.ses.add_template(Template(8, "hello", text="Hello {{name}}"))
    unmatched = request(receiver, Template={"TemplateID": 7, "TemplateData": ""})
    code = shop.client.code("BatchSendEmail", **unmatched)
    assert code == "InvalidParameterValue.TemplateNotMatchData"
    shop.batch(receiver, Subject="To {{name}}", Template={"TemplateID": 8, "TemplateData": ""}, ADLocation=2)
    assert [(mail.subject, mail.text) for mail in shop.ses.inbox()] == [
        ("To Ann (AD)", "Hello Ann"),
        ("To Bob (AD)", "Hello Bob"),
    ]


@pytest.mark.parametrize("data", ["", '{"name": "Ann"}'])
def test_batch_may_have_simple_content(shop: Shop, data: str) -> None:
    receiver = shop.list_of() if data else shop.list_of("a@b.example")
    if data:
        rows = [{"Email": "a@b.example", "TemplateData": data}]
        shop.client.answer("CreateReceiverDetailWithData", ReceiverId=receiver, Datas=rows)
    shop.batch(receiver, Template=None, Simple={"Text": "SGk="})
    assert [mail.text for mail in shop.ses.inbox()] == ["Hi"]
    assert shop.task(1).Template.TemplateID == 0


def test_recipients_that_cannot_be_sent_to_do_not_stop_a_batch(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(recipient_hourly=1)
    shop.client.answer("CreateCustomBlacklist", Emails=["b@b.example"])
    receiver = shop.list_of("a@b.example", "b@b.example", "c@b.example")
    shop.batch(shop.list_of("a@b.example"))
    task_id = shop.batch(receiver)
    assert shop.recipients() == ["a@b.example", "c@b.example"]
    task = shop.task(task_id)
    assert (task.TaskStatus, task.RequestCount, task.SendCount) == (10, 3, 1)
    rows = shop.client.answer(
        "GetSendEmailStatus", RequestDate=day_of(shop.clock.now).isoformat(), Offset=0, Limit=100
    ).EmailStatusList
    assert [(row.ToEmailAddress, row.SendStatus) for row in rows] == [
        ("a@b.example", 0),
        ("a@b.example", 1006),
        ("b@b.example", 1007),
        ("c@b.example", 0),
    ]


def test_timed_batch_waits_for_its_time(shop: Shop) -> None:
    begin = time_text(shop.clock.now + HOUR)
    task_id = shop.batch(shop.list_of("a@b.example"), TaskType=2, TimedParam={"BeginTime": begin})
    task = shop.task(task_id)
    assert (task.TaskStatus, task.TimedParam.BeginTime, task.RequestCount) == (1, begin, 0)
    assert shop.recipients() == []
    shop.clock.now += HOUR
    assert shop.task(task_id).TaskStatus == 10
    assert shop.recipients() == ["a@b.example"]


def test_timed_batch_starts_by_itself(shop: Shop) -> None:
    begin = time_text(shop.clock.now + HOUR)
    shop.batch(shop.list_of("a@b.example"), TaskType=2, TimedParam={"BeginTime": begin})
    shop.clock.now += HOUR
    while not shop.ses.inbox():
        threading.Event().wait(0.01)
    assert shop.recipients() == ["a@b.example"]


def test_recurring_batch_goes_to_whom_the_list_has_by_then(shop: Shop) -> None:
    receiver = shop.list_of("a@b.example")
    cycle = {"BeginTime": time_text(shop.clock.now), "IntervalTime": 24}
    task_id = shop.batch(receiver, TaskType=3, CycleParam=cycle)
    task = shop.task(task_id)
    assert (task.TaskStatus, task.SendCount, task.TaskType) == (5, 1, 3)
    assert (task.CycleParam.IntervalTime, task.CycleParam.TermCycle) == (24, 0)
    shop.client.answer("CreateReceiverDetail", ReceiverId=receiver, Emails=["c@b.example"])
    shop.clock.now += 23 * HOUR
    assert shop.task(task_id).SendCount == 1
    shop.clock.now += 50 * HOUR  # two turns are missed: one of them is made up for
    assert (shop.task(task_id).SendCount, shop.task(task_id).RequestCount) == (3, 3)
    shop.clock.now += 23 * HOUR
    assert shop.task(task_id).SendCount == 5
    assert shop.recipients() == ["a@b.example", *["a@b.example", "c@b.example"] * 2]


def test_batch_goes_on_the_day_after_the_quota_is_used_up(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(daily_quota=2)
    task_id = shop.batch(shop.list_of("a@b.example", "b@b.example", "c@b.example"))
    task = shop.task(task_id)
    assert (task.TaskStatus, task.RequestCount, task.SendCount, task.CacheCount) == (6, 3, 2, 1)
    shop.clock.now = next_day(shop.clock.now)
    task = shop.task(task_id)
    assert (task.TaskStatus, task.RequestCount, task.SendCount, task.CacheCount) == (10, 3, 3, 0)
    assert shop.recipients() == ["a@b.example", "b@b.example", "c@b.example"]


def test_batch_whose_template_was_withdrawn_fails(shop: Shop) -> None:
    begin = {"BeginTime": time_text(shop.clock.now + HOUR)}
    task_id = shop.batch(shop.list_of("a@b.example"), TaskType=2, TimedParam=begin)
    shop.client.answer("DeleteEmailTemplate", TemplateID=100091)
    shop.clock.now += HOUR
    task = shop.task(task_id)
    assert (task.TaskStatus, task.SendCount, task.CacheCount) == (7, 0, 1)
    assert "InvalidTemplateID" in task.ErrMsg


def test_tasks_are_found_by_status_list_and_type(shop: Shop) -> None:
    one, two = shop.list_of("a@b.example"), shop.list_of("b@b.example")
    begin = {"BeginTime": time_text(shop.clock.now + HOUR)}
    shop.batch(one)
    shop.batch(two)
    shop.batch(two, TaskType=2, TimedParam=begin)
    for query, found in (
        ({}, [3, 2, 1]),
        ({"Status": 10}, [2, 1]),
        ({"ReceiverId": two}, [3, 2]),
        ({"TaskType": 2}, [3]),
        ({"Status": 10, "ReceiverId": two}, [2]),
        ({"Offset": 1, "Limit": 1}, [2]),
    ):
        assert [task.TaskId for task in shop.tasks(**query)] == found
    assert shop.client.code("ListSendTasks", Offset=0, Limit=101) == "FailedOperation.InvalidLimit"
    shop.ses.reset()
    assert shop.tasks() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"FromEmailAddress": ""}, "MissingParameter.SendParamNecessary"),
        ({"ReceiverId": 0}, "MissingParameter.SendParamNecessary"),
        ({"Template": None}, "MissingParameter.SendParamNecessary"),
        ({"Subject": ""}, "InvalidParameterValue.SubjectLengthError"),
        ({"Subject": "x" * 101}, "InvalidParameterValue.SubjectLengthError"),
        ({"ADLocation": 3}, "InvalidParameterValue"),
        ({"TaskType": 4}, "InvalidParameterValue"),
        ({"TaskType": 2}, "MissingParameter.TimedParamNecessary"),
        ({"TaskType": 2, "TimedParam": {"BeginTime": ""}}, "MissingParameter.TimedParamNecessary"),
        ({"TaskType": 2, "TimedParam": {"BeginTime": "tomorrow"}}, "InvalidParameterValue"),
        (
            {"TaskType": 2, "TimedParam": {"BeginTime": "2020-01-01 00:00:00"}},
            "InvalidParameterValue.BeginTimeBeforeNow",
        ),
        ({"TaskType": 3}, "MissingParameter.CycleParamNecessary"),
        (
            {"TaskType": 3, "CycleParam": {"BeginTime": "2099-01-01 00:00:00", "IntervalTime": 0}},
            "MissingParameter.CycleParamNecessary",
        ),
        ({"FromEmailAddress": "other@mail.shop.example"}, "OperationDenied.SendAddressStatusError"),
        ({"FromEmailAddress": "nobody"}, "OperationDenied.SendAddressStatusError"),
        ({"ReceiverId": 99}, "OperationDenied.ReceiverNotExist"),
        ({"ReceiverId": 2}, "OperationDenied.ReceiverStatusError"),
        ({"ReceiverId": 3}, "OperationDenied.ReceiverStatusError"),
        ({"Template": {"TemplateID": 100094, "TemplateData": "{}"}}, "OperationDenied.TemplateStatusError"),
        ({"Template": {"TemplateID": 1, "TemplateData": "{}"}}, "OperationDenied.TemplateStatusError"),
        (
            {"Template": {"TemplateID": 100091, "TemplateData": "x"}},
            "InvalidParameterValue.TemplateDataError",
        ),
        ({"Template": None, "Simple": {"Text": "x"}}, "InvalidParameterValue.EmailContentIsWrong"),
        (
            {"Template": None, "Simple": {"Text": "eHh4" * (1 << 19)}},
            "FailedOperation.EmailContentToolarge",
        ),
    ],
)
def test_invalid_batch(shop: Shop, change: dict[str, Any], code: str) -> None:
    valid = shop.list_of("a@b.example")
    assert (shop.list_of(), shop.list_of("nobody")) == (2, 3)
    assert shop.client.code("BatchSendEmail", **request(valid, **change)) == code
    assert shop.tasks() == []


def test_times_are_those_of_ses() -> None:
    assert time_text(0) == "1970-01-01 08:00:00"
    assert next_day(0) == 16 * HOUR
    assert next_day(16 * HOUR) == 40 * HOUR
