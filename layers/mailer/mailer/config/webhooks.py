"""The tables `[webhooks.…]` of mailer.toml: which webhooks are taken, and what email each becomes."""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.errors import ConfigurationError

from .mapping import PayloadMapping
from .webhook_schemes import SCHEMES, Scheme

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = frozenset({"scheme", "secret_env", "when", "email", "map"})
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VARIABLE = re.compile(r"MAILER_[A-Z0-9_]+")


@dataclass(frozen=True)
class WebhookSource:
    """One sender of webhooks; its secrets stay in the environment."""

    name: str
    scheme: Scheme
    secret_env: str
    mapping: PayloadMapping

    @classmethod
    def check(cls, name: str, table: Any) -> WebhookSource:
        """Return the source in the table `[webhooks.NAME]`; raises ConfigurationError."""
        place = f"mailer.toml [webhooks.{name}]"
        if not (_NAME.fullmatch(name) and isinstance(table, dict)):
            raise ConfigurationError(place, "must be a table, named with letters, digits, dots and dashes")
        if unknown := sorted(set(table) - _KEYS):
            raise ConfigurationError(f"{place} {unknown[0]}", f"is none of: {', '.join(sorted(_KEYS))}")
        scheme, variable = str(table.get("scheme")), str(table.get("secret_env"))
        if scheme not in SCHEMES:
            raise ConfigurationError(f"{place} scheme", f"must be one of: {', '.join(SCHEMES)}")
        if not _VARIABLE.fullmatch(variable):
            raise ConfigurationError(f"{place} secret_env", "must name a variable MAILER_…")
        return cls(name, SCHEMES[scheme], variable, PayloadMapping.check(place, table))

    def verifies(self, headers: Mapping[str, str], body: bytes, *, verbatim: bool = True) -> bool:
        """Return whether the sender holds a secret of this source; raises ConfigurationError if it has none.

        Header names are in lower case; `verbatim` says that `body` has the bytes that were sent.
        """
        if self.scheme.signed and not verbatim:
            return False
        return self.scheme.verifies(headers, body, self._secrets(), time.time())

    def key(self, headers: Mapping[str, str], body: bytes, payload: dict[str, Any]) -> str:
        """Return the idempotency key of a webhook: its own id, else the hash of its bytes."""
        event = self.scheme.event(headers, payload)
        return f"webhook:{self.name}:{event or hashlib.sha256(body).hexdigest()}"

    def _secrets(self) -> list[bytes]:
        texts = os.environ.get(self.secret_env, "").split()
        if not texts:
            raise ConfigurationError(self.secret_env, f"must hold a secret of [webhooks.{self.name}]")
        try:
            secrets = [self.scheme.secret(text) for text in texts]
        except ValueError as error:
            raise ConfigurationError(self.secret_env, "must hold secrets such as whsec_… (base64)") from error
        return secrets
