"""`RequestContext`: the request context passed to every route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailer.deadline import Deadline
    from mailer.runtime import Runtime
    from mailer.triggers.http_events import HttpRequest


@dataclass(frozen=True)
class RequestContext:
    """One HTTP request, its trigger and deadline, and the parameters of its path."""

    request: HttpRequest
    trigger: str
    deadline: Deadline
    path: Mapping[str, str]

    @property
    def runtime(self) -> Runtime:
        """The process-wide dependencies, loaded when first used; raises ConfigurationError."""
        from mailer.runtime import Runtime

        return Runtime.current()
