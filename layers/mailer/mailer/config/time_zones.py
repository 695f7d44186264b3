"""IANA time zones."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mailer.email.field_errors import Rule


@lru_cache(maxsize=1024)
def time_zone_named(name: str) -> ZoneInfo | None:
    """Return the IANA time zone `name`, or None where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


TimeZoneName = Annotated[
    str,
    Rule(
        "must be an IANA time zone, such as `Asia/Singapore`",
        lambda name: time_zone_named(name) is not None,
    ),
]
