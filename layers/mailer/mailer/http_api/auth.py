"""Bearer keys, stored as SHA-256 and compared in constant time; without keys all requests are rejected."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def key_name(authorization: str | None, keys: Mapping[str, str]) -> str | None:
    """Return the name of the key in an `Authorization` header (RFC 6750), or None if it is unknown."""
    scheme, _, credentials = (authorization or "").partition(" ")
    digest = hashlib.sha256(credentials.strip().encode(errors="surrogatepass")).hexdigest()
    found = None
    for key_hash, name in keys.items():  # compare all keys: constant time
        if hmac.compare_digest(key_hash, digest):
            found = name
    return found if scheme.lower() == "bearer" else None
