"""The HTTP entry point: dispatch an event to its route. It never raises."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from mailer.config.settings import Settings
from mailer.deadline import Deadline
from mailer.email.forms import is_form
from mailer.email.limits import MAX_BODY_BYTES, MAX_HEADERS
from mailer.errors import InvalidRequest, MailerError
from mailer.telemetry import logs, metrics
from mailer.telemetry.refused_callers import refused_caller
from mailer.triggers.http_events import HttpRequest, read_http, write_http

from .auth import key_name
from .base_path import at_route
from .content_encoding import without_encoding
from .context import RequestContext
from .cors import cors_headers, is_preflight
from .problems import body_too_large, error_problem, problem
from .routes import ROUTES, Route, allowed_methods

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_SERVER_ERROR = 500
app = APIGatewayHttpResolver()


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Return the response to one HTTP event of any shape."""
    try:
        logs.set_caller(None)
        trigger, request = read_http(event)
        request = at_route(request)
    except InvalidRequest as error:
        logs.refused("http", error)
        return _write(event, error_problem(error), {})
    except Exception as error:  # noqa: BLE001 - never leak a stack trace
        response = _internal_error("http", error)
        _count_server_error("http", response)
        return _write(event, response, {})
    try:
        app.append_context(  # type: ignore[no-untyped-call]
            request=request, trigger=trigger, deadline=Deadline.of(context)
        )
        resolved = app.resolve(_as_http_api(request), context)
        response = Response(resolved["statusCode"], None, resolved["body"], resolved["headers"])
        response.base64_encoded = resolved["isBase64Encoded"]
        if "Location" in response.headers:
            response.headers["Location"] = f"{request.base}{response.headers['Location']}"
    except Exception as error:  # noqa: BLE001 - last-resort handler
        response = _internal_error(trigger, error)
    _count_server_error(trigger, response)
    if request.method.upper() == "HEAD":
        response.body = ""
    return _write(event, response, cors_headers(request, allowed_methods(request.path)))


def _route_handler(route: Route) -> Callable[..., Response[str]]:
    def handler(**path: str) -> Response[str]:
        context = RequestContext(
            app.context["request"], app.context["trigger"], app.context["deadline"], path
        )
        return _guard(route, context.request) or _authorized(route, context)

    return handler


for _route in ROUTES:
    app.route(_route.path, method=_route.method)(_route_handler(_route))


@app.not_found
def _no_route(_error: Exception) -> Response[str]:
    request: HttpRequest = app.context["request"]
    methods = allowed_methods(request.path)
    if methods and is_preflight(request) and "Access-Control-Allow-Methods" in cors_headers(request, methods):
        return Response(204, None, "")
    if not methods or request.method in methods:  # the resolver allows fewer characters in a path parameter
        return problem(404, "NotFound", "there is no such path")
    return _method_not_allowed(methods)


@app.exception_handler(MailerError)  # type: ignore[untyped-decorator]
def _handle_error(error: MailerError) -> Response[str]:
    logs.refused(app.context["trigger"], error)
    return error_problem(error)


def _guard(route: Route, request: HttpRequest) -> Response[str] | None:
    """Return the error response to a request that must not reach its route, else None."""
    methods = allowed_methods(request.path)
    if route.method not in methods:
        return _method_not_allowed(methods)
    if len(request.headers) > MAX_HEADERS:
        return problem(431, "TooManyHeaders", f"a request has at most {MAX_HEADERS} headers")
    if len(request.body) > MAX_BODY_BYTES:
        return body_too_large()
    return None


def _authorized(route: Route, context: RequestContext) -> Response[str]:
    """Return the response to a caller who may use the route, or the error response to any other."""
    request = context.request
    if route.permission:
        name = key_name(request.headers.get("authorization"), Settings.current().api_keys)
        if name is None:
            refused_caller(context.trigger, "key")
            return problem(
                401,
                "Unauthorized",
                "a valid key is needed: Authorization: Bearer KEY",
                headers={"WWW-Authenticate": 'Bearer realm="mailer"'},
            )
        logs.set_caller(name)
        context = replace(context, key_name=name)
        context.key.check_permission(route.permission)
    content_type = request.headers.get("content-type", "application/json")
    if route.json and not _is_json(content_type) and not (route.form and is_form(content_type)):
        return problem(415, "UnsupportedMediaType", "the body must be JSON: Content-Type: application/json")
    if route.method == "POST":
        plain = without_encoding(request)
        if isinstance(plain, Response):
            return plain
        context = replace(context, request=plain)
    return route.load()(context)


def _method_not_allowed(methods: list[str]) -> Response[str]:
    allow = ", ".join(methods)
    return problem(405, "MethodNotAllowed", f"this path has {allow}", headers={"Allow": allow})


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _internal_error(trigger: str, error: Exception) -> Response[str]:
    logs.unexpected(trigger, error)
    return problem(500, "InternalError", "an unexpected error; the log names it", retryable=True)


def _count_server_error(trigger: str, response: Response[str]) -> None:
    """Count a response that says that something other than the request is wrong."""
    if response.status_code >= MIN_SERVER_ERROR:
        code = json.loads(response.body or "")["code"]
        metrics.emit(["ServerError"], trigger=trigger, code=code)


def _as_http_api(request: HttpRequest) -> dict[str, Any]:
    """Return the request as an HTTP API event, the shape that the resolver reads."""
    return {
        "version": "2.0",
        "rawPath": request.path,
        "rawQueryString": "",
        "headers": request.headers,
        "requestContext": {
            "http": {"method": request.method.upper(), "path": request.path},
            "stage": "$default",
        },
    }


def _write(event: Any, response: Response[str], headers: dict[str, str]) -> dict[str, Any]:
    own = {"Content-Type": response.content_type} if response.content_type else {}
    headers = {**own, **{name: str(value) for name, value in response.headers.items()}, **headers}
    return write_http(
        event, response.status_code, headers, response.body or "", base64_encoded=response.base64_encoded
    )
