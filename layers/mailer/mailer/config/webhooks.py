"""`[webhooks.NAME]` of mailer.toml: senders of webhooks, and the email for each payload."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from mailer.email.field_errors import Rule
from mailer.email.identity import PlatformKey
from mailer.errors import ConfigurationError

from .mapping import MappedTable
from .webhook_schemes import SCHEMES, Scheme

if TYPE_CHECKING:
    from collections.abc import Mapping


MIN_SECRET_BYTES = 16


class WebhookSource(MappedTable):
    """One sender of webhooks; its secrets stay in the environment, in the variable `secret_env`."""

    SECTION: ClassVar[str] = "webhooks"
    UNKNOWN_KEY: ClassVar[str] = "unknown webhook key"

    scheme_name: Annotated[str, Rule(f"must be one of: {', '.join(SCHEMES)}", SCHEMES.__contains__)] = Field(
        alias="scheme"
    )
    secret_env: Annotated[
        str, StringConstraints(pattern="^MAILER_[A-Z0-9_]+$"), Rule("must name a variable MAILER_…")
    ]

    @property
    def scheme(self) -> Scheme:
        """The signature scheme of the sender."""
        return SCHEMES[self.scheme_name]

    def verifies(self, headers: Mapping[str, str], body: bytes, *, verbatim: bool = True) -> bool:
        """Return whether the sender has a secret of this source; raises ConfigurationError if none is set.

        Header names are in lower case; `verbatim` says that `body` has the exact bytes that were sent.
        """
        if self.scheme.signed and not verbatim:
            return False
        return self.scheme.verifies(headers, body, self._secrets(), time.time())

    def key(self, headers: Mapping[str, str], body: bytes, payload: dict[str, Any]) -> PlatformKey:
        """Return the key of a webhook, the same at every delivery: its own id, else the hash of its bytes."""
        event, old_event = self.scheme.event(headers, payload), self.scheme.old_event(headers, payload)
        return PlatformKey(
            self._key(event or hashlib.sha256(body).hexdigest()), self._key(old_event) if old_event else None
        )

    def _key(self, event: object) -> str:
        """Return a key that can be stored: a header is not always text in UTF-8."""
        return f"webhook:{self.name}:{event}".encode(errors="backslashreplace").decode()

    @property
    def namespace(self) -> str:
        """The namespace of the idempotency keys that the payload is mapped to: no API key's is the same."""
        return f"webhook:{self.name}"

    def secret_error(self) -> ConfigurationError | None:
        """Return what is wrong with the secrets, or None if the webhooks can be verified."""
        try:
            self._secrets()
        except ConfigurationError as error:
            return error
        return None

    def _secrets(self) -> list[bytes]:
        texts = os.environ.get(self.secret_env, "").split()
        if not texts:
            raise ConfigurationError(self.secret_env, f"must hold a secret of [webhooks.{self.name}]")
        try:
            secrets = [self.scheme.secret(text) for text in texts]
        except ValueError as error:
            raise ConfigurationError(self.secret_env, "must hold secrets such as whsec_… (base64)") from error
        if min(map(len, secrets)) < MIN_SECRET_BYTES:
            raise ConfigurationError(
                self.secret_env, f"must hold secrets of at least {MIN_SECRET_BYTES} bytes each"
            )
        return secrets
