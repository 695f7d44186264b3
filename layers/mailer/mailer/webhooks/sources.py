"""The tables `[webhooks.…]` of mailer.toml: which webhooks are taken, and what email each becomes."""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.errors import ConfigurationError
from mailer.mapping import Mapping

from .schemes import SCHEMES, Scheme

if TYPE_CHECKING:
    from mailer.triggers.http_events import HttpRequest

_KEYS = frozenset({"scheme", "secret_env", "when", "email", "map"})
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VARIABLE = re.compile(r"MAILER_[A-Z0-9_]+")


@dataclass(frozen=True)
class Source:
    """One sender of webhooks; its secrets stay in the environment."""

    name: str
    scheme: Scheme
    secret_env: str
    mapping: Mapping

    @classmethod
    def check(cls, name: str, table: Any) -> Source:
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
        return cls(name, SCHEMES[scheme], variable, Mapping.check(place, table))

    def verifies(self, request: HttpRequest) -> bool:
        """Tell whether the sender holds a secret of this source; raises ConfigurationError if it has none."""
        if self.scheme.signed and not request.exact:
            return False
        return self.scheme.verifies(request.headers, request.body, self._secrets(), time.time())

    def key(self, request: HttpRequest, payload: dict[str, Any]) -> str:
        """Return the idempotency key of a webhook: its own id, or else what stands for its bytes."""
        event = self.scheme.event(request.headers, payload)
        return f"webhook:{self.name}:{event or hashlib.sha256(request.body).hexdigest()}"

    def _secrets(self) -> list[bytes]:
        texts = os.environ.get(self.secret_env, "").split()
        if not texts:
            raise ConfigurationError(self.secret_env, f"must hold a secret of [webhooks.{self.name}]")
        try:
            secrets = [self.scheme.secret(text) for text in texts]
        except ValueError as error:
            raise ConfigurationError(self.secret_env, "must hold secrets such as whsec_… (base64)") from error
        return secrets
