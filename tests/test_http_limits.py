"""What the HTTP function rejects before it reads an email, and cross-origin requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body
from http_calls import SHAPES, alb, api_gateway_v2, call, clb
from mailer.config.settings import Settings
from mailer.email.limits import MAX_BODY_BYTES, MAX_HEADERS, MAX_JSON_DEPTH
from mailer.errors import ConfigurationError
from mailer.http_api import app
from mailer.http_api.routes import ROUTES

if TYPE_CHECKING:
    import io

    from http_calls import Shape
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

PAGE = "https://shop.example"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/emails", "POST"),
        ("DELETE", "/emails/x", "GET, HEAD"),
        ("GET", "/emails/batch", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("GET", "/emails/", "POST"),
    ],
)
def test_another_method_is_405_with_what_is_allowed(
    runtime: Runtime, shape: Shape, method: str, path: str, allow: str
) -> None:
    status, headers, problem = call(method, path, shape=shape)
    assert (status, headers["Allow"], problem["code"]) == (405, allow, "MethodNotAllowed")


@pytest.mark.parametrize("path", ["/emails/a/b", "/emails/%2F\u00e9\u2028", "///", "//emails", "/emails//"])
def test_path_that_no_route_matches_is_404(runtime: Runtime, path: str) -> None:
    assert call("GET", path)[0] == 404


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json", "text/json"])
def test_body_that_is_not_declared_json_is_415(runtime: Runtime, ses: Emulator, kind: str) -> None:
    status, _, problem = call("POST", "/emails", body(), headers={"Content-Type": kind})
    assert (status, problem["code"]) == (415, "UnsupportedMediaType")
    assert ses.calls() == []


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"]
)
def test_every_kind_of_json_is_accepted(runtime: Runtime, kind: str) -> None:
    assert call("POST", "/emails", body(), headers={"Content-Type": kind})[0] == 200


def test_body_over_6_mb_is_413(runtime: Runtime) -> None:
    status, _, problem = call("POST", "/emails", " " * (MAX_BODY_BYTES + 1))
    assert (status, problem["code"]) == (413, "BodyTooLarge")


def test_too_many_headers_are_431(runtime: Runtime) -> None:
    headers = {f"X-Header-{number}": "x" for number in range(MAX_HEADERS)}
    status, _, problem = call("POST", "/emails", body(), headers=headers)
    assert (status, problem["code"]) == (431, "TooManyHeaders")


@pytest.mark.parametrize("depth", [MAX_JSON_DEPTH + 1, 100_000])
def test_deep_json_is_422(runtime: Runtime, depth: int) -> None:
    text = json.dumps(body()).replace('"1234"', "[" * depth + "]" * depth)
    status, _, problem = call("POST", "/emails", text)
    assert status == 422
    assert "nested" in problem["errors"][0]["detail"]


def test_key_is_checked_before_the_body(runtime: Runtime) -> None:
    status, _, _ = call("POST", "/emails", "{", headers={"Authorization": "", "Content-Type": "text/plain"})
    assert status == 401


def test_log_of_a_caller_without_a_key_does_not_name_the_one_before(
    runtime: Runtime, log: io.StringIO
) -> None:
    call("POST", "/emails", body())
    call("GET", "/health")
    app.handle({}, LambdaContext())
    assert "caller" not in json.loads(log.getvalue().splitlines()[-1])


def test_multi_value_headers_of_a_balancer_are_used_in_the_response_too(runtime: Runtime) -> None:
    event = alb("GET", "/health", {}, None)
    del event["headers"]
    event["multiValueHeaders"] = {"accept": ["text/html", "*/*"]}
    answer = app.handle(event, LambdaContext())
    assert answer["multiValueHeaders"] == {name: [value] for name, value in answer["headers"].items()}


def test_api_gateway_headers_may_come_as_lists_alone(runtime: Runtime) -> None:
    event = SHAPES[0]("POST", "/emails", {}, json.dumps(body()))
    event["headers"] = None
    event["multiValueHeaders"] = {
        "Authorization": ["Bearer test-key"],
        "Content-Type": ["application/json"],
    }
    assert app.handle(event, LambdaContext())["statusCode"] == 200


@pytest.mark.parametrize("missing", ["X-Method", "X-Uri"])
def test_clb_without_method_or_path_is_400(environment: dict[str, str], missing: str) -> None:
    event = clb("GET", "/health", {}, None)
    del event["headers"][missing]
    answer = app.handle(event, LambdaContext())
    assert answer["statusCode"] == 400
    assert "X-Method" in json.loads(answer["body"])["detail"]


def test_event_whose_body_is_not_the_base64_it_claims_is_422(environment: dict[str, str]) -> None:
    event = {**api_gateway_v2("POST", "/emails", {}, "*"), "isBase64Encoded": True}
    assert app.handle(event, LambdaContext())["statusCode"] == 422


def test_unexpected_error_in_reading_an_event_is_500_without_a_trace(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def broken(_event: Any) -> Any:
        raise RuntimeError("ann@customer.example")

    monkeypatch.setattr(app, "read_http", broken)
    answer = app.handle({}, LambdaContext())
    assert answer["statusCode"] == 500
    assert "ann@" not in log.getvalue() + json.dumps(answer)


def preflight(origin: str, path: str = "/emails") -> tuple[int, dict[str, str], Any]:
    return call("OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})


def test_cors_is_off_by_default(runtime: Runtime) -> None:
    status, headers, _ = call("GET", "/health", headers={"Origin": PAGE})
    assert status == 200
    assert not [name for name in headers if name.startswith("Access-Control")]
    assert preflight(PAGE)[0] == 405


@pytest.mark.parametrize("origins", ["https://other.example, https://shop.example", "*"])
def test_configured_origin_is_allowed(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, origins: str
) -> None:
    monkeypatch.setenv("MAILER_CORS_ORIGINS", origins)
    status, headers, _ = preflight(PAGE)
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert "Idempotency-Key" in headers["Access-Control-Allow-Headers"]
    status, headers, _ = call("POST", "/emails", body(), headers={"Origin": PAGE, "Authorization": ""})
    assert (status, headers["Access-Control-Allow-Origin"], headers["Vary"]) == (401, PAGE, "Origin")


def test_other_origin_is_not_allowed(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_CORS_ORIGINS", PAGE)
    status, headers, _ = preflight("https://evil.example")
    assert (status, headers["Vary"]) == (405, "Origin")
    assert "Access-Control-Allow-Origin" not in headers
    assert preflight(PAGE, "/nowhere")[0] == 404


@pytest.mark.parametrize("origins", ["shop.example", "https://shop.example/path", "null"])
def test_wrong_origins_are_named(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, log: io.StringIO, origins: str
) -> None:
    monkeypatch.setenv("MAILER_CORS_ORIGINS", origins)
    status, headers, _ = call("GET", "/health", headers={"Origin": PAGE})
    assert status == 503
    assert json.loads(log.getvalue().splitlines()[-1])["setting"] == "MAILER_CORS_ORIGINS"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("token", ["with/slash", "with space", "a" * 129])
def test_callback_token_that_does_not_fit_a_path_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError, match="MAILER_CALLBACK_TOKEN"):
        Settings.from_environment({"MAILER_STORE_URL": "redis://h", "MAILER_CALLBACK_TOKEN": token})


def test_every_route_has_its_handler() -> None:
    assert all(callable(route.load()) for route in ROUTES)
