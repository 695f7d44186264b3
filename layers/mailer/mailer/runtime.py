"""Process-wide dependencies: settings, configuration, ledger, SES client."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from . import clock
from .config.file import Config
from .config.settings import Settings, environment_of_mailer
from .config.table import setting_at
from .errors import ConfigurationError
from .ledger import Bounds, Ledger, Store
from .ses.client import SesClient

if TYPE_CHECKING:
    from .ledger.ses_events import EventLedger


@dataclass
class _StoreClock:
    """How far the store's clock was ahead of this process's at the last reply that came at once."""

    offset: clock.Offset | None = None


@dataclass(frozen=True)
class Runtime:
    """The parts that every delivery of a process shares."""

    settings: Settings
    config: Config
    ledger: Ledger
    ses: SesClient
    store_clock: _StoreClock = field(default_factory=_StoreClock)

    @property
    def events(self) -> EventLedger:
        """The ledger of SES's callback events."""
        from .ledger.ses_events import EventLedger

        return EventLedger(self.ledger.store)

    @property
    def clock_offset(self) -> int | None:
        """How many milliseconds SES's clock is ahead of the store's; None where that is not known.

        Both were measured by this process's clock, so that is so if it was set in between.
        """
        if self.ses.measured_clock is None or self.store_clock.offset is None:
            return None
        seconds = self.ses.measured_clock.minus(self.store_clock.offset)
        return None if seconds is None else round(seconds * 1000)

    @property
    def store_time(self) -> int | None:
        """What the store's clock shows, in milliseconds, by the last measurement; None before the first."""
        measured = self.store_clock.offset
        return None if measured is None else round((clock.now() + measured.seconds) * 1000)

    def store_answered(self, store_time: int, asked_at: clock.Moment) -> None:
        """Measure the store's clock by the time (milliseconds) in a reply of it that has just come."""
        self.store_clock.offset = clock.offset_of(store_time / 1000, asked_at) or self.store_clock.offset

    @classmethod
    def current(cls) -> Runtime:
        """Return the runtime for the environment as it is now; raises ConfigurationError.

        It is built once and again only when a `MAILER_…` variable has changed.
        """
        return _build(environment_of_mailer())


@lru_cache(maxsize=1)
def _build(environment: tuple[tuple[str, str], ...]) -> Runtime:
    settings = Settings.from_environment(dict(environment))
    config = Config.load(settings.config_path)
    _check_keys(config, settings)
    return Runtime(
        settings,
        config,
        Ledger(
            Store(
                settings.store_url,
                settings.account,
                Bounds(settings.retention_days, settings.dead_letters_max),
                settings.hash_keys,
            ),
            rate=settings.rate,
            deferred_max=settings.deferred_max,
        ),
        SesClient(settings.ses_scheme, settings.ses_host, settings.ses_region),
    )


def _check_keys(config: Config, settings: Settings) -> None:
    """Raise ConfigurationError for a table of no key, in a function that has keys."""
    unknown = sorted(config.keys.keys() - set(settings.api_keys.values()))
    if unknown and settings.api_keys:
        raise ConfigurationError(setting_at("keys", unknown[0]), "names no key of MAILER_API_KEYS")
