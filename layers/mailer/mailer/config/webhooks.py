"""`[webhooks.NAME]` of mailer.toml: senders of webhooks, and the email for each payload."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from jmespath.exceptions import JMESPathError
from pydantic import Field, PrivateAttr, StringConstraints, model_validator

from mailer.email.field_errors import Rule, errors_at
from mailer.email.identity import PlatformKey
from mailer.email.limits import MAX_BATCH
from mailer.errors import ConfigurationError, InvalidRequest

from .expressions import Expression
from .mapping import MappedTable
from .webhook_hmac import HmacTable
from .webhook_schemes import SCHEMES, Scheme, hmac_scheme

if TYPE_CHECKING:
    from typing_extensions import Self

    from .webhook_delivery import Delivery


MIN_SECRET_BYTES = 16
_OF_TABLE = "hmac"
_SCHEME_NAMES = (*SCHEMES, _OF_TABLE)


class WebhookSource(MappedTable):
    """One sender of webhooks; its secrets stay in the environment, in the variable `secret_env`.

    `each` finds the events of a payload that has several.
    """

    SECTION: ClassVar[str] = "webhooks"
    UNKNOWN_KEY: ClassVar[str] = "unknown webhook key"

    scheme_name: Annotated[
        str, Rule(f"must be one of: {', '.join(_SCHEME_NAMES)}", _SCHEME_NAMES.__contains__)
    ] = Field(alias="scheme")
    secret_env: Annotated[
        str, StringConstraints(pattern="^MAILER_[A-Z0-9_]+$"), Rule("must name a variable MAILER_…")
    ]
    hmac: dict[str, Any] | None = None
    each: Annotated[Expression, Rule("must be a JMESPath expression")] | None = None

    _scheme: Scheme = PrivateAttr()

    @model_validator(mode="after")
    def _check_scheme(self) -> Self:
        """Take the scheme from its name or, if that is hmac, from its table; raises ConfigurationError."""
        if (self.scheme_name == _OF_TABLE) != (self.hmac is not None):
            raise errors_at([(("hmac",), f'is the table of `scheme = "{_OF_TABLE}"`, and of no other')])
        self._scheme = (
            SCHEMES[self.scheme_name]
            if self.hmac is None
            else hmac_scheme(HmacTable.parse((self.SECTION, self.name, "hmac"), self.hmac))
        )
        return self

    @property
    def scheme(self) -> Scheme:
        """The signature scheme of the sender."""
        return self._scheme

    def verifies(self, delivery: Delivery) -> bool:
        """Return whether the sender has a secret of this source; raises ConfigurationError if none is set."""
        if self.scheme.needs_bytes and not delivery.verbatim:
            return False
        return self.scheme.verifies(delivery, self._secrets(), time.time())

    def key(self, delivery: Delivery) -> PlatformKey:
        """Return the key of a webhook, the same at every delivery: its own id, else the hash of its bytes."""
        event, old_event = self.scheme.event(delivery), self.scheme.old_event(delivery)
        return PlatformKey(
            self._key(event or hashlib.sha256(delivery.body).hexdigest()),
            self._key(old_event) if old_event else None,
        )

    def events(self, key: PlatformKey, delivery: Delivery) -> list[tuple[PlatformKey, Any, Any]]:
        """Return the events of a webhook with the key `key`: the key, payload and body of each.

        It is the webhook itself, or what `each` finds, each with its place in the key. Raises InvalidRequest.
        """
        if self.each is None:
            return [(key, delivery.payload, delivery.body)]
        try:
            found = self.each.search(delivery.payload)
        except JMESPathError:
            found = None
        if not isinstance(found, list) or len(found) > MAX_BATCH:
            rule = f"`each` must find a list of at most {MAX_BATCH} events"
            raise InvalidRequest.at("", f"{rule}: the expression `{self.each.expression}` does not")
        return [(PlatformKey(f"{key.text}:{index}"), event, event) for index, event in enumerate(found)]

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
            raise ConfigurationError(self.secret_env, self.scheme.rule) from error
        if min(map(len, secrets)) < MIN_SECRET_BYTES:
            raise ConfigurationError(
                self.secret_env, f"must hold secrets of at least {MIN_SECRET_BYTES} bytes each"
            )
        return secrets
