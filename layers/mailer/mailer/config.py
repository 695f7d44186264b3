"""`mailer.toml`: what a user edits, checked as a whole; an error names table, key and rule."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError, InvalidRequest
from .request import EmailRequest

if TYPE_CHECKING:
    from .queues import Queue

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SAMPLE = {"from": "a@b.example", "to": "c@d.example", "subject": "-", "template": {"id": 1}}


@dataclass(frozen=True)
class Config:
    """The tables of mailer.toml; `defaults` are fields of `EmailRequest`."""

    defaults: dict[str, Any] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | None) -> Config:
        """Return what the file at `path` says, or an empty configuration; raises ConfigurationError."""
        if path is None:
            return cls()
        try:
            document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError("MAILER_CONFIG", "names no file that can be read") from error
        except ValueError as error:
            raise ConfigurationError("mailer.toml", f"is not TOML: {error}") from error
        return cls.check(document)

    @classmethod
    def check(cls, document: dict[str, Any]) -> Config:
        """Return the configuration in a parsed mailer.toml; raises ConfigurationError."""
        known = {"defaults", "queues"}
        if unknown := sorted(set(document) - known):
            raise ConfigurationError(f"mailer.toml [{unknown[0]}]", "is no table that Mailer knows")
        return cls(
            defaults=_defaults(document.get("defaults", {})),
            queues=_queues(document.get("queues", {})),
        )


def _defaults(table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ConfigurationError("mailer.toml [defaults]", "must be a table of EmailRequest fields")
    content = {"template": None} if "simple" in table else {}
    try:
        EmailRequest.parse({**_SAMPLE, **content, **table})
    except InvalidRequest as error:
        first = error.errors[0]
        key = first.pointer.strip("/").replace("/", ".")
        raise ConfigurationError(f"mailer.toml [defaults] {key}", first.detail) from error
    return table


def _queues(tables: Any) -> dict[str, Queue]:
    if not tables:
        return {}
    from .queues import Queue

    if not isinstance(tables, dict):
        raise ConfigurationError("mailer.toml [queues]", "must hold one table for each kind of message")
    return {name: Queue.check(name, table) for name, table in tables.items()}
