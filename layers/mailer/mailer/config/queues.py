"""`[queues.NAME]` of mailer.toml: messages from elsewhere, and the email for each payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from mailer.email.field_errors import Rule

from .mapping import MappedTable

if TYPE_CHECKING:
    from collections.abc import Mapping

_OriginKey = Literal["topic", "queue", "source"]
_OriginValue = Annotated[str, Field(min_length=1)]


class Queue(MappedTable):
    """One table: the origin of its messages, and their mapping."""

    SECTION: ClassVar[str] = "queues"
    UNKNOWN_KEY: ClassVar[str] = "unknown queue key"

    match: Annotated[
        dict[_OriginKey, _OriginValue], Field(min_length=1), Rule("must name a topic, a queue or a source")
    ]

    def matches(self, origin: Mapping[str, str]) -> bool:
        """Return whether this table is for messages from `origin`."""
        return all(origin.get(key) == value for key, value in self.match.items())
