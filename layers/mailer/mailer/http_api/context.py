"""`Call`: one HTTP request on its way through the API, as every route gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailer.deadline import Deadline
    from mailer.runtime import Runtime
    from mailer.triggers.http_events import HttpRequest


@dataclass(frozen=True)
class Call:
    """One request, who brought it, by when it must be answered, and the parts of its path."""

    request: HttpRequest
    trigger: str
    deadline: Deadline
    path: Mapping[str, str]

    @property
    def runtime(self) -> Runtime:
        """What the process holds on to; raises ConfigurationError. A route that refuses never asks for it."""
        from mailer.runtime import Runtime

        return Runtime.current()
