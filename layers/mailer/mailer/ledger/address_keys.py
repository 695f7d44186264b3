"""The key of the hashes of addresses: a setting, or one made at first use and kept in the store."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from mailer import clock
from mailer.email.identity import AddressHasher
from mailer.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

CHECK_SECONDS = 60.0  # after which a key that the store keeps is read again


class AddressKeys:
    """The keys of one account; safe to share between threads. Those that are `given` are never read.

    `keep` returns the key that the store keeps, which is its argument if there was none.
    """

    def __init__(self, given: tuple[str, ...], keep: Callable[[str], str]) -> None:
        self._keys = given
        self._keep = keep
        self._hasher = AddressHasher(*given)
        self._read_at = None if given else float("-inf")

    def hasher(self) -> AddressHasher:
        """Return what hashes addresses; raises StoreUnavailable while the key is not known.

        A store that has forgotten the key, as in a failover, gets it back, unless it has another by now.
        """
        if self._read_at is not None and clock.monotonic() - self._read_at >= CHECK_SECONDS:
            try:
                self._read()
            except StoreUnavailable:
                if not self._keys:
                    raise
        return self._hasher

    def _read(self) -> None:
        key = self._keep(self._keys[0] if self._keys else secrets.token_urlsafe(32))
        self._keys = (key, *(known for known in self._keys if known != key))
        self._hasher = AddressHasher(*self._keys)
        self._read_at = clock.monotonic()
