from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.ses_emulator.errors import ApiError
from local.ses_emulator.limits import EmailLimits, RequestRate

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk, Wire

LIMITED = "RequestLimitExceeded"


def try_to_send(sdk: Sdk, **change: object) -> str:
    try:
        sdk.send(**change)
    except Exception as error:  # noqa: BLE001 -- the SDK raises one class for everything
        return str(getattr(error, "code", type(error).__name__))
    return "accepted"


def test_twenty_requests_a_second_and_no_more(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    ses = start(rate=20, clock=clock)
    sdk = connect(ses)
    assert [try_to_send(sdk) for _ in range(22)] == ["accepted"] * 20 + [LIMITED] * 2
    clock.now += 0.999
    assert try_to_send(sdk) == LIMITED
    clock.now += 0.001
    assert try_to_send(sdk) == "accepted"
    assert ses.stats()["rate"] == {
        "limit": 20,
        "requests": 24,
        "refused": 3,
        "busiest_second": 23,
        "busiest_admitted_second": 20,
    }


def test_requests_rejected_by_the_gateway_do_not_count(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    ses = start(rate=1, clock=clock)
    assert try_to_send(connect(ses, "AKIDother", "key")) == "AuthFailure.SecretIdNotFound"
    assert try_to_send(connect(ses)) == "accepted"


def test_other_actions_have_their_own_rate(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    ses = start(rate=1, status_rate=1, clock=clock)
    sdk = connect(ses)
    assert try_to_send(sdk) == "accepted"
    day = "2000-01-01"
    for expected in ("NotSupportDate", LIMITED):
        with pytest.raises(Exception, match=expected):
            sdk.call("GetSendEmailStatus", RequestDate=day, Offset=0, Limit=1)
    assert ses.stats()["rate"]["requests"] == 1


@given(st.lists(st.floats(0, 10).map(lambda timestamp: round(timestamp, 3)), max_size=60), st.integers(1, 5))
def test_no_window_of_one_second_admits_more_than_the_limit(timestamps: list[float], limit: int) -> None:
    rate = RequestRate(limit)
    admitted = []
    # Requests can be out of order by a little, never by seconds.
    for timestamp in sorted(timestamps, key=lambda timestamp: round(timestamp, 1)):
        try:
            rate.admit(timestamp)
        except ApiError:
            continue
        admitted.append(timestamp)
    busiest_admitted, busiest = (
        max((sum(end - 1 < timestamp <= end for timestamp in window) for end in window), default=0)
        for window in (admitted, timestamps)
    )
    assert busiest_admitted <= limit
    assert (rate.busiest_admitted_second, rate.busiest_second) == (busiest_admitted, busiest)
    assert rate.as_json()["requests"] == len(timestamps)
    assert rate.as_json()["refused"] == len(timestamps) - len(admitted)


def test_ten_emails_an_hour_to_one_recipient(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], wires: type[Wire], clock: Clock
) -> None:
    ses = start(recipient_hourly=10, clock=clock)
    sdk, wire = connect(ses), wires(ses, clock)
    assert [try_to_send(sdk) for _ in range(11)] == ["accepted"] * 10 + ["FailedOperation.FrequencyLimit"]
    assert try_to_send(sdk, Destination=["USER@example.com"]) == "FailedOperation.FrequencyLimit"
    assert try_to_send(sdk, Destination=["other@example.com"]) == "accepted"
    clock.now += 3599
    assert wire.code() == "FailedOperation.FrequencyLimit"
    clock.now += 1
    assert wire.post()["MessageId"]


def test_email_over_one_recipients_limit_counts_for_no_recipient(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    sdk = connect(start(recipient_hourly=1, clock=clock))
    assert try_to_send(sdk, Destination=["full@example.com"]) == "accepted"
    both = {"Destination": ["free@example.com"], "Cc": ["full@example.com"]}
    assert try_to_send(sdk, **both) == "FailedOperation.FrequencyLimit"
    assert try_to_send(sdk, Destination=["free@example.com"]) == "accepted"


def test_daily_quota_is_per_sender_domain_and_day_in_utc_plus_8() -> None:
    limits = EmailLimits(recipient_hourly=0, daily_quota=3)
    before_midnight = 1_700_000_000 - 1_700_000_000 % 86400 + 57_599  # 23:59:59 in UTC+8
    limits.admit("shop.example", ["a", "b"], before_midnight)
    limits.admit("shop.example", ["c"], before_midnight)
    with pytest.raises(ApiError, match="ExceedSendLimit"):
        limits.admit("shop.example", ["d"], before_midnight)
    limits.admit("other.example", ["d"], before_midnight)
    limits.admit("shop.example", ["d"], before_midnight + 1)


def test_email_over_the_quota_is_rejected(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], clock: Clock
) -> None:
    ses = start(daily_quota=1, clock=clock)
    sdk = connect(ses)
    assert [try_to_send(sdk) for _ in range(2)] == ["accepted", "FailedOperation.ExceedSendLimit"]
    ses.reset()
    assert try_to_send(sdk) == "accepted"
