"""HTTP as each cloud brings it: every event shape becomes one `HttpRequest`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from mailer.documents import decode_base64
from mailer.errors import InvalidRequest, UnknownEvent

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class HttpRequest:
    """One HTTP request; header names are in lower case, the body is as it was sent."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes


class _Shape(NamedTuple):
    name: str
    matches: Callable[[dict[str, Any]], bool]
    read: Callable[[dict[str, Any]], HttpRequest]


def read_http(event: Any) -> tuple[str, HttpRequest]:
    """Return the trigger's name and the request in `event`; raises UnknownEvent, or InvalidRequest."""
    if isinstance(event, dict):
        for shape in _SHAPES:
            if shape.matches(event):
                return shape.name, shape.read(event)
    raise UnknownEvent.at("", "the event is no HTTP event of API Gateway, a function URL or SCF")


def _is_v2(event: dict[str, Any]) -> bool:
    return isinstance(_dict(event.get("requestContext")).get("http"), dict)


def _is_lambda_url(event: dict[str, Any]) -> bool:
    return _is_v2(event) and ".lambda-url." in str(_dict(event["requestContext"]).get("domainName", ""))


def _is_v1(event: dict[str, Any]) -> bool:
    return "httpMethod" in event and ("resource" in event or "multiValueHeaders" in event)


def _is_scf_gateway(event: dict[str, Any]) -> bool:
    return "httpMethod" in event and "serviceId" in _dict(event.get("requestContext"))


def _is_scf_url(event: dict[str, Any]) -> bool:
    return "httpMethod" in event


def _read_v2(event: dict[str, Any]) -> HttpRequest:
    context = event["requestContext"]
    path = str(event.get("rawPath") or context["http"].get("path") or "/")
    stage = f"/{context.get('stage')}"
    if path == stage or path.startswith(stage + "/"):
        path = path[len(stage) :] or "/"
    query = dict(parse_qsl(str(event.get("rawQueryString") or ""), keep_blank_values=True))
    return HttpRequest(str(context["http"].get("method", "")), path, _headers(event), query, _body(event))


def _read_v1(event: dict[str, Any]) -> HttpRequest:
    query = (
        event.get("queryString")
        or event.get("queryStringParameters")
        or event.get("multiValueQueryStringParameters")
    )
    return HttpRequest(
        str(event["httpMethod"]), str(event.get("path") or "/"), _headers(event), _texts(query), _body(event)
    )


_SHAPES = (
    _Shape("lambda-url", _is_lambda_url, _read_v2),
    _Shape("api-gateway-v2", _is_v2, _read_v2),
    _Shape("api-gateway-v1", _is_v1, _read_v1),
    _Shape("scf-api-gateway", _is_scf_gateway, _read_v1),
    _Shape("scf-url", _is_scf_url, _read_v1),
)


def _headers(event: dict[str, Any]) -> dict[str, str]:
    given = event.get("headers") or event.get("multiValueHeaders")  # a balancer sends either
    return {name.lower(): value for name, value in _texts(given).items()}


def _texts(values: Any) -> dict[str, str]:
    """Return what the platforms write as text, a list of texts (a name repeated) or true (no value)."""
    return {
        str(name): ",".join(map(str, value))
        if isinstance(value, list)
        else ""
        if value is True
        else str(value)
        for name, value in _dict(values).items()
        if value is not None
    }


def _body(event: dict[str, Any]) -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        body = json.dumps(body)
    if str(event.get("isBase64Encoded", "")).lower() != "true":
        return body.encode(errors="surrogatepass")
    try:
        return decode_base64(body)
    except ValueError as error:
        raise InvalidRequest.at("", "the event says that its body is base64, and it is not") from error


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
