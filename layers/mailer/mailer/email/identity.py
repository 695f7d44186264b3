"""Email ids derived from idempotency keys, Message-IDs, and hashes of addresses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from .addresses import domain_of

ID_CHARACTERS = 32
_HASH_DIGITS = 20


class KeyKind(str, Enum):
    """Who gave a key."""

    CALLER = "caller"
    """Whoever asked for the email: one key is one email in its namespace, through any trigger."""
    PLATFORM = "platform"
    """The platform that delivers an event: a redelivery has the key of the first delivery."""


@dataclass(frozen=True)
class Key:
    """What identifies an email: keys of different kinds or namespaces never identify the same one.

    `namespace` holds no control character; the empty one is the account's.
    """

    text: str
    kind: KeyKind = KeyKind.CALLER
    namespace: str = ""

    def email_id(self, account: str) -> str:
        """Return the id of the email in `account`: 32 characters of lower-case base32.

        A caller's key holds no NUL, so the ids of the account's own keys are those of no other key.
        """
        if self.kind is KeyKind.CALLER and not self.namespace:
            return id_for(account, self.text)
        return id_for(account, f"\0{self.kind.value}\0{self.namespace}\0{self.text}")


class PlatformKey(NamedTuple):
    """A platform's key, and the one of version 0.1.0 for the same event, where it was another.

    `first_receive` identifies a message's first receive from its queue, the same at every later one until a
    redrive; `received_before` says that this is a later one.
    """

    text: str
    old_text: str | None = None
    first_receive: str | None = None
    received_before: bool = False

    @classmethod
    def of(cls, key: PlatformKey | str) -> PlatformKey:
        """Return `key`, a text for one that is as it was in version 0.1.0."""
        return cls(key) if isinstance(key, str) else key


def id_for(account: str, key: str) -> str:
    """Return the id of the email that a caller's `key` identifies in the account's own namespace.

    Version 0.1.0 derived every id so, whoever gave the key.
    """
    digest = hashlib.sha256(account.encode() + key.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:ID_CHARACTERS]


def fresh_key() -> str:
    """Return a key that no other email has, for a request that names none."""
    return uuid.uuid4().hex


def smtp_message_id_for(email_id: str, sender: str) -> str:
    """Return the Message-ID (RFC 5322 §3.6.4, without brackets) of an email from `sender`."""
    return f"{email_id}@{domain_of(sender)}"


class AddressHasher:
    """Keyed hashes of addresses, for the ledger and the logs: without a key nobody can confirm a guess.

    The first of the keys makes the hashes; the others made them earlier, and version 0.1.0 had no key.
    """

    def __init__(self, *keys: str) -> None:
        self._keys = tuple(key.encode() for key in keys)

    def __call__(self, address: str) -> str:
        """Return the hash of an address, whatever its case: 20 hex digits."""
        return _keyed(self._keys[0], address)

    def all_of(self, address: str) -> tuple[str, ...]:
        """Return the hash of an address, and then those that it had earlier."""
        return (*(_keyed(key, address) for key in self._keys), unkeyed_hash(address))


def unkeyed_hash(address: str) -> str:
    """Return the hash of an address in version 0.1.0."""
    return hashlib.sha256(address.lower().encode()).hexdigest()[:_HASH_DIGITS]


def _keyed(key: bytes, address: str) -> str:
    return hmac.new(key, address.lower().encode(), hashlib.sha256).hexdigest()[:_HASH_DIGITS]
