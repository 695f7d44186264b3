"""The route table: one line per route, the same for every event shape; `HEAD` is wherever `GET` is.

To add a route, add its line here, its handler in a module of this package (it takes a `RequestContext`,
returns a `Response[str]` and may raise any `MailerError`), and its operation in
`docs/openapi/operations.py`.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.event_handler import Response

    from mailer.config.keys import Permission

    from .context import RequestContext


class Route(NamedTuple):
    """One line: `handler` is `module:function` of this package, imported when it is first needed.

    `permission` is what an API key needs; a route without it authenticates its callers itself, or is public.
    `json` requires a JSON body, `form` takes a form too.
    """

    method: str
    path: str
    handler: str
    permission: Permission | None = None
    json: bool = False
    form: bool = False

    def load(self) -> Callable[[RequestContext], Response[str]]:
        """Return the handler function."""
        module, _, name = self.handler.partition(":")
        function: Callable[[RequestContext], Response[str]]
        function = getattr(import_module(f".{module}", __package__), name)
        return function

    def matches(self, path: str) -> bool:
        """Return whether `path` is this route's, whatever the method."""
        return bool(re.fullmatch(re.sub(r"<\w+>", "[^/]+", re.escape(self.path)), path))


_ROUTES = (
    Route("POST", "/emails", "emails:post_email", "send", json=True),
    Route("POST", "/emails/batch", "batch:post_batch", "send", json=True),
    Route("GET", "/emails/<email>", "emails:get_email", "read"),
    Route("POST", "/webhooks/<source>", "webhooks:post_webhook", json=True, form=True),
    Route("POST", "/digests/<digest>/items", "digest_items:post_items", "digest", json=True),
    Route("POST", "/ses/events/<token>", "ses_events:post_events"),
    Route("GET", "/health", "pages:get_health"),
    Route("GET", "/openapi.json", "pages:get_openapi"),
    Route("GET", "/docs", "pages:get_docs"),
    Route("GET", "/docs/<file>", "pages:get_docs_file"),
    Route("GET", "/", "pages:get_root"),
)
ROUTES = (*_ROUTES, *(route._replace(method="HEAD") for route in _ROUTES if route.method == "GET"))


def allowed_methods(path: str) -> list[str]:
    """Return the methods of `path`, sorted; none if there is no such path.

    A literal path takes precedence over one with parameters: `/emails/batch` is not an email.
    """
    exact = [route for route in ROUTES if route.path == path]
    return sorted({route.method for route in exact or ROUTES if route.matches(path)})
