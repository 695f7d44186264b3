"""What the account may do in time: requests per second, emails per recipient and hour, emails per day."""

import threading
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from .errors import ApiError

SES_TIME_ZONE = timezone(timedelta(hours=8))
HOUR = 3600
_RECIPIENTS_KEPT = 100_000


class RequestRate:
    """A limit of requests in any window of one second, and what was seen: all, refused, the fullest window.

    Times are Unix seconds of arrival, and may come slightly out of order. Refused requests do not use up the
    limit, but they do count in the fullest window.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything seen."""
        with self._lock:
            self.requests = self.refused = self.busiest_second = self.busiest_admitted_second = 0
            self._arrivals: list[float] = []
            self._admitted: list[float] = []

    def admit(self, arrived: float) -> None:
        """Count a request; raises RequestLimitExceeded when the second before it is full."""
        with self._lock:
            self.requests += 1
            self.busiest_second = max(self.busiest_second, _count(self._arrivals, arrived))
            if self.limit and _peek(self._admitted, arrived) >= self.limit:
                self.refused += 1
                raise ApiError("RequestLimitExceeded")
            self.busiest_admitted_second = max(self.busiest_admitted_second, _count(self._admitted, arrived))

    def as_json(self) -> dict[str, int]:
        """The counters under their names in `/_emulator/stats`."""
        with self._lock:
            return {
                "limit": self.limit,
                "requests": self.requests,
                "refused": self.refused,
                "busiest_second": self.busiest_second,
                "busiest_admitted_second": self.busiest_admitted_second,
            }


def _peek(times: list[float], moment: float) -> int:
    """How full the fullest second around `moment` already is."""
    later = [time for time in times if moment < time < moment + 1] or [moment]
    return max(bisect_right(times, end) - bisect_right(times, end - 1) for end in [moment, *later])


def _count(times: list[float], moment: float) -> int:
    """Add `moment` and return how many times lie in the fullest second around it."""
    insort(times, moment)
    del times[: bisect_right(times, times[-1] - 3)]
    return _peek(times, moment)


class EmailLimits:
    """Emails per recipient and sliding hour, and per sender domain and day (UTC+8); 0 switches one off."""

    def __init__(self, recipient_hourly: int, daily_quota: int) -> None:
        self.recipient_hourly = recipient_hourly
        self.daily_quota = daily_quota
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything sent."""
        with self._lock:
            self._sent_to: dict[str, deque[float]] = {}
            self._sent_from: dict[tuple[str, str], int] = {}

    def admit(self, domain: str, recipients: Sequence[str], now: float) -> None:
        """Count one email to each recipient, or none at all; raises FrequencyLimit or ExceedSendLimit."""
        day = (domain, datetime.fromtimestamp(now, SES_TIME_ZONE).strftime("%Y-%m-%d"))
        with self._lock:
            sent = self._sent_from.get(day, 0) + len(recipients)
            if self.daily_quota and sent > self.daily_quota:
                raise ApiError("FailedOperation.ExceedSendLimit")
            if self.recipient_hourly:
                self._admit_recipients({recipient.lower() for recipient in recipients}, now)
            self._sent_from = {key: count for key, count in self._sent_from.items() if key[1] == day[1]}
            self._sent_from[day] = sent

    def _admit_recipients(self, recipients: set[str], now: float) -> None:
        for recipient in recipients:
            times = self._sent_to.get(recipient, deque())
            while times and times[0] <= now - HOUR:
                times.popleft()
            if len(times) >= self.recipient_hourly:
                raise ApiError("FailedOperation.FrequencyLimit")
        for recipient in recipients:
            times = self._sent_to.pop(recipient, deque())
            times.append(now)
            self._sent_to[recipient] = times
        while len(self._sent_to) > _RECIPIENTS_KEPT:
            del self._sent_to[next(iter(self._sent_to))]
