"""The pages: `HEAD` as `GET`, the redirect of the root, the viewer's files, and copies that callers keep."""

from __future__ import annotations

import base64
import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest

from factories import LambdaContext, body, scf_context
from http_calls import (
    AUTHORIZED,
    OF_SCF,
    SHAPES,
    alb,
    api_gateway_v2,
    call,
    lambda_url,
    lattice_v1,
    lattice_v2,
)
from mailer.http_api import app
from mailer.http_api.routes import ROUTES

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

PAGES = ("/openapi.json", "/docs")
BROWSER = Path(__file__).parents[1] / "browser"
SWAGGER_UI = BROWSER / "node_modules/swagger-ui-dist"
DECODES_BASE64 = frozenset({api_gateway_v2, lambda_url, alb, lattice_v1, lattice_v2})
MEDIA = {".css": "text/css", ".js": "text/javascript", ".txt": "text/plain"}
OTHER_NAMES = (
    *("docs.js", "docs.html", "openapi.json", "*", "docs.*.js", "a/b", "\0", "\u00e9", "x" * 5000),
    *("..", ".", "%2e%2e", "../openapi.json", "..%2Fopenapi.json", "/etc/passwd", "%2Fetc%2Fpasswd"),
)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
every_page = pytest.mark.parametrize("page", PAGES)


def answer_to(method: str, path: str, shape: Any = SHAPES[1], **headers: str) -> dict[str, Any]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    event = shape(method, path, AUTHORIZED | given, None)
    answer: dict[str, Any] = app.handle(event, scf_context() if shape in OF_SCF else LambdaContext())
    return answer


def linked_files() -> list[str]:
    """Return the names of the files below `/docs/` that the page links."""
    return re.findall(r'"\./docs/([^"]+)"', answer_to("GET", "/docs")["body"])


def content_of(answer: dict[str, Any]) -> bytes:
    """Return what a caller sees of an answer's body."""
    body = answer["body"].encode()
    if answer["isBase64Encoded"]:
        body = base64.b64decode(body, validate=True)
    return gzip.decompress(body) if answer["headers"].get("Content-Encoding") == "gzip" else body


@every_shape
def test_head_is_get_without_its_body(runtime: Runtime, ses: Emulator, shape: Any) -> None:
    email = call("POST", "/emails", body())[2]["id"]
    files = [f"/docs/{name}" for name in linked_files()]
    for path in ("/health", *PAGES, "/", *files, f"/emails/{email}", "/emails/none", "/nothing"):
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


@every_shape
def test_files_of_the_page_are_compressed_and_kept_for_ever(shape: Any) -> None:
    """Without any setting, as the page itself."""
    names = linked_files()
    assert [Path(name).suffix for name in names] == [".txt", ".css", ".css", ".js", ".js"]
    for name in names:
        answer = answer_to("GET", f"/docs/{name}", shape, Accept_Encoding="gzip, deflate, br")
        headers = answer["headers"]
        assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, shape in DECODES_BASE64)
        assert ("Content-Encoding" in headers) == (shape in DECODES_BASE64)
        assert headers["Content-Type"] == f"{MEDIA[Path(name).suffix]}; charset=utf-8"
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert (headers["Vary"], headers["X-Content-Type-Options"]) == ("Accept-Encoding", "nosniff")
        plain = answer_to("GET", f"/docs/{name}", shape, Accept_Encoding="identity")
        assert (plain["isBase64Encoded"], "Content-Encoding" in plain["headers"]) == (False, False)
        assert content_of(plain) == content_of(answer)
        same = plain["headers"]["ETag"] == headers["ETag"]
        assert same == (shape not in DECODES_BASE64)
        for known in (headers["ETag"], "*"):
            again = answer_to("GET", f"/docs/{name}", shape, If_None_Match=known, Accept_Encoding="gzip")
            assert (again["statusCode"], again["body"], again["isBase64Encoded"]) == (304, "", False)
            assert again["headers"]["Vary"] == "Accept-Encoding"


def test_files_of_the_page_are_those_of_the_package_and_small_enough() -> None:
    """An Application Load Balancer passes on 1 MB."""
    served = {
        re.sub(r"\.[0-9a-f]{16}\.", ".", name): answer_to("GET", f"/docs/{name}") for name in linked_files()
    }
    assert set(served) == {
        *("docs.css", "docs.js", "swagger-ui-bundle.js", "swagger-ui-licences.txt", "swagger-ui.css")
    }
    for name in ("docs.css", "docs.js"):
        assert content_of(served[name]) == (BROWSER / name).read_bytes()
    assert content_of(served["swagger-ui-bundle.js"]) == (SWAGGER_UI / "swagger-ui-bundle.js").read_bytes()
    style = content_of(served["swagger-ui.css"])
    assert b"sourceMappingURL" not in style
    assert (SWAGGER_UI / "swagger-ui.css").read_bytes().startswith(style.strip())
    for name in ("LICENSE", "NOTICE"):
        assert (SWAGGER_UI / name).read_bytes() in content_of(served["swagger-ui-licences.txt"])
    assert max(len(answer["body"]) for answer in served.values()) < 900_000


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        (None, True),
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("br;q=1.0, gzip ; q=0.001", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
    ],
)
def test_file_is_compressed_for_a_caller_who_accepts_that(accepted: str | None, *, compressed: bool) -> None:
    headers = {} if accepted is None else {"Accept_Encoding": accepted}
    answer = answer_to("GET", f"/docs/{linked_files()[0]}", **headers)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, compressed)


@every_shape
@pytest.mark.parametrize("base", ["", "/mail", "/mail/eu"])
def test_links_of_the_page_work_under_every_path_of_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, shape: Any, base: str
) -> None:
    monkeypatch.setenv("MAILER_BASE_PATH", base or "/")
    for page in (f"{base}/docs", f"{base}/docs/"):
        text = answer_to("GET", page, shape)["body"]
        links = {urljoin(page, link) for link in re.findall(r'(?:href|src)="([^"]+)"', text)} - {"data:,"}
        assert links == {f"{base}/openapi.json", *(f"{base}/docs/{name}" for name in linked_files())}
        assert {answer_to("GET", link, shape)["statusCode"] for link in links} == {200}


@every_shape
def test_other_names_are_not_found(shape: Any) -> None:
    (bundle,) = [name for name in linked_files() if name.startswith("swagger-ui-bundle")]
    for name in (*OTHER_NAMES, f"{bundle}.gz", bundle.upper(), f"{bundle}%00"):
        for method in ("GET", "HEAD"):
            answer = answer_to(method, f"/docs/{name}", shape)
            assert (answer["statusCode"], answer["isBase64Encoded"]) == (404, False), name
    assert answer_to("POST", f"/docs/{bundle}", shape)["headers"]["Allow"] == "GET, HEAD"


@every_shape
def test_page_asks_no_other_host_and_runs_nothing_inline(shape: Any) -> None:
    answer = answer_to("GET", "/docs", shape)
    policy = answer["headers"]["Content-Security-Policy"]
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "font-src": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "form-action": "'none'",
    }
    assert answer["headers"]["X-Content-Type-Options"] == "nosniff"
    assert "//" not in answer["body"]
    assert "<style" not in answer["body"]
    assert re.findall(r"<script[^>]*>[^<]", answer["body"]) == []
    assert "<noscript>" in answer["body"]
