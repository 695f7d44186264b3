"""What one process holds on to: its settings, its configuration, one ledger and one SES client."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .config.file import Config
from .config.settings import Settings, environment_of_mailer
from .ledger import Ledger, Store
from .ses.client import SesClient

if TYPE_CHECKING:
    from .ledger.ses_events import EventLedger


@dataclass(frozen=True)
class Runtime:
    """The parts that every delivery of a process shares."""

    settings: Settings
    config: Config
    ledger: Ledger
    ses: SesClient

    @property
    def events(self) -> EventLedger:
        """The ledger of what SES told afterwards."""
        from .ledger.ses_events import EventLedger

        return EventLedger(self.ledger.store)

    @classmethod
    def current(cls) -> Runtime:
        """Return the runtime for the environment as it is now; raises ConfigurationError.

        It is built once and again only when a `MAILER_…` variable has changed.
        """
        return _build(environment_of_mailer())


@lru_cache(maxsize=1)
def _build(environment: tuple[tuple[str, str], ...]) -> Runtime:
    settings = Settings.from_environment(dict(environment))
    return Runtime(
        settings,
        Config.load(settings.config_path),
        Ledger(
            Store(settings.store_url, settings.account),
            rate=settings.rate,
            deferred_max=settings.deferred_max,
        ),
        SesClient(settings.ses_scheme, settings.ses_host, settings.ses_region),
    )
