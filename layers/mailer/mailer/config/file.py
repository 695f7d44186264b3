"""`mailer.toml`: what a user edits, checked as a whole; an error names table, key and rule."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailer.email.native import is_native
from mailer.email.request import EmailRequest
from mailer.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .digests import DigestConfig
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

    @classmethod
    def load(cls, path: str | None) -> Config:
        """Return what the file at `path` says, or an empty configuration; raises ConfigurationError."""
        if path is None:
            return cls()
        try:
            document = _json_values(tomllib.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigurationError("MAILER_CONFIG", "names no file that can be read") from error
        except ValueError as error:
            raise ConfigurationError("mailer.toml", f"is not TOML: {error}") from error
        return cls.check(document)

    @classmethod
    def check(cls, document: dict[str, Any]) -> Config:
        """Return the configuration in a parsed mailer.toml; raises ConfigurationError."""
        if unknown := sorted(set(document) - {"defaults", *_CHECKS}):
            raise ConfigurationError(f"mailer.toml [{unknown[0]}]", "is no table that Mailer knows")
        defaults = _defaults(document.get("defaults", {}))
        return cls(
            defaults, **{name: _named(name, document[name], defaults) for name in _CHECKS if name in document}
        )


def _source(name: str, table: Any, _defaults: dict[str, Any]) -> WebhookSource:
    from .webhooks import WebhookSource

    return WebhookSource.check(name, table)


def _queue(name: str, table: Any, _defaults: dict[str, Any]) -> Queue:
    from .queues import Queue

    return Queue.check(name, table)


def _digest(name: str, table: Any, defaults: dict[str, Any]) -> DigestConfig:
    from .digests import DigestConfig

    return DigestConfig.check(name, table, defaults)


_CHECKS: dict[str, Callable[[str, Any, dict[str, Any]], Any]] = {
    "webhooks": _source,
    "queues": _queue,
    "digests": _digest,
}


def _named(kind: str, tables: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(tables, dict):
        raise ConfigurationError(f"mailer.toml [{kind}]", "must hold one table for each name")
    return {name: _CHECKS[kind](name, table, defaults) for name, table in tables.items()}


def _defaults(table: Any) -> dict[str, Any]:
    place = "mailer.toml [defaults]"
    if not isinstance(table, dict):
        raise ConfigurationError(place, "must be a table of EmailRequest fields")
    if "idempotency_key" in table:
        raise ConfigurationError(f"{place} idempotency_key", "names one email, so it can be no default")
    if is_native(table):
        raise ConfigurationError(place, "must use the fields of EmailRequest, not SendEmail's own names")
    left_out = {"to"} if {"cc", "bcc"} & table.keys() else set()
    left_out |= {"template"} if "simple" in table else set()
    sample = {name: value for name, value in _SAMPLE.items() if name not in left_out}
    try:
        EmailRequest.parse({**sample, **table})
    except InvalidRequest as error:
        first = error.errors[0]
        key = first.pointer.strip("/").replace("/", ".")
        raise ConfigurationError(f"{place} {key}", first.detail) from error
    return table


def _json_values(value: Any) -> Any:
    """Return a TOML value as JSON has it: its dates and times are strings there."""
    if isinstance(value, dict):
        return {name: _json_values(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_json_values(item) for item in value]
    return value.isoformat() if isinstance(value, (date, time)) else value
