"""Routes under a base path: the setting, API mappings, stages, prefixes of gateways, a slash at the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from docs.openapi.document import openapi
from factories import LambdaContext, body, scf_context
from http_calls import (
    OF_SCF,
    SHAPES,
    api_gateway_v1,
    api_gateway_v2,
    call,
    scf_gateway,
    scf_url,
)
from mailer.http_api import app
from mailer.http_api.base_path import at_route
from mailer.triggers.http_events import HttpRequest, read_http

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)


def rest_api(path: str, resource: str, **parameters: Any) -> dict[str, Any]:
    event = api_gateway_v1("POST", path, {}, None)
    return {**event, "resource": resource, "pathParameters": parameters or None}


def http_api(path: str, route: str, stage: str = "$default", **parameters: Any) -> dict[str, Any]:
    event = api_gateway_v2("POST", path, {}, None)
    event["requestContext"]["stage"] = stage
    return {**event, "routeKey": route, "pathParameters": parameters or None}


def gateway_of_scf(path: str, api: str) -> dict[str, Any]:
    event = scf_gateway("POST", path, {}, None)
    event["requestContext"]["path"] = api
    return event


@every_shape
@pytest.mark.parametrize("base", ["/mail", "/api/mail-1"])
def test_routes_answer_with_and_without_the_base_path_and_links_keep_it(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, shape: Any, base: str
) -> None:
    monkeypatch.setenv("MAILER_BASE_PATH", base)
    for prefix in (base, ""):
        status, headers, answer = call("POST", f"{prefix}/emails", body(), shape=shape)
        assert (status, headers["Location"]) == (200, f"{base}/emails/{answer['id']}")
        assert call("GET", headers["Location"], shape=shape)[0] == 200
        status, _, document = call("GET", f"{prefix}/openapi.json", shape=shape)
        assert document == {**openapi(), "servers": [{**openapi()["servers"][0], "url": base}]}
    assert call("GET", f"{base}x/health", shape=shape)[0] == 404
    assert call("GET", f"/x{base}/health", shape=shape)[0] == 404


@every_shape
@pytest.mark.parametrize("base", ["", "/mail"])
def test_slash_at_the_end_finds_the_route(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, shape: Any, base: str
) -> None:
    monkeypatch.setenv("MAILER_BASE_PATH", base)
    status, headers, answer = call("POST", f"{base}/emails/", body(), shape=shape)
    assert (status, headers["Location"]) == (200, f"{base}/emails/{answer['id']}")
    assert call("GET", f"{base}/emails/{answer['id']}/", shape=shape)[0] == 200
    assert call("GET", f"{base}/health/", shape=shape)[0] == 200
    assert call("POST", f"{base}/health/", shape=shape)[0] == 405


def test_without_a_base_path_nothing_is_added(runtime: Runtime, ses: Emulator) -> None:
    assert call("GET", "/openapi.json")[2]["servers"][0]["url"] == "/"
    assert call("GET", "/mail/health")[0] == 404


@pytest.mark.parametrize(
    ("event", "base", "path"),
    [
        (rest_api("/mail/emails", "/emails"), "/mail", "/emails"),
        (rest_api("/mail/v2/prod/emails/", "/emails"), "/mail/v2/prod", "/emails"),
        (rest_api("/mail/emails/batch", "/{proxy+}", proxy="emails/batch"), "/mail", "/emails/batch"),
        (rest_api("/emails/batch", "/{proxy+}", proxy="emails/batch"), "", "/emails/batch"),
        (rest_api("/mail/emails/a%40b", "/emails/{id}", id="a@b"), "/mail", "/emails/a%40b"),
        (rest_api("/mail/emails/a%40b", "/{proxy+}", proxy="emails/a%40b"), "/mail", "/emails/a%40b"),
        (rest_api("/mail/emails/a@b", "/emails/{email}", email="a@b"), "/mail", "/emails/a@b"),
        (rest_api("/v1/emails", "/v1/{proxy+}", proxy="emails"), "/v1", "/emails"),
        (rest_api("/mail/v1/emails", "/v1/{proxy+}", proxy="emails"), "/mail/v1", "/emails"),
        (rest_api("/emails", "/{proxy+}"), "", "/emails"),
        (rest_api("/emails", "/{proxy+}", proxy=5), "", "/emails"),
        (rest_api("/emails", "/{proxy+}", proxy="x" * 9), "", "/emails"),
        (rest_api("/emails", "/other"), "", "/emails"),
        (rest_api("/m%41il/emails", "/emails"), "", "/m%41il/emails"),
        (http_api("/mail/emails", "POST /emails"), "/mail", "/emails"),
        (http_api("/prod/emails", "POST /emails", "prod"), "/prod", "/emails"),
        (http_api("/prod/emails", "$default", "prod"), "/prod", "/emails"),
        (http_api("/mail/emails/u", "GET /emails/{email}", email="u"), "/mail", "/emails/u"),
        (http_api("/v1/emails", "ANY /v1/{proxy+}", proxy="emails"), "/v1", "/emails"),
        (http_api("/mail/emails", "$default"), "", "/mail/emails"),
        (http_api("/emails", "POST /emails"), "", "/emails"),
        (gateway_of_scf("/mailer/emails", "/mailer"), "/mailer", "/emails"),
        (gateway_of_scf("/mailer/emails/", "/mailer/{path}"), "/mailer", "/emails"),
        (gateway_of_scf("/emails", "/emails"), "", "/emails"),
        (gateway_of_scf("/emails/u", "/emails"), "", "/emails/u"),
        (gateway_of_scf("/emails/emails", "/emails"), "", "/emails/emails"),
        (gateway_of_scf("/mailer", "/mailer"), "", "/mailer"),
        (gateway_of_scf("/mailer/nothing", "/mailer"), "/mailer", "/nothing"),
        (gateway_of_scf("/mailers/emails", "/mailer"), "", "/mailers/emails"),
        (gateway_of_scf("/emails", "/"), "", "/emails"),
        (scf_url("POST", "/emails/", {}, None), "", "/emails"),
    ],
)
def test_the_event_says_what_is_before_the_route(
    environment: dict[str, str], event: Any, base: str, path: str
) -> None:
    request = at_route(read_http(event)[1])
    assert (request.base, request.path) == (base, path)


@pytest.mark.parametrize(
    ("setting", "request_", "base", "path"),
    [
        ("/shop", HttpRequest("POST", "/emails", {}, b"", base="/mail"), "/shop", "/emails"),
        ("/", HttpRequest("POST", "/emails", {}, b"", base="/mail"), "", "/emails"),
        ("/emails", HttpRequest("POST", "/emails", {}, b""), "/emails", "/emails"),
        ("/emails", HttpRequest("POST", "/emails/emails", {}, b""), "/emails", "/emails"),
        ("/emails", HttpRequest("GET", "/emails/u", {}, b""), "/emails", "/emails/u"),
        ("/emails", HttpRequest("PUT", "/emails/emails/u", {}, b""), "/emails", "/emails/u"),
        ("/mail", HttpRequest("GET", "/nothing/", {}, b""), "/mail", "/nothing"),
        ("bad", HttpRequest("GET", "/health/", {}, b"", base="/mail"), "/mail", "/health"),
    ],
)
def test_the_setting_takes_precedence(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    request_: HttpRequest,
    base: str,
    path: str,
) -> None:
    monkeypatch.setenv("MAILER_BASE_PATH", setting)
    found = at_route(request_)
    assert (found.base, found.path) == (base, path)


def test_a_wrong_setting_is_one_error_that_the_log_names(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    monkeypatch.setenv("MAILER_BASE_PATH", "mail/")
    status, _, answer = call("GET", "/health")
    assert (status, answer["code"]) == (503, "ConfigurationError")
    assert json.loads(log.getvalue().splitlines()[-1])["setting"] == "MAILER_BASE_PATH"


def test_an_api_mapping_is_in_the_links(runtime: Runtime, ses: Emulator) -> None:
    def mapped(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
        event = api_gateway_v2(method, f"/mail{path}", headers, text)
        return {**event, "routeKey": f"{method} {path}"}

    _, headers, answer = call("POST", "/emails", body(), shape=mapped)
    assert headers["Location"] == f"/mail/emails/{answer['id']}"
    assert call("GET", "/openapi.json", shape=mapped)[2]["servers"][0]["url"] == "/mail"


@pytest.mark.parametrize(
    "base",
    ["\ud800", "/\ud800", "/é", "/a b", "/a\r\nX: y", "//elsewhere.example", "/%zz", "mail", "/..%", "/\\b"],
)
def test_what_is_no_path_of_a_url_is_in_no_link(environment: dict[str, str], base: str) -> None:
    request = HttpRequest("GET", "/", {}, b"", base=base)
    assert (at_route(request).base, at_route(request).path) == ("", "/")
    event = {**api_gateway_v2("GET", f"{base}/", {}, None), "routeKey": "GET /"}
    assert app.handle(event, LambdaContext())["headers"]["Location"] == "/docs"


@pytest.mark.parametrize("base", ["/mail", "/a%20b/~c;d=1"])
def test_path_of_a_url_is_in_links(environment: dict[str, str], base: str) -> None:
    assert at_route(HttpRequest("GET", "/", {}, b"", base=base)).base == base


@every_shape
def test_page_is_found_below_a_base_path(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, shape: Any
) -> None:
    monkeypatch.setenv("MAILER_BASE_PATH", "/mail")
    context = scf_context() if shape in OF_SCF else LambdaContext()
    assert app.handle(shape("GET", "/mail/docs", {}, None), context)["statusCode"] == 200
