"""The addresses that SES does not send to: those that bounced, and the account's own list."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .days import day_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from .settings import Settings

BOUNCED_SECONDS = 14 * 86400


@dataclass(frozen=True)
class Bounced:
    """An address that bounced at `since` (Unix seconds), with the reason that its server gave."""

    address: str
    since: float
    reason: str


@dataclass(frozen=True)
class Listed:
    """An address on the account's own list; it counts before the day `expires`, None for ever."""

    id: int
    address: str
    created: float
    expires: date | None


class Blocklists:
    """The two lists of one account, by address in any case."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Empty both lists."""
        with self._lock:
            self._bounced: dict[str, Bounced] = {}
            self._listed: dict[str, Listed] = {}
            self._last_id = 0

    def blocks(self, address: str) -> bool:
        """Return whether SES refuses to send to `address` now."""
        with self._lock:
            bounced, listed = self._bounced.get(address.lower()), self._listed.get(address.lower())
        if bounced is not None and self._settings.now() < bounced.since + BOUNCED_SECONDS:
            return True
        return listed is not None and self.is_active(listed)

    def is_active(self, entry: Listed) -> bool:
        """Return whether an entry of the account's own list has not expired."""
        return entry.expires is None or day_of(self._settings.now()) < entry.expires

    def add_bounced(self, address: str, reason: str) -> Bounced:
        """Block an address for 14 days."""
        entry = Bounced(address, self._settings.now(), reason)
        with self._lock:
            self._bounced[address.lower()] = entry
        return entry

    def bounced(self) -> list[Bounced]:
        """Return the addresses that are blocked because they bounced, oldest first."""
        now = self._settings.now()
        with self._lock:
            return [entry for entry in self._bounced.values() if now < entry.since + BOUNCED_SECONDS]

    def remove_bounced(self, addresses: Iterable[str]) -> None:
        """Take addresses off the list of those that bounced."""
        with self._lock:
            for address in addresses:
                self._bounced.pop(address.lower(), None)

    def add(self, address: str, expires: date | None) -> bool:
        """Put an address on the account's own list; return False where it is there already."""
        with self._lock:
            if address.lower() in self._listed:
                return False
            self._last_id += 1
            entry = Listed(self._last_id, address, self._settings.now(), expires)
            self._listed[address.lower()] = entry
            return True

    def listed(self) -> list[Listed]:
        """Return the account's own list, newest first."""
        with self._lock:
            return sorted(self._listed.values(), key=lambda entry: -entry.id)

    def change(self, entry_id: int, address: str, expires: date | None) -> bool:
        """Change an entry of the account's own list; return whether there is one with this id."""
        with self._lock:
            found = next((entry for entry in self._listed.values() if entry.id == entry_id), None)
            if found is not None:
                del self._listed[found.address.lower()]
                self._listed[address.lower()] = Listed(entry_id, address, found.created, expires)
            return found is not None

    def remove(self, addresses: Iterable[str]) -> None:
        """Take addresses off the account's own list."""
        with self._lock:
            for address in addresses:
                self._listed.pop(address.lower(), None)
