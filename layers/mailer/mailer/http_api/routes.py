"""The route table: one line a route, the same for every event shape of every cloud.

To add a route, add its line here, its function in a module of this package (it takes a `Call`, returns a
`Response[str]` and may raise any `MailerError`), and its operation in `docs/openapi/operations.py`.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.event_handler import Response

    from .context import Call


class Route(NamedTuple):
    """One line: `answer` is `module:function`, imported when it is first asked for.

    `key` asks for an API key; what has none checks its caller itself, or is open. `json` asks for JSON.
    """

    method: str
    path: str
    answer: str
    key: bool = False
    json: bool = False

    def load(self) -> Callable[[Call], Response[str]]:
        """Return the function that answers."""
        module, _, function = self.answer.partition(":")
        answer: Callable[[Call], Response[str]] = getattr(import_module(f".{module}", __package__), function)
        return answer

    def matches(self, path: str) -> bool:
        """Tell whether `path` is this route's, whatever the method."""
        return bool(re.fullmatch(re.sub(r"<\w+>", "[^/]+", re.escape(self.path)), path))


ROUTES = (
    Route("POST", "/emails", "emails:post_email", key=True, json=True),
    Route("POST", "/emails/batch", "batch:post_batch", key=True, json=True),
    Route("GET", "/emails/<email>", "emails:get_email", key=True),
    Route("POST", "/webhooks/<source>", "webhooks:post_webhook", json=True),
    Route("POST", "/digests/<digest>/items", "digest_items:post_items", key=True, json=True),
    Route("POST", "/ses/events/<token>", "ses_events:post_events"),
    Route("GET", "/health", "pages:get_health"),
    Route("GET", "/openapi.json", "pages:get_openapi"),
    Route("GET", "/docs", "pages:get_docs"),
)


def allowed_methods(path: str) -> list[str]:
    """Return the methods of `path`, in order; none means that there is no such path.

    A path of its own goes before one with parts: `/emails/batch` is no email.
    """
    exact = [route for route in ROUTES if route.path == path]
    return sorted({route.method for route in exact or ROUTES if route.matches(path)})
