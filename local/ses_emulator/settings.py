"""The settings of an emulator; every field is also a keyword of `Emulator`."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SECRET_ID = "AKIDlocalemulator"  # noqa: S105 -- an id
SECRET_KEY = "local-emulator-secret-key"  # noqa: S105 -- public; it is valid for emulators alone


@dataclass(frozen=True)
class Settings:
    """The account that is emulated; for every limit, 0 means no limit.

    With `tls` it speaks HTTPS. `rate` and `status_rate` are requests per second of SendEmail and
    GetSendEmailStatus, `other_rate` those of each other action, `recipient_hourly` emails per recipient
    and hour, `daily_quota` emails per sender domain and day (UTC+8). `credentials` maps a SecretId to its
    SecretKey, `tokens` a SecretId to its X-TC-Token, which requests must then have. A sender domain is
    verified if it is in `verified_domains`, or, if that is empty, if it is not in `unverified_domains`.
    `status_lag` is the delay until GetSendEmailStatus shows an email, `slow_seconds` the maximum duration
    of a slow fault, both in seconds. `callback` is the URL for event callbacks, `templates` a JSON file
    or a directory. With `auto_approve`, templates need no review. `clock` returns Unix seconds; SES's own
    clock is `clock_offset` seconds ahead of it.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: bool = False
    region: str = "ap-singapore"
    credentials: Mapping[str, str] = field(default_factory=lambda: {SECRET_ID: SECRET_KEY})
    tokens: Mapping[str, str] = field(default_factory=dict)
    rate: int = 20
    status_rate: int = 1
    other_rate: int = 20
    recipient_hourly: int = 10
    daily_quota: int = 0
    allow_simple: bool = True
    allow_attachments: bool = True
    auto_approve: bool = False
    verified_domains: frozenset[str] = frozenset()
    unverified_domains: frozenset[str] = frozenset({"unverified.example"})
    app_id: int = 1250000000
    status_lag: float = 0.0
    slow_seconds: float = 60.0
    inbox_limit: int = 10_000
    inbox_bytes: int = 256 * 1024 * 1024
    callback: str = ""
    templates: Path | None = None
    clock: Callable[[], float] = time.time
    clock_offset: float = 0.0

    def now(self) -> float:
        """Return the time in Unix seconds by SES's own clock."""
        return self.clock() + self.clock_offset

    def verifies(self, domain: str) -> bool:
        """Return whether this account may send from `domain`."""
        if self.verified_domains:
            return domain in self.verified_domains
        return domain not in self.unverified_domains
