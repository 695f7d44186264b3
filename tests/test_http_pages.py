"""`HEAD` of every route that has `GET`, the redirect of the root, and copies that callers keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body, scf_context
from http_calls import AUTHORIZED, OF_SCF, SHAPES, call
from mailer.http_api import app
from mailer.http_api.routes import ROUTES

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

PAGES = ("/openapi.json", "/docs")
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
every_page = pytest.mark.parametrize("page", PAGES)


def answer_to(method: str, path: str, shape: Any = SHAPES[1], **headers: str) -> dict[str, Any]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    event = shape(method, path, AUTHORIZED | given, None)
    answer: dict[str, Any] = app.handle(event, scf_context() if shape in OF_SCF else LambdaContext())
    return answer


@every_shape
def test_head_is_get_without_its_body(runtime: Runtime, ses: Emulator, shape: Any) -> None:
    email = call("POST", "/emails", body())[2]["id"]
    for path in ("/health", *PAGES, "/", f"/emails/{email}", "/emails/none", "/nothing"):
        got, head = (answer_to(method, path, shape) for method in ("GET", "HEAD"))
        assert head == {**got, "body": ""}
        assert got["body"] or path == "/"
    for path in (f"/emails/{email}", "/emails/none"):
        assert answer_to("HEAD", path, shape, Authorization="")["statusCode"] == 401
    assert answer_to("HEAD", "/emails", shape)["statusCode"] == 405
    assert answer_to("HEAD", "/emails", shape)["body"] == ""


def test_every_get_has_its_head() -> None:
    routes = {(route.method, route.path, route.handler, route.permission) for route in ROUTES}
    assert {one[1:] for one in routes if one[0] == "GET"} == {one[1:] for one in routes if one[0] == "HEAD"}


def test_head_of_a_function_without_settings_counts_its_failure(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    monkeypatch.setenv("MAILER_RATE", "none")
    answer = answer_to("HEAD", "/health")
    assert (answer["statusCode"], answer["body"]) == (503, "")


@every_shape
def test_root_leads_to_the_page(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, shape: Any
) -> None:
    answer = answer_to("GET", "/", shape)
    assert (answer["statusCode"], answer["headers"]["Location"], answer["body"]) == (302, "/docs", "")
    monkeypatch.setenv("MAILER_BASE_PATH", "/mail")
    for path in ("/", "/mail", "/mail/"):
        answer = answer_to("GET", path, shape)
        assert (answer["statusCode"], answer["headers"]["Location"]) == (302, "/mail/docs")
    assert answer_to("GET", answer["headers"]["Location"], shape)["statusCode"] == 200


@every_page
@every_shape
def test_copy_that_is_current_is_not_sent_again(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, page: str, shape: Any
) -> None:
    first = answer_to("GET", page, shape)
    tag = first["headers"]["ETag"]
    assert first["headers"]["Cache-Control"] == "public, max-age=300"
    for known in (tag, f"W/{tag}", f'"old", {tag}', "*", f' W/"old" ,W/{tag} '):
        for method in ("GET", "HEAD"):
            again = answer_to(method, page, shape, If_None_Match=known)
            assert (again["statusCode"], again["body"]) == (304, "")
            assert again["headers"]["ETag"] == tag
            assert "Content-Type" not in again["headers"]
    for known in ('"old"', tag.strip('"'), "", '"*"', f"*, {tag[:-1]}"):
        assert answer_to("GET", page, shape, If_None_Match=known) == first


def test_document_under_a_base_path_is_another_one(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = answer_to("GET", "/openapi.json")["headers"]["ETag"]
    monkeypatch.setenv("MAILER_BASE_PATH", "/mail")
    assert answer_to("GET", "/openapi.json", If_None_Match=first)["statusCode"] == 200
