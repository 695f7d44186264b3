"""`mailer.toml`: user configuration, validated on load; an error names table, key and rule."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, StringConstraints

from mailer.email.field_errors import Rule, errors_at
from mailer.email.json_pointer import pointer_location
from mailer.email.native import is_native
from mailer.email.request import EmailRequest
from mailer.errors import ConfigurationError, InvalidRequest

from .table import Table

if TYPE_CHECKING:
    from .digests import DigestConfig
    from .keys import ApiKey
    from .queues import Queue
    from .webhooks import WebhookSource

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SAMPLE = {"from": "a@b.example", "to": "c@d.example", "subject": "-", "template": {"id": 1}}


@dataclass(frozen=True)
class Config:
    """The tables of mailer.toml; `defaults` are fields of `EmailRequest`, the others go by their names."""

    defaults: dict[str, Any] = field(default_factory=dict)
    webhooks: dict[str, WebhookSource] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    digests: dict[str, DigestConfig] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)

    def key(self, name: str) -> ApiKey:
        """Return what the API key of that name may do, whether or not it has a table."""
        from .keys import ApiKey

        return self.keys.get(name) or ApiKey.from_toml(name, {})

    @classmethod
    def load(cls, path: str | None) -> Config:
        """Return the configuration in the file at `path`, empty for None; raises ConfigurationError."""
        if path is None:
            return cls()
        try:
            document = _json_values(tomllib.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigurationError("MAILER_CONFIG", "names no file that can be read") from error
        except ValueError as error:
            raise ConfigurationError("mailer.toml", f"is not TOML: {error}") from error
        return cls.from_toml(document)

    @classmethod
    def from_toml(cls, document: dict[str, Any]) -> Config:
        """Return the configuration in a parsed mailer.toml; raises ConfigurationError."""
        tables = _Document.parse((), document)
        return cls(
            tables.defaults,
            _webhooks(tables.webhooks) if tables.webhooks else {},
            _queues(tables.queues) if tables.queues else {},
            _digests(tables.digests, tables.defaults) if tables.digests else {},
            _keys(tables.keys) if tables.keys else {},
        )


def _check_defaults(table: dict[str, Any]) -> dict[str, Any]:
    if "idempotency_key" in table:
        raise errors_at([(("idempotency_key",), "must not be set in [defaults]")])
    if is_native(table):
        raise ValueError("must use the fields of EmailRequest, not SendEmail's own names")
    left_out = {"to"} if {"cc", "bcc"} & table.keys() else set()
    left_out |= {"template"} if "simple" in table else set()
    sample = {name: value for name, value in _SAMPLE.items() if name not in left_out}
    sample |= {"from": table["header_from"]} if "header_from" in table else {}  # a sender of the same domain
    try:
        EmailRequest.parse({**sample, **table})
    except InvalidRequest as error:
        found = [(pointer_location(one.pointer), one.detail) for one in error.errors]
        found.sort(key=lambda one: not table.keys() & set(one[0][:1]))  # what the table has comes first
        raise errors_at(found) from error
    return table


_Defaults = Annotated[
    dict[str, Any], Rule("must be a table of EmailRequest fields"), AfterValidator(_check_defaults)
]
_SourceName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$"),
    Rule("must be named with 1 to 64 letters, digits, dots, dashes and underscores"),
]
_DigestName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$"),
    Rule("must be named with 1 to 32 of a-z, 0-9, - and _"),
]


class _Document(Table):
    """All of mailer.toml; named tables are parsed later, by modules that are loaded only if there are any."""

    UNKNOWN_KEY: ClassVar[str] = "unknown table"

    defaults: _Defaults = Field(default_factory=dict)
    webhooks: dict[_SourceName, Any] = Field(default_factory=dict)
    queues: dict[str, Any] = Field(default_factory=dict)
    digests: dict[_DigestName, Any] = Field(default_factory=dict)
    keys: dict[str, Any] = Field(default_factory=dict)


def _webhooks(tables: dict[str, Any]) -> dict[str, WebhookSource]:
    from .webhooks import WebhookSource

    return {name: WebhookSource.from_toml(name, table) for name, table in tables.items()}


def _queues(tables: dict[str, Any]) -> dict[str, Queue]:
    from .queues import Queue

    return {name: Queue.from_toml(name, table) for name, table in tables.items()}


def _digests(tables: dict[str, Any], defaults: dict[str, Any]) -> dict[str, DigestConfig]:
    from .digests import DigestConfig

    return {name: DigestConfig.from_toml(name, table, defaults=defaults) for name, table in tables.items()}


def _keys(tables: dict[str, Any]) -> dict[str, ApiKey]:
    from .keys import ApiKey

    return {name: ApiKey.from_toml(name, table) for name, table in tables.items()}


def _json_values(value: Any) -> Any:
    """Return a TOML value as JSON has it: its dates and times are strings there."""
    if isinstance(value, dict):
        return {name: _json_values(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_json_values(item) for item in value]
    return value.isoformat() if isinstance(value, (date, time)) else value
