"""Bearer keys, held as SHA-256 and compared in constant time; with none configured nobody gets in."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def key_name(authorization: str | None, keys: Mapping[str, str]) -> str | None:
    """Return the name of the key in an `Authorization` header (RFC 6750), or None if it opens nothing."""
    scheme, _, credentials = (authorization or "").partition(" ")
    digest = hashlib.sha256(credentials.strip().encode(errors="surrogatepass")).hexdigest()
    found = None
    for known, name in keys.items():  # every key is compared, so the time tells nothing
        if hmac.compare_digest(known, digest):
            found = name
    return found if scheme.lower() == "bearer" else None
