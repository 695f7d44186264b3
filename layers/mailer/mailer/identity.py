"""Who an email is: its id from the idempotency key, and the fingerprint of what was asked."""

from __future__ import annotations

import base64
import hashlib
import uuid
from typing import TYPE_CHECKING

from .documents import canonical

if TYPE_CHECKING:
    from .request import EmailRequest

ID_CHARACTERS = 32


def email_id(account: str, key: str) -> str:
    """Return the id of the email that `key` names in `account`: 32 characters of lower-case base32."""
    digest = hashlib.sha256(account.encode() + key.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:ID_CHARACTERS]


def fresh_key() -> str:
    """Return a key that no other email has, for a request that names none."""
    return uuid.uuid4().hex


def fingerprint(request: EmailRequest) -> str:
    """Return the SHA-256 of all that `request` asks for, but for the key itself."""
    document = request.document()
    document.pop("idempotency_key", None)
    return hashlib.sha256(canonical(document)).hexdigest()


def address_hash(address: str) -> str:
    """Return what stands for an address in the ledger's keys and in logs: no one can be mailed by it."""
    return hashlib.sha256(address.lower().encode()).hexdigest()[:20]
