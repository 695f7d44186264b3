"""When a recipient's digest goes out: local hours, IANA time zones and their changes of the clock."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from mailer.config.time_zones import time_zone_named
from mailer.errors import InvalidRequest

if TYPE_CHECKING:
    from mailer.config.digests import DigestConfig

HOUR = timedelta(hours=1)


class WindowCheck(NamedTuple):
    """What a tick means to one recipient: the window to send in, or why there is none."""

    window: str | None
    why: str | None = None


def parse_scheduled_time(scheduled_time: str) -> datetime:
    """Return the time that a tick was meant for, in UTC, to the second; raises InvalidRequest."""
    try:
        moment = datetime.fromisoformat(scheduled_time.upper().replace("Z", "+00:00"))
        instant = moment.astimezone(timezone.utc) if moment.tzinfo else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None:
        raise InvalidRequest.at(
            "/scheduled_time", "must be the tick's own time in RFC 3339, such as 2026-05-01T09:00:00Z"
        )
    return instant.replace(microsecond=0)


def format_utc(moment: datetime) -> str:
    """Return the one way in which a tick's time is written; later ones sort later."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def window_at(digest: DigestConfig, time_zone: str | None, moment: datetime) -> WindowCheck:
    """Return the window of the recipient in `time_zone` at a tick's time.

    With an `hour`, the window is the local day, and its tick is the one in the hour that begins then: an hour
    which the clock skips counts from where it goes on, one which it repeats counts the first time. Without,
    every tick is a window.
    """
    zone = time_zone_named(time_zone or digest.time_zone) or ZoneInfo(digest.time_zone)
    local = moment.astimezone(zone)
    if digest.quiet_hours and _within(local.hour, *digest.quiet_hours):
        return WindowCheck(None, "quiet_hours")
    if digest.hour is None:
        return WindowCheck(format_utc(moment))
    due = local.replace(hour=digest.hour, minute=0, second=0, fold=0).astimezone(timezone.utc)
    if not due <= moment < due + HOUR:
        return WindowCheck(None, "not_its_hour")
    return WindowCheck(local.date().isoformat())


def _within(hour: int, start: int, end: int) -> bool:
    return start <= hour < end if start < end else hour >= start or hour < end
