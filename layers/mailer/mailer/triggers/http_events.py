"""HTTP event adapters: every event shape becomes an `HttpRequest`; one response format fits all of them.

Sources: AWS's event formats of API Gateway, function URLs, Application Load Balancer and VPC Lattice; Tencent
SCF's of function URLs, API Gateway (legacy) and CLB.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlencode

from mailer.email.limits import MAX_HEADERS
from mailer.email.strict_json import decode_base64
from mailer.errors import InvalidRequest, UnknownEvent

from .fields import as_object

if TYPE_CHECKING:
    from collections.abc import Callable

_PARAMETER = re.compile(r"\{([^{}+]+)\+?\}")
# The triggers whose platform decodes a response in base64 without a setting of its own: a REST API needs
# `binaryMediaTypes`, and of SCF's function URLs it is not documented.
BASE64_ANSWERS = frozenset({"lambda-url", "api-gateway-v2", "alb", "vpc-lattice-v1", "vpc-lattice-v2"})
_LATTICE_NAMES = frozenset({"serviceNetworkArn", "serviceArn"})
_MAX_PARAMETERS = 100  # of a query, of which nothing but a signature is read


@dataclass(frozen=True)
class HttpRequest:
    """One HTTP request; header names are in lower case.

    `body_is_verbatim` says that `body` has the bytes that were sent, which signatures need: CLB parses JSON.
    `base` is what the URL's path has before `path`: the stage of an HTTP API, the API mapping of a domain.
    `encoded_body` has the bytes as they were sent, where `body` was inflated.
    `prefix` is what the gateway's own route begins with, which may be before the function's route in `path`.
    `full_path` is the path with its query, as far as the event shows how the client wrote it: some signatures
    cover it.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    body_is_verbatim: bool = True
    base: str = ""
    prefix: str = ""
    encoded_body: bytes | None = None
    full_path: str = field(default="", compare=False)


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
    raise UnknownEvent.at("", "is not an HTTP event of API Gateway, a function URL, a load balancer or SCF")


def write_http(
    event: Any, status: int, headers: dict[str, str], body: str, *, base64_encoded: bool = False
) -> dict[str, Any]:
    """Return the response to `event`: the four fields that every platform reads."""
    response = {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": base64_encoded}
    if isinstance(event, dict) and _is_alb(event) and "multiValueHeaders" in event:
        # With multi-value headers switched on, ALB ignores `headers`.
        response["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    return response


def _is_v2(event: dict[str, Any]) -> bool:
    return isinstance(as_object(event.get("requestContext")).get("http"), dict)


def _is_lambda_url(event: dict[str, Any]) -> bool:
    return _is_v2(event) and ".lambda-url." in _text(event["requestContext"].get("domainName"))


def _is_alb(event: dict[str, Any]) -> bool:
    return "httpMethod" in event and "elb" in as_object(event.get("requestContext"))


def _is_v1(event: dict[str, Any]) -> bool:
    return "httpMethod" in event and "resource" in event


def _is_scf_gateway(event: dict[str, Any]) -> bool:
    return "httpMethod" in event and "serviceId" in as_object(event.get("requestContext"))


def _is_scf_url(event: dict[str, Any]) -> bool:
    return "httpMethod" in event


def _is_lattice_v1(event: dict[str, Any]) -> bool:
    return "method" in event and "raw_path" in event


def _is_lattice_v2(event: dict[str, Any]) -> bool:
    context = as_object(event.get("requestContext"))
    return "method" in event and "path" in event and not context.keys().isdisjoint(_LATTICE_NAMES)


def _is_clb(event: dict[str, Any]) -> bool:
    return "payload" in event and "headers" in event


def _read_v2(event: dict[str, Any]) -> HttpRequest:
    context = event["requestContext"]
    path = _text(event.get("rawPath") or context["http"].get("path")) or "/"
    full_path = _with_query(path, _text(event.get("rawQueryString")))
    stage = f"/{_text(context.get('stage'))}"
    base = ""
    if path == stage or path.startswith(stage + "/"):
        base, path = stage, path[len(stage) :] or "/"
    template = _text(event.get("routeKey")).partition(" ")[2]  # "GET /emails/{id}", or "$default"
    mapping, path = _split_mapping(path, template, event)
    headers, body = _headers(event), _body(event, "body")
    method = _text(context["http"].get("method"))
    return HttpRequest(
        method, path, headers, *body, base=base + mapping, prefix=_prefix(template), full_path=full_path
    )


def _read_v1(event: dict[str, Any]) -> HttpRequest:
    template = _text(event.get("resource"))
    base, path = _split_mapping(_text(event.get("path")) or "/", template, event)
    headers, body, prefix = _headers(event), _body(event, "body"), _prefix(template)
    whole = _text(as_object(event.get("requestContext")).get("path")) if _is_v1(event) else ""
    full_path = _with_query(whole or _text(event.get("path")) or "/", _query(event))
    method = _text(event["httpMethod"])
    return HttpRequest(method, path, headers, *body, base=base, prefix=prefix, full_path=full_path)


def _read_scf_gateway(event: dict[str, Any]) -> HttpRequest:
    template = _text(event["requestContext"].get("path"))
    return replace(_read_v1(event), prefix=_prefix(template))


def _read_lattice_v1(event: dict[str, Any]) -> HttpRequest:
    body = _body(event, "body", "is_base64_encoded")
    path = _text(event["raw_path"])
    return HttpRequest(_text(event["method"]), _without_query(path), _headers(event), *body, full_path=path)


def _read_lattice_v2(event: dict[str, Any]) -> HttpRequest:
    body = _body(event, "body")
    path = _text(event["path"])
    return HttpRequest(_text(event["method"]), _without_query(path), _headers(event), *body, full_path=path)


def _read_clb(event: dict[str, Any]) -> HttpRequest:
    headers = _headers(event)
    if not (headers.get("x-method") and headers.get("x-uri")):
        raise UnknownEvent.at(
            "/headers", "CLB must be set to pass the method and the path: X-Method and X-Uri"
        )
    path = _without_query(headers["x-uri"])
    return HttpRequest(
        headers["x-method"], path, headers, *_body(event, "payload"), full_path=headers["x-uri"]
    )


_SHAPES = (
    _Shape("lambda-url", _is_lambda_url, _read_v2),
    _Shape("api-gateway-v2", _is_v2, _read_v2),
    _Shape("alb", _is_alb, _read_v1),
    _Shape("api-gateway-v1", _is_v1, _read_v1),
    _Shape("scf-api-gateway", _is_scf_gateway, _read_scf_gateway),
    _Shape("scf-url", _is_scf_url, _read_v1),
    _Shape("vpc-lattice-v2", _is_lattice_v2, _read_lattice_v2),
    _Shape("vpc-lattice-v1", _is_lattice_v1, _read_lattice_v1),
    _Shape("clb", _is_clb, _read_clb),
)


def _query(event: dict[str, Any]) -> str:
    """Return the query of an event that has it in parts: decoded, but for a load balancer's."""
    names = ("multiValueQueryStringParameters", "queryStringParameters", "queryString")
    given = next(filter(None, (as_object(event.get(name)) for name in names)), {})
    few = islice(given.items(), _MAX_PARAMETERS)
    pairs = [(str(name), _text(one)) for name, value in few for one in _as_list(value)[:_MAX_PARAMETERS]]
    if _is_alb(event):
        return "&".join(f"{name}={value}" for name, value in pairs)
    return urlencode(pairs, errors="surrogatepass")


def _with_query(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _headers(event: dict[str, Any]) -> dict[str, str]:
    """Return the headers; a value is a text, a list of texts (a repeated name) or true (no value)."""
    given = as_object(event.get("headers")) or as_object(event.get("multiValueHeaders"))  # ALB sends either
    few = islice(given.items(), MAX_HEADERS + 1)  # enough to see that there are too many
    return {str(name).lower(): _header(value) for name, value in few if value is not None}


def _header(value: Any) -> str:
    return ",".join(map(_text, value)) if isinstance(value, list) else "" if value is True else _text(value)


def _split_mapping(path: str, template: str, event: dict[str, Any]) -> tuple[str, str]:
    """Return what is before the part of `path` that `template`, the gateway's route, matched, and that part.

    An API mapping of a custom domain is in the path, and in neither the route nor its parameters.
    """
    parameters = as_object(event.get("pathParameters"))
    values = [parameters.get(name) for name in _PARAMETER.findall(template)]
    texts = [value for value in values if isinstance(value, str)]
    if not template or len(texts) < len(values) or sum(map(len, texts)) > len(path):
        return "", path
    matched = _PARAMETER.sub(lambda name: parameters[name[1]], template)
    matched, decoded = (unquote(text).rstrip("/") for text in (matched, path))  # parameters may be decoded
    base = decoded.removesuffix(matched)
    if not (decoded.endswith(matched) and path.startswith(base)):
        return "", path
    return base, path[len(base) :] or "/"


def _prefix(template: str) -> str:
    """Return what is before the first parameter of a gateway's route."""
    return template.partition("/{")[0].rstrip("/")


def _without_query(path: Any) -> str:
    return _text(path).partition("?")[0] or "/"


def _text(value: Any) -> str:
    """Return a text or a number as text, else an empty text."""
    return str(value) if isinstance(value, (str, int, float)) else ""


def _body(event: dict[str, Any], field: str, flag: str = "isBase64Encoded") -> tuple[bytes, bool]:
    """Return the body's bytes, and whether they are the ones that were sent."""
    body = event.get(field)
    if body is None:
        return b"", True
    if not isinstance(body, str):
        try:
            return json.dumps(body).encode(), False
        except RecursionError as error:
            raise InvalidRequest.at("", "the body is nested too deep") from error
    if _text(event.get(flag)).lower() != "true":
        return body.encode(errors="surrogatepass"), True
    try:
        return decode_base64(body), True
    except ValueError as error:
        raise InvalidRequest.at("", "the event says that its body is base64, and it is not") from error
