"""GetStatisticsReport: how many emails were requested, accepted and delivered, by day."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .addresses import domain_of
from .days import day_of, parse_period
from .delivery import BOUNCED, DELIVERED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from .delivery import StatusRecord

_COUNTS = (
    "RequestCount",
    "AcceptedCount",
    "DeliveredCount",
    "OpenedCount",
    "ClickedCount",
    "BounceCount",
    "UnsubscribeCount",
)


def report(params: dict[str, Any], records: Sequence[StatusRecord]) -> dict[str, Any]:
    """Return the volumes of the days that have any, and of all together; one recipient is one email.

    `records` are those of refused emails too. Domain is the sender's, ReceivingMailboxType the recipient's
    domain. Raises WrongDate.
    """
    start, end = parse_period(params)
    sender, mailbox = (params.get(name, "").lower() for name in ("Domain", "ReceivingMailboxType"))
    days: dict[date, Counter[str]] = {}
    for record in records:
        day = day_of(record.requested)
        if (
            start <= day <= end
            and sender in ("", domain_of(record.sender))
            and mailbox in ("", domain_of(record.to))
        ):
            days.setdefault(day, Counter()).update(_counted(record))
    overall = sum(days.values(), Counter[str]())
    return {
        "DailyVolumes": [_volume(day, days[day]) for day in sorted(days)],
        "OverallVolume": _volume(start, overall),
    }


def _counted(record: StatusRecord) -> list[str]:
    facts = (
        True,
        record.send_status == 0,
        record.deliver_status == DELIVERED,
        record.opened,
        record.clicked,
        record.deliver_status == BOUNCED,
        record.unsubscribed,
    )
    return [name for name, fact in zip(_COUNTS, facts, strict=True) if fact]


def _volume(day: date, counts: Counter[str]) -> dict[str, Any]:
    return {"SendDate": day.isoformat(), **{name: counts[name] for name in _COUNTS}}
