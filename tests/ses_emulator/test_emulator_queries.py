from __future__ import annotations

import base64
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.ses.v20201002 import models

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk, Wire

UTC8 = timezone(timedelta(hours=8))


def day(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC8).strftime("%Y-%m-%d")


def statuses(sdk: Sdk, **parameters: Any) -> list[dict[str, Any]]:
    query = {"RequestDate": day(time.time()), "Offset": 0, "Limit": 100, **parameters}
    rows: list[dict[str, Any]] = sdk.call("GetSendEmailStatus", **query)["EmailStatusList"]
    return rows


def fields_of(model: Any) -> set[str]:
    return {name.lstrip("_") for name in vars(model())}


def test_status_of_every_recipient(sdk: Sdk, start: Callable[..., Emulator]) -> None:
    sent = sdk.send(Destination=["a@b.example"], Cc=["c@d.example"], Bcc=["e@f.example"])
    found = statuses(sdk)
    assert [status["ToEmailAddress"] for status in found] == ["a@b.example", "c@d.example", "e@f.example"]
    for status in found:
        assert set(status) == fields_of(models.SendEmailStatus)
        assert status["MessageId"] == sent["MessageId"]
        assert status["FromEmailAddress"] == "noreply@mail.shop.example"
        assert (status["SendStatus"], status["DeliverStatus"]) == (0, 1)
        assert status["DeliverTime"] >= status["RequestTime"] > 0


def test_sdk_model_reads_the_status(sdk: Sdk) -> None:
    sdk.send()
    request = models.GetSendEmailStatusRequest()
    request.RequestDate, request.Offset, request.Limit = day(time.time()), 0, 10
    (status,) = sdk.client.GetSendEmailStatus(request).EmailStatusList
    assert status.ToEmailAddress == "user@example.com"


def test_status_is_filtered_and_paged(sdk: Sdk) -> None:
    ids = [sdk.send(Destination=[f"u{number}@example.com"])["MessageId"] for number in range(5)]
    assert [status["MessageId"] for status in statuses(sdk, MessageId=ids[3])] == [ids[3]]
    assert [status["MessageId"] for status in statuses(sdk, ToEmailAddress="U2@example.com")] == [ids[2]]
    assert [status["MessageId"] for status in statuses(sdk, Offset=1, Limit=2)] == ids[1:3]
    assert statuses(sdk, Offset=9) == statuses(sdk, MessageId="nothing") == []


def test_rejected_and_lost_requests(sdk: Sdk) -> None:
    for name in ("EmailAddrInBlacklist", "reset-before", "answer-lost"):
        with pytest.raises(TencentCloudSDKException):
            sdk.send(Destination=[f"{name}@fault.example"])
    assert [status["ToEmailAddress"] for status in statuses(sdk)] == ["answer-lost@fault.example"]


def test_day_is_that_of_utc_plus_8(start: Callable[..., Emulator], wires: type[Wire], clock: Clock) -> None:
    clock.now = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC8).timestamp()
    ses = start(clock=clock)
    wire = wires(ses, clock)
    wire.post()

    def count(date: str) -> int:
        body = f'{{"RequestDate": "{date}", "Offset": 0, "Limit": 1}}'.encode()
        return len(wire.post(body, x_tc_action="GetSendEmailStatus")["EmailStatusList"])

    clock.now += 2
    assert (count("2026-03-01"), count("2026-03-02")) == (1, 0)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Limit": 101}, "FailedOperation.InvalidLimit"),
        ({"Limit": 0}, "FailedOperation.InvalidLimit"),
        ({"Limit": None}, "InvalidParameter"),
        ({"Offset": -1}, "InvalidParameter"),
        ({"RequestDate": "2026-3-1"}, "InvalidParameterValue.WrongDate"),
        ({"RequestDate": "yesterday"}, "InvalidParameterValue.WrongDate"),
        ({"RequestDate": day(time.time() - 32 * 86400)}, "FailedOperation.NotSupportDate"),
        ({"RequestDate": day(time.time() + 2 * 86400)}, "FailedOperation.NotSupportDate"),
        ({"SmtpMessageId": "<a@b.example>"}, "UnknownParameter"),
    ],
)
def test_invalid_status_query(sdk: Sdk, change: dict[str, Any], code: str) -> None:
    with pytest.raises(TencentCloudSDKException) as caught:
        statuses(sdk, **change)
    assert caught.value.code == code


def test_status_may_lag_behind(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    ses = start(status_lag=60, clock=clock)
    sdk = connect(ses)
    sdk.send()
    today = day(clock.now)
    assert statuses(sdk, RequestDate=today) == []
    clock.now += 60
    assert len(statuses(sdk, RequestDate=today)) == 1


@pytest.mark.parametrize(
    ("recipient", "deliver_status", "flag"),
    [
        ("silent@callback.example", 0, ""),
        ("user@example.com", 1, ""),
        ("dropped@callback.example", 2, ""),
        ("bounce+7@callback.example", 3, ""),
        ("deferred@callback.example", 8, ""),
        ("open@callback.example", 1, "UserOpened"),
        ("click@callback.example", 1, "UserClicked"),
        ("unsubscribe@callback.example", 1, "UserUnsubscribed"),
        ("spamreport@callback.example", 1, "UserComplained"),
    ],
)
def test_recipient_selects_the_delivery_status(
    sdk: Sdk, recipient: str, deliver_status: int, flag: str
) -> None:
    sdk.send(Destination=[recipient])
    (status,) = statuses(sdk)
    assert status["DeliverStatus"] == deliver_status
    assert bool(status["DeliverTime"]) is (deliver_status == 1)
    if flag:
        assert status[flag] is True


def test_template_is_read_back(sdk: Sdk) -> None:
    found = sdk.call("GetEmailTemplate", TemplateID=100091)
    assert (found["TemplateName"], found["TemplateStatus"]) == ("verification-code", 0)
    assert b"{{code}}" in base64.b64decode(found["TemplateContent"]["Text"])
    with pytest.raises(TencentCloudSDKException, match="TemplateNotExist"):
        sdk.call("GetEmailTemplate", TemplateID=1)


def test_templates_are_listed(sdk: Sdk) -> None:
    found = sdk.call("ListEmailTemplates", Limit=2, Offset=3)
    assert found["TotalCount"] == 5
    assert [template["TemplateStatus"] for template in found["TemplatesMetadata"]] == [1, 2]
    for template in found["TemplatesMetadata"]:
        assert set(template) == fields_of(models.TemplatesMetadata)


def test_sender_domains_are_listed(start: Callable[..., Emulator], connect: Callable[..., Sdk]) -> None:
    sdk = connect(start(verified_domains=frozenset({"mail.shop.example"}), daily_quota=500))
    found = sdk.call("ListEmailIdentities")
    domains = {identity["IdentityName"]: identity for identity in found["EmailIdentities"]}
    assert {name: identity["SendingEnabled"] for name, identity in domains.items()} == {
        "mail.shop.example": True,
        "unverified.example": False,
    }
    assert found["Total"] == 2
    for identity in domains.values():
        assert set(identity) == fields_of(models.EmailIdentity)
        assert identity["DailyQuota"] == 500
