"""The base path, what a URL's path has before a route: routes are found without it, and links keep it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from mailer.config.settings import Settings
from mailer.errors import ConfigurationError

from .routes import allowed_methods

if TYPE_CHECKING:
    from mailer.triggers.http_events import HttpRequest

_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~$+!*'(),@:;&=-]|%[0-9A-Fa-f]{2})+)*")  # RFC 3986, section 3.3


def at_route(request: HttpRequest) -> HttpRequest:
    """Return the request with the path of its route, and with the base path of links to this API.

    `MAILER_BASE_PATH` is that of links, whether or not the request has it; unset, it is what the event says,
    where that is the path of a URL. A slash at the path's end makes no difference.
    """
    setting = _setting()
    path = request.path.removesuffix("/") or "/"
    splits = [_split(path, setting or ""), ("", path)]
    routes = [split for split in splits if allowed_methods(split[1])]
    found = [split for split in routes if request.method in allowed_methods(split[1])]
    # A gateway's route may be the root of this API or one of its routes; only below it the two differ.
    below = _split(path, request.prefix) if path != request.prefix else ("", path)
    base, path = next(iter(found or routes), below)
    links = request.base + base if setting is None else setting
    return replace(request, path=path, base=links if _PATH.fullmatch(links) else "")


def _setting() -> str | None:
    try:
        return Settings.current().base_path
    except ConfigurationError:  # the response reports it
        return None


def _split(path: str, base: str) -> tuple[str, str]:
    below = base and (path == base or path.startswith(base + "/"))
    return (base, path[len(base) :] or "/") if below else ("", path)
