"""Rate limits: requests per second, emails per recipient and hour, emails per sender domain and day."""

import threading
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence
from datetime import datetime

from .days import SES_TIME_ZONE
from .errors import ApiError

HOUR = 3600
_RECIPIENTS_MAX = 100_000


class RequestRate:
    """A limit of requests in any window of one second, with counters: all, refused, the busiest window.

    Times are Unix seconds of arrival, and may be slightly out of order. Refused requests do not count against
    the limit, but they do count in the busiest window.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Reset all counters."""
        with self._lock:
            self.requests = self.refused = self.busiest_second = self.busiest_admitted_second = 0
            self._arrivals: list[float] = []
            self._admitted: list[float] = []

    def admit(self, arrived: float) -> None:
        """Count a request; raise RequestLimitExceeded if the second before it is full."""
        with self._lock:
            self.requests += 1
            self.busiest_second = max(self.busiest_second, _add(self._arrivals, arrived))
            if self.limit and _busiest(self._admitted, arrived) >= self.limit:
                self.refused += 1
                raise ApiError("RequestLimitExceeded")
            self.busiest_admitted_second = max(self.busiest_admitted_second, _add(self._admitted, arrived))

    def as_json(self) -> dict[str, int]:
        """Return the counters under their names in `/_emulator/stats`."""
        with self._lock:
            return {
                "limit": self.limit,
                "requests": self.requests,
                "refused": self.refused,
                "busiest_second": self.busiest_second,
                "busiest_admitted_second": self.busiest_admitted_second,
            }


def _busiest(times: list[float], timestamp: float) -> int:
    """Return the number of `times` in the busiest second that contains `timestamp`."""
    later = [time for time in times if timestamp < time < timestamp + 1] or [timestamp]
    return max(bisect_right(times, end) - bisect_right(times, end - 1) for end in [timestamp, *later])


def _add(times: list[float], timestamp: float) -> int:
    """Add `timestamp`; return the number of `times` in the busiest second that contains it."""
    insort(times, timestamp)
    del times[: bisect_right(times, times[-1] - 3)]
    return _busiest(times, timestamp)


class EmailLimits:
    """Limits of emails per recipient and sliding hour, per sender domain and day (UTC+8); 0 is no limit."""

    def __init__(self, recipient_hourly: int, daily_quota: int) -> None:
        self.recipient_hourly = recipient_hourly
        self.daily_quota = daily_quota
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Reset all counters."""
        with self._lock:
            self._sent_to: dict[str, deque[float]] = {}
            self._sent_from: dict[tuple[str, str], int] = {}

    def admit(self, domain: str, recipients: Sequence[str], now: float) -> None:
        """Count one email for each recipient, or raise FrequencyLimit or ExceedSendLimit and count none."""
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
        while len(self._sent_to) > _RECIPIENTS_MAX:
            del self._sent_to[next(iter(self._sent_to))]
