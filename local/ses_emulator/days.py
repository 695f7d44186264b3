"""Times as SES writes them: its days are those of UTC+8."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

from .errors import ApiError

SES_TIME_ZONE = timezone(timedelta(hours=8))
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


def day_of(timestamp: float) -> date:
    """Return the day of SES that a Unix time is in."""
    return datetime.fromtimestamp(timestamp, SES_TIME_ZONE).date()


def parse_day(text: str, name: str) -> date:
    """Return the day in `YYYY-MM-DD`; raises WrongDate, which `name` says the parameter of."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=SES_TIME_ZONE).date()
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise ApiError("InvalidParameterValue.WrongDate", f"{name} must have the form YYYY-MM-DD.")
    return day


def parse_period(params: dict[str, str]) -> tuple[date, date]:
    """Return the days StartDate and EndDate; raises WrongDate for a malformed one or a wrong order."""
    start, end = (parse_day(params[name], name) for name in ("StartDate", "EndDate"))
    if end < start:
        raise ApiError("InvalidParameterValue.WrongDate", "EndDate is before StartDate.")
    return start, end


def time_text(timestamp: float) -> str:
    """Return a Unix time as `YYYY-MM-DD HH:MM:SS`."""
    return datetime.fromtimestamp(timestamp, SES_TIME_ZONE).strftime(_TIME_FORMAT)


def parse_time(text: str) -> float | None:
    """Return the Unix time of `YYYY-MM-DD HH:MM:SS`, None for another text."""
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=SES_TIME_ZONE).timestamp()
    except ValueError:
        return None


def next_day(timestamp: float) -> float:
    """Return the Unix time at which the day after that of `timestamp` begins."""
    midnight = datetime.combine(day_of(timestamp), time(), SES_TIME_ZONE)
    return (midnight + timedelta(days=1)).timestamp()
