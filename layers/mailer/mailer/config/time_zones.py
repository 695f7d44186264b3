"""IANA time zones."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def is_time_zone(name: Any) -> bool:
    """Return whether `name` is an IANA time zone."""
    return isinstance(name, str) and time_zone_named(name) is not None


@lru_cache(maxsize=1024)
def time_zone_named(name: str) -> ZoneInfo | None:
    """Return the IANA time zone `name`, or None where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
