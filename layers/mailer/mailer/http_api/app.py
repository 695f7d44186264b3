"""The route table, and the way of one HTTP event through it: the same for every shape of every cloud."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from mailer import logs
from mailer.deadline import Deadline
from mailer.errors import InvalidRequest, MailerError
from mailer.runtime import Runtime
from mailer.triggers.http_events import HttpRequest, read_http

from .auth import key_name
from .emails import get_email, post_email
from .problems import error_problem, problem

if TYPE_CHECKING:
    from collections.abc import Callable

app = APIGatewayHttpResolver()


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Answer one HTTP event of any shape; nothing it does or meets raises."""
    try:
        trigger, request = read_http(event)
        app.append_context(  # type: ignore[no-untyped-call]
            request=request, trigger=trigger, deadline=Deadline.of(context)
        )
        answer: dict[str, Any] = app.resolve(_as_http_api(request), context)
    except InvalidRequest as error:
        logs.refused("http", error)
        return _plain(error_problem(error))
    except Exception as error:  # noqa: BLE001 - the last line of defence: no stack trace leaves
        logs.unexpected("http", error)
        return _plain(problem(500, "InternalError", "an unexpected error; the log names it", retryable=True))
    return answer


@app.post("/emails")
def _post_emails() -> Response[str]:
    return _authorized(
        lambda runtime: post_email(_request(), app.context["trigger"], app.context["deadline"], runtime)
    )


@app.get("/emails/<email>")
def _get_email(email: str) -> Response[str]:
    return _authorized(lambda runtime: get_email(email, runtime))


@app.get("/health")
def _get_health() -> Response[str]:
    Runtime.current().ledger.store.ping()
    return Response(200, "application/json", json.dumps({"status": "ok"}))


@app.not_found
def _not_found(_error: Exception) -> Response[str]:
    return problem(404, "NotFound", "there is no such path")


@app.exception_handler(MailerError)  # type: ignore[untyped-decorator]
def _refuse(error: MailerError) -> Response[str]:
    logs.refused(app.context["trigger"], error)
    return error_problem(error)


def _authorized(route: Callable[[Runtime], Response[str]]) -> Response[str]:
    runtime = Runtime.current()
    name = key_name(_request().headers.get("authorization"), runtime.settings.api_keys)
    if name is None:
        return problem(
            401,
            "Unauthorized",
            "a valid key is needed: Authorization: Bearer KEY",
            headers={"WWW-Authenticate": 'Bearer realm="mailer"'},
        )
    logs.caller(name)
    return route(runtime)


def _request() -> HttpRequest:
    request: HttpRequest = app.context["request"]
    return request


def _as_http_api(request: HttpRequest) -> dict[str, Any]:
    """Return the request in the one shape that the resolver reads."""
    return {
        "version": "2.0",
        "rawPath": request.path,
        "rawQueryString": urlencode(request.query),
        "headers": request.headers,
        "requestContext": {
            "http": {"method": request.method.upper(), "path": request.path},
            "stage": "$default",
        },
    }


def _plain(response: Response[str]) -> dict[str, Any]:
    headers = {"Content-Type": response.content_type, **response.headers}
    return {
        "statusCode": response.status_code,
        "headers": headers,
        "body": response.body,
        "isBase64Encoded": False,
    }
