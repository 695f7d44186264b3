"""The local HTTP front, by the lines of the README and of the guide to the HTTP API."""

from __future__ import annotations

import http.client
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from local.gateway import BODY_LIMIT, PORT, Gateway
from local.stack import LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterator

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
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with (
        LocalStack(tmp_path_factory.mktemp("logs")) as stack,
        Gateway(stack.functions["aws", "http"].invoke, port=0) as front,
    ):
        yield front


def ask(gateway: Gateway, method: str, path: str, headers: dict[str, str], body: Any = None) -> Reply:
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    reply = Reply(answer.status, dict(answer.getheaders()), answer.read())
    connection.close()
    return reply


def curl(gateway: Gateway, line: str) -> Reply:
    """Do what curl does with the few options that the guide uses."""
    words = shlex.split(line, comments=True)[1:]
    url, options = words[0], words[1:]
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
    return ask(gateway, "POST" if body is not None else "GET", urlsplit(url).path, headers, body)


@pytest.mark.parametrize(("page", "lines"), [("README.md", 3), ("docs/http-api.md", 10)])
def test_lines_answer_as_their_page_says(gateway: Gateway, page: str, lines: int) -> None:
    assert len(LINES[page]) == lines
    for line in LINES[page]:
        assert f"127.0.0.1:{PORT}/" in line
        reply = curl(gateway, line)
        assert str(reply.status) == line.rpartition("# ")[2][:3], (line, reply)
        assert ("Idempotent-Replayed" in reply.headers) == ("Idempotent-Replayed" in line)


def test_page_and_other_methods_come_through(gateway: Gateway) -> None:
    assert b"sendEmail" in ask(gateway, "GET", "/docs?x=1", {}).body
    assert ask(gateway, "DELETE", "/emails", {}).headers["Allow"] == "POST"
    assert ask(gateway, "POST", "/emails", {"Authorization": "Bearer demo-key"}, b"\xff").status == 422


def test_body_beyond_the_platforms_limit_is_turned_away(gateway: Gateway) -> None:
    headers = {"Content-Length": str(BODY_LIMIT + 1)}
    assert ask(gateway, "POST", "/emails", headers).status == 413


def test_port_that_is_taken_is_replaced(gateway: Gateway) -> None:
    taken = int(gateway.url.rpartition(":")[2])
    with Gateway(lambda event: event, port=taken) as other:  # type: ignore[arg-type, return-value]
        assert other.url != gateway.url


def test_function_that_fails_is_502() -> None:
    class Failed:
        failed = True

    with Gateway(lambda _event: Failed(), port=0) as front:  # type: ignore[arg-type, return-value]
        assert ask(front, "GET", "/health", {}).status == 502
