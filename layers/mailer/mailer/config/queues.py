"""`[queues.NAME]` of mailer.toml: which messages are no email request themselves, and what they become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.errors import ConfigurationError

from .mapping import PayloadMapping

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = {"match", "when", "email", "map"}
_ORIGINS = {"topic", "queue", "source"}


@dataclass(frozen=True)
class Queue:
    """One table: the origin that its messages have, and their mapping."""

    match: dict[str, str]
    mapping: PayloadMapping

    @classmethod
    def check(cls, name: str, table: Any) -> Queue:
        """Return the queue that a table describes; raises ConfigurationError."""
        place = f"mailer.toml [queues.{name}]"
        if not isinstance(table, dict):
            raise ConfigurationError(place, "must be a table")
        if unknown := sorted(set(table) - _KEYS):
            raise ConfigurationError(f"{place} {unknown[0]}", f"must be one of {', '.join(sorted(_KEYS))}")
        match = table.get("match")
        if (
            not isinstance(match, dict)
            or not match
            or not match.keys() <= _ORIGINS
            or not all(isinstance(value, str) and value for value in match.values())
        ):
            raise ConfigurationError(f"{place} match", "must name a topic, a queue or a source")
        return cls(match, PayloadMapping.check(place, table))

    def matches(self, origin: Mapping[str, str]) -> bool:
        """Tell whether messages from `origin` are this table's."""
        return all(origin.get(key) == value for key, value in self.match.items())
