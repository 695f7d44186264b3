"""Email ids derived from the idempotency key, Message-IDs, and hashes of addresses."""

from __future__ import annotations

import base64
import hashlib
import uuid

from .addresses import domain_of

ID_CHARACTERS = 32


def id_for(account: str, key: str) -> str:
    """Return the id of the email that `key` names in `account`: 32 characters of lower-case base32."""
    digest = hashlib.sha256(account.encode() + key.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:ID_CHARACTERS]


def fresh_key() -> str:
    """Return a key that no other email has, for a request that names none."""
    return uuid.uuid4().hex


def smtp_message_id_for(email_id: str, sender: str) -> str:
    """Return the Message-ID (RFC 5322 §3.6.4, without brackets) of an email from `sender`."""
    return f"{email_id}@{domain_of(sender)}"


def address_hash(address: str) -> str:
    """Return the hash of an address, for the ledger and the logs: it is not reversible to an address."""
    return hashlib.sha256(address.lower().encode()).hexdigest()[:20]
