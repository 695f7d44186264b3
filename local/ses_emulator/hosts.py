"""The names of the emulator in a URL, and the requests of browsers that are rejected for another name.

A page whose DNS name is changed to a loopback address (DNS rebinding) has the emulator's own origin as far as
its browser can see. Only the Host header shows it, so the set of own names is fixed, and no request adds one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .response import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK_NAMES = ("127.0.0.1", "[::1]", "localhost")
DEFAULT_PORTS = {"http": 80, "https": 443}


def own_hosts(host: str, port: int, scheme: str = "http") -> frozenset[str]:
    """Return the Host headers, in lower case, of a server that was started with `host` and `port`."""
    started_with = f"[{host}]" if ":" in host else host
    suffixes = (f":{port}", "") if port == DEFAULT_PORTS[scheme] else (f":{port}",)
    return frozenset(
        f"{name.lower()}{suffix}" for name in (*LOOPBACK_NAMES, started_with) if name for suffix in suffixes
    )


def reject_host(headers: Mapping[str, str], own: frozenset[str], scheme: str) -> Response | None:
    """Return the 421 response to a request for a host that is not in `own`, None for any other request."""
    if headers.get("host", "").lower() in own:
        return None
    urls = " or ".join(f"{scheme}://{host}" for host in sorted(own))
    return json_response(
        {"error": f"the URL must begin with {urls}; start it with --host for another name"}, 421
    )


def reject_origin(headers: Mapping[str, str], own: frozenset[str]) -> Response | None:
    """Return the 403 response to a request that a browser sends for a page of another origin, else None."""
    origin = headers.get("origin")
    if origin is None:
        return None
    host = origin.partition("://")[2].lower()
    if host in own and host == headers.get("host", "").lower():
        return None
    return json_response({"error": "requests from pages of other origins are rejected"}, 403)
