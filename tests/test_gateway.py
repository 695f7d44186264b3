"""The local HTTP gateway, by the curl lines of the README and of the guide to the HTTP API."""

from __future__ import annotations

import gzip
import http.client
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from local.gateway import BODY_LIMIT, PORT, gateway
from local.stack import local_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
LINES = {
    page: re.findall(r"^curl .*# [0-9]{3}.*$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    for page in ("README.md", "docs/http-api.md")
}


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with (
        local_stack(tmp_path_factory.mktemp("logs")) as stack,
        gateway(stack.functions["aws", "http"].invoke, port=0) as served,
    ):
        yield served


def call(url: str, method: str, path: str, headers: dict[str, str], body: Any = None) -> Reply:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    reply = Reply(response.status, dict(response.getheaders()), response.read())
    connection.close()
    return reply


def curl(url: str, line: str) -> Reply:
    """Send the request of a curl command, as far as the guide uses its options."""
    words = shlex.split(line, comments=True)[1:]
    target, options = urlsplit(words[0]).path, words[1:]
    headers: dict[str, str] = {}
    body = None
    for option, value in zip(options[::2], options[1::2], strict=True):
        if option == "-H":
            name, _, text = value.partition(": ")
            headers[name] = text
        else:
            assert option == "-d"
            body = value.encode()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    return call(url, "POST" if body is not None else "GET", target, headers, body)


@pytest.mark.parametrize(("page", "lines"), [("README.md", 3), ("docs/http-api.md", 10)])
def test_curl_lines_return_what_their_page_says(url: str, page: str, lines: int) -> None:
    assert len(LINES[page]) == lines
    for line in LINES[page]:
        assert f"127.0.0.1:{PORT}/" in line
        reply = curl(url, line)
        assert str(reply.status) == line.rpartition("# ")[2][:3], (line, reply)
        assert ("Idempotent-Replayed" in reply.headers) == ("Idempotent-Replayed" in line)


def test_page_and_other_methods_come_through(url: str) -> None:
    page = call(url, "GET", "/docs?x=1", {}).body.decode()
    for link in re.findall(r'="\./(docs/[^"]+)"', page):
        plain, compressed = (
            call(url, "GET", f"/{link}", {"Accept-Encoding": coding}) for coding in ("identity", "gzip")
        )
        assert (compressed.status, compressed.headers["Content-Encoding"]) == (200, "gzip")
        assert gzip.decompress(compressed.body) == plain.body
    assert call(url, "DELETE", "/emails", {}).headers["Allow"] == "POST"
    assert call(url, "POST", "/emails", {"Authorization": "Bearer demo-key"}, b"\xff").status == 422


def test_body_beyond_the_platforms_limit_is_rejected(url: str) -> None:
    headers = {"Content-Length": str(BODY_LIMIT + 1)}
    assert call(url, "POST", "/emails", headers).status == 413


def test_port_that_is_taken_is_replaced(url: str) -> None:
    taken = int(url.rpartition(":")[2])
    with gateway(lambda event: event, port=taken) as other:  # type: ignore[arg-type, return-value]
        assert other != url


def test_function_that_fails_is_502() -> None:
    class Failed:
        failed = True

    with gateway(lambda _event: Failed(), port=0) as front:  # type: ignore[arg-type, return-value]
        assert call(front, "GET", "/health", {}).status == 502


def test_head_and_304_have_no_body(url: str) -> None:
    page = call(url, "GET", "/docs", {})
    for method, headers, status in (
        ("HEAD", {}, 200),
        ("GET", {"If-None-Match": page.headers["ETag"]}, 304),
    ):
        reply = call(url, method, "/docs", headers)
        assert (reply.status, reply.body, "Content-Length" in reply.headers) == (status, b"", False)
    assert call(url, "GET", "/", {}).headers["Location"] == "/docs"
