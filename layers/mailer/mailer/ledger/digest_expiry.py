"""Digest items that no run has told in time, also those of a digest that is no longer in mailer.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mailer.email.identity import Key, KeyKind, id_for

from .admission import SECOND
from .digests import SHARED, digest_key, email_key, recipient_keys, recipient_params

if TYPE_CHECKING:
    from .store import Store

CLAIM_TIMEOUT_MS = 60 * SECOND
PAGE = 1000  # keys or recipients of one step of `adopt`
_UNREAD = 0.0  # sorts before every time


class OverdueRecipient(NamedTuple):
    """A recipient of a digest that the sweep has to look at; `key` is the address hash."""

    digest: str
    key: str
    window: str | None


class DigestExpiry:
    """The expiry of the items of one account's digests; every method raises StoreUnavailable."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account
        self._due = store.script("due", in_full_store=True)
        self._expire = store.script("digest_expire", shared=SHARED, in_full_store=True)

    def due(self, limit: int) -> list[OverdueRecipient]:
        """Claim up to `limit` recipients with items that are too old, or a window that nobody closed."""
        with self._store.translate_errors():
            members = self._due(keys=[self._store.key("digest_expiry")], args=[limit, CLAIM_TIMEOUT_MS])
            names = [member.partition(":")[::2] for member in members]
            pipeline = self._store.client.pipeline(transaction=False)
            for digest, key in names:
                pipeline.hget(digest_key(self._store, digest, "recipient", key), "window")
            return [
                OverdueRecipient(digest, key, window)
                for (digest, key), window in zip(names, pipeline.execute(), strict=True)
            ]

    def expire(self, recipient: OverdueRecipient) -> int:
        """Move a recipient's items that are too old into dead letters; return how many.

        A window that no run comes back to is closed: its items were told if its email is accepted.
        """
        digest, key, window = recipient
        keys = recipient_keys(self._store, digest, key)
        text = email_key(digest, window or "", key)
        ids = [Key(text, KeyKind.PLATFORM).email_id(self._account), id_for(self._account, text)]
        keys += [self._store.key("email", email_id) for email_id in ids]
        with self._store.translate_errors():
            return int(
                self._expire(keys=keys, args=[recipient_params(self._store, digest, key, window=window)])
            )

    def adopt(self) -> None:
        """Add the recipients that version 0.1.0 stored to those that `due` finds; once a month."""
        client, adopted = self._store.client, self._store.key("digest_expiry_complete")
        with self._store.translate_errors():
            if client.exists(adopted):
                return
            for key in client.scan_iter(match=digest_key(self._store, "*", "recipients"), count=PAGE):
                digest = key.split(":")[-2]
                for recipient, _score in client.zscan_iter(key, count=PAGE):
                    member = f"{digest}:{recipient}"
                    client.zadd(self._store.key("digest_expiry"), {member: _UNREAD}, nx=True)
            client.set(adopted, 1, px=self._store.bounds.retention)
