"""When a recipient's digest goes out: local hours, IANA time zones and their changes of the clock."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mailer.errors import InvalidRequest

if TYPE_CHECKING:
    from .config import DigestConfig

HOUR = timedelta(hours=1)


class Hour(NamedTuple):
    """What a tick means to one recipient: the window to send in, or why there is none."""

    window: str | None
    why: str | None = None


def is_time_zone(name: Any) -> bool:
    """Tell whether `name` is an IANA time zone."""
    return isinstance(name, str) and _zone(name) is not None


def moment_of(scheduled_time: str) -> datetime:
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


def name_of(moment: datetime) -> str:
    """Return the one way in which a tick's time is written; later ones sort later."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def hour_of(digest: DigestConfig, time_zone: str | None, moment: datetime) -> Hour:
    """Return the window of the recipient in `time_zone` at a tick's time.

    With an `hour`, the window is the local day, and its tick is the one in the hour that begins then: an hour
    which the clock skips counts from where it goes on, one which it repeats counts the first time. Without,
    every tick is a window.
    """
    zone = _zone(time_zone or digest.time_zone) or ZoneInfo(digest.time_zone)
    local = moment.astimezone(zone)
    if digest.quiet_hours and _within(local.hour, *digest.quiet_hours):
        return Hour(None, "quiet_hours")
    if digest.hour is None:
        return Hour(name_of(moment))
    due = local.replace(hour=digest.hour, minute=0, second=0, fold=0).astimezone(timezone.utc)
    if not due <= moment < due + HOUR:
        return Hour(None, "not_its_hour")
    return Hour(local.date().isoformat())


def _within(hour: int, start: int, end: int) -> bool:
    return start <= hour < end if start < end else hour >= start or hour < end


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
