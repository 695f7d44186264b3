"""Compressed bodies: in bounds, broken, of another encoding, and signed."""

from __future__ import annotations

import base64
import gzip
import json
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import LambdaContext, body, scf_context
from http_calls import AUTHORIZED, OF_SCF, SHAPES, api_gateway_v2, lattice_v1
from local import signing
from mailer.email.limits import MAX_BODY_BYTES
from mailer.http_api import app
from mailer.http_api.content_encoding import without_encoding
from mailer.triggers.http_events import HttpRequest

if TYPE_CHECKING:
    from pathlib import Path

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

SIGNERS = {
    "standard-webhooks": signing.standard_webhooks,
    "github": signing.github,
    "stripe": signing.stripe,
}
GZIP = {"Content-Encoding": "gzip"}
EMAIL = json.dumps(body()).encode()
every_shape = pytest.mark.parametrize(
    "shape", [one for one in SHAPES if one.__name__ != "scf_url"], ids=lambda one: one.__name__
)


def post(
    content: bytes, headers: dict[str, str], path: str = "/emails", shape: Any = api_gateway_v2
) -> tuple[int, dict[str, str], dict[str, Any]]:
    event = shape("POST", path, AUTHORIZED | headers, None)
    encoded = base64.b64encode(content).decode()
    event |= (
        {"payload": encoded, "isBase64Encoded": "true"}
        if "payload" in event
        else {
            "body": encoded,
            "is_base64_encoded" if shape is lattice_v1 else "isBase64Encoded": True,
        }
    )
    answer = app.handle(event, scf_context() if shape in OF_SCF else LambdaContext())
    return answer["statusCode"], answer["headers"], json.loads(answer["body"] or "null")


def inflated(content: bytes, encoding: str = "gzip") -> Any:
    return without_encoding(HttpRequest("POST", "/emails", {"content-encoding": encoding}, content))


@every_shape
def test_body_in_gzip_is_the_body_in_it(runtime: Runtime, ses: Emulator, shape: Any) -> None:
    assert post(gzip.compress(EMAIL), GZIP, shape=shape)[0] == 200
    assert len(ses.inbox()) == 1


@pytest.mark.parametrize("encoding", ["GZIP", " gzip ", "x-gzip", "identity", ""])
def test_names_of_encodings_that_are_understood(runtime: Runtime, ses: Emulator, encoding: str) -> None:
    content = gzip.compress(EMAIL) if "gzip" in encoding.lower() else EMAIL
    assert post(content, {"Content-Encoding": encoding})[0] == 200


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "utf-8", "*"])
@pytest.mark.parametrize("path", ["/emails", "/emails/batch", "/digests/daily/items", "/ses/events/x"])
def test_another_encoding_is_415(environment: dict[str, str], encoding: str, path: str) -> None:
    status, headers, answer = post(gzip.compress(EMAIL), {"Content-Encoding": encoding}, path)
    assert (status, answer["code"]) == (415, "UnsupportedEncoding")
    assert headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        EMAIL,
        zlib.compress(EMAIL),
        gzip.compress(EMAIL)[:-1],
        gzip.compress(EMAIL)[:20],
        gzip.compress(EMAIL)[:-8] + bytes(8),
        gzip.compress(EMAIL) + b"x",
        gzip.compress(EMAIL) * 2,
    ],
    ids=["empty", "plain", "zlib", "cut", "begun", "checksum", "more", "twice"],
)
def test_broken_gzip_is_400(environment: dict[str, str], content: bytes) -> None:
    status, _, answer = post(content, GZIP)
    assert (status, answer["code"], answer["retryable"]) == (400, "BrokenEncoding", False)


def test_caller_without_a_key_makes_nothing_inflate(environment: dict[str, str]) -> None:
    assert post(b"broken", GZIP | {"Authorization": ""})[0] == 401


def test_method_without_a_body_has_no_encoding(runtime: Runtime) -> None:
    event = api_gateway_v2("GET", "/health", {"Content-Encoding": "br"}, None)
    assert app.handle(event, LambdaContext())["statusCode"] == 200


def test_bomb_is_413_and_is_not_inflated_whole(environment: dict[str, str]) -> None:
    bomb = gzip.compress(bytes(100 * 1024 * 1024), 9)
    assert len(bomb) < 500_000
    tracemalloc.start()
    try:
        status, _, answer = post(bomb, GZIP)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (status, answer["code"]) == (413, "BodyTooLarge")
    assert peak < 40 * 1024 * 1024


def test_limit_is_that_of_the_inflated_body() -> None:
    assert len(inflated(gzip.compress(bytes(MAX_BODY_BYTES))).body) == MAX_BODY_BYTES
    assert inflated(gzip.compress(bytes(MAX_BODY_BYTES + 1))).status_code == 413


@given(st.binary(max_size=2000))
def test_anything_is_inflated_or_refused(content: bytes) -> None:
    assert inflated(gzip.compress(content)).body == content
    inflated(content)


@pytest.mark.parametrize("scheme", ["standard-webhooks", "github", "stripe"])
@pytest.mark.parametrize("signed_when", ["before", "after"])
def test_webhook_is_signed_over_its_body_before_or_after_it_was_compressed(
    runtime: Runtime,
    ses: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    signed_when: str,
) -> None:
    secret = "whsec_bG9jYWwtc2VjcmV0LW9mLXN0YW5kYXJkLXdlYmhvb2tz"
    monkeypatch.setenv("MAILER_WEBHOOK_BILLING", secret)
    (tmp_path / "mailer.toml").write_text(
        f"""
        [webhooks.billing]
        scheme = "{scheme}"
        secret_env = "MAILER_WEBHOOK_BILLING"
        [webhooks.billing.email]
        from = "noreply@mail.shop.example"
        subject = "Paid"
        template = {{ id = 100091 }}
        [webhooks.billing.map]
        to = "email"
        """,
        encoding="utf-8",
    )
    monkeypatch.setenv("MAILER_CONFIG", str(tmp_path / "mailer.toml"))
    plain = json.dumps({"id": "evt-1", "email": "ann@customer.example"}).encode()
    packed = gzip.compress(plain)
    signed = SIGNERS[scheme](secret, plain if signed_when == "before" else packed, "evt-1", time.time())
    assert post(packed, GZIP | signed, "/webhooks/billing")[0] == 200
    assert post(gzip.compress(b"{}"), GZIP | signed, "/webhooks/billing")[0] == 401
    assert len(ses.inbox()) == 1
