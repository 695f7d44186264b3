"""Windows of a digest: local hours, IANA time zones and their daylight saving time."""

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
    """The recipient's open window at a scheduled time, or the reason there is none."""

    window: str | None
    why: str | None = None


def parse_scheduled_time(scheduled_time: str) -> datetime:
    """Return the scheduled time of a job, RFC 3339, in UTC and to the second; raises InvalidRequest."""
    try:
        local = datetime.fromisoformat(scheduled_time.upper().replace("Z", "+00:00"))
        scheduled_at = local.astimezone(timezone.utc) if local.tzinfo else None
    except (ValueError, OverflowError):
        scheduled_at = None
    if scheduled_at is None:
        raise InvalidRequest.at(
            "/scheduled_time", "must be the scheduled time in RFC 3339, such as 2026-05-01T09:00:00Z"
        )
    return scheduled_at.replace(microsecond=0)


def format_utc(time: datetime) -> str:
    """Format a UTC timestamp (sortable)."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def window_at(digest: DigestConfig, time_zone: str | None, scheduled_at: datetime) -> WindowCheck:
    """Return the window of a recipient in `time_zone` at a scheduled time.

    With an `hour`, the window is the local day, open for the hour that begins at `hour` o'clock. DST gap: the
    first instant after it; DST fold: the first occurrence. Without one, every scheduled time is a window.
    """
    zone = time_zone_named(time_zone or digest.time_zone) or ZoneInfo(digest.time_zone)
    local = scheduled_at.astimezone(zone)
    if digest.quiet_hours and _within(local.hour, *digest.quiet_hours):
        return WindowCheck(None, "quiet_hours")
    if digest.hour is None:
        return WindowCheck(format_utc(scheduled_at))
    opens_at = local.replace(hour=digest.hour, minute=0, second=0, fold=0).astimezone(timezone.utc)
    if not opens_at <= scheduled_at < opens_at + HOUR:
        return WindowCheck(None, "not_its_hour")
    return WindowCheck(local.date().isoformat())


def _within(hour: int, start: int, end: int) -> bool:
    return start <= hour < end if start < end else hour >= start or hour < end
