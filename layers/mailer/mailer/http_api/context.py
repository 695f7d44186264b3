"""`RequestContext`: the request context passed to every route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailer.config.keys import ApiKey
    from mailer.deadline import Deadline
    from mailer.runtime import Runtime
    from mailer.triggers.http_events import HttpRequest


@dataclass(frozen=True)
class RequestContext:
    """One HTTP request, its trigger and deadline, and the parameters of its path.

    `key_name` is that of the caller's API key, on routes that need one.
    """

    request: HttpRequest
    trigger: str
    deadline: Deadline
    path: Mapping[str, str]
    key_name: str = ""

    @property
    def runtime(self) -> Runtime:
        """The process-wide dependencies, loaded when first used; raises ConfigurationError."""
        from mailer.runtime import Runtime

        return Runtime.current()

    @property
    def key(self) -> ApiKey:
        """What the caller's API key may do; raises ConfigurationError."""
        return self.runtime.config.key(self.key_name)
