"""The SDKs of Tencent Cloud for Python, and the rule by which the one for Java signs."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from local.ses_emulator import SECRET_ID, SECRET_KEY, signature
from ses_emulator import sample_email

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Sdk, Wire

EMAIL = {**sample_email.EMAIL, "Subject": "Hello — 你好"}
python_sdk = pytest.mark.compatible(
    "SDKs", "Tencent Cloud SDK for Python", package="tencentcloud-sdk-python-ses"
)
java_sdk = pytest.mark.compatible("SDKs", "Tencent Cloud SDK for Java", "its signing rule, of 3.2.11")
NAMES = pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])


@python_sdk
@NAMES
def test_client_of_one_product(ses: Emulator, connect: Callable[..., Sdk], name: str) -> None:
    client = connect(SimpleNamespace(address=f"{name}:{ses.port}")).client
    assert client.answer("SendEmail", **EMAIL).MessageId == ses.inbox()[0].ses_message_id


@python_sdk
@NAMES
def test_client_of_any_product(ses: Emulator, name: str) -> None:
    http = HttpProfile(protocol="http", endpoint=f"{name}:{ses.port}")
    credential = Credential(SECRET_ID, SECRET_KEY)
    client = CommonClient("ses", "2020-10-02", credential, "ap-singapore", ClientProfile(httpProfile=http))
    assert client.call_json("SendEmail", EMAIL)["Response"]["MessageId"] == ses.inbox()[0].ses_message_id
    with pytest.raises(TencentCloudSDKException) as caught:
        client.call_json("GetAbuseReport", {})
    assert caught.value.code == "UnsupportedOperation"
    client.request.conn._session.close()


def java_headers(
    endpoint: str, body: bytes, secret_key: str = SECRET_KEY, service: str | None = None
) -> dict[str, str]:
    """Return the headers of a call as AbstractClient.java (3.2.11) makes them.

    It signs the endpoint as the host, its first label as the service, and a content type with a charset.
    """
    timestamp = int(time.time())
    date = signature.utc_date(timestamp)
    content_type = "application/json; charset=utf-8"
    service = endpoint.partition(".")[0] if service is None else service
    canonical = (
        f"POST\n/\n\ncontent-type:{content_type}\nhost:{endpoint}\n\ncontent-type;host\n"
        f"{hashlib.sha256(body).hexdigest()}"
    )
    scope = f"{date}/{service}/tc3_request"
    text = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return {
        "Content-Type": content_type,
        "Host": endpoint,
        "Authorization": (
            f"TC3-HMAC-SHA256 Credential={SECRET_ID}/{scope}, SignedHeaders=content-type;host, "
            f"Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"
        ),
        "X-TC-Action": "SendEmail",
        "X-TC-Timestamp": str(timestamp),
        "X-TC-Version": "2020-10-02",
        "X-TC-RequestClient": "SDK_JAVA_3.2.11",
        "X-TC-Region": "ap-singapore",
        "X-TC-Language": "en-US",
    }


def answer(wire: Wire, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    response: dict[str, Any] = json.loads(wire.request("POST", "/", body, headers).body)["Response"]
    return response


@java_sdk
@NAMES
def test_java_signs_what_is_accepted(ses: Emulator, wire: Wire, name: str) -> None:
    body = json.dumps(EMAIL, ensure_ascii=False).encode()
    headers = java_headers(f"{name}:{ses.port}", body)
    assert answer(wire, headers, body)["MessageId"] == ses.inbox()[0].ses_message_id


@java_sdk
@pytest.mark.parametrize("wrong", [{"secret_key": "wrong"}, {"service": "sms"}, {"service": "0.0.1"}])
def test_java_with_another_key_or_service_is_refused(
    ses: Emulator, wire: Wire, wrong: dict[str, str]
) -> None:
    body = json.dumps(EMAIL).encode()
    code = answer(wire, java_headers(ses.address, body, **wrong), body)["Error"]["Code"]
    assert code == "AuthFailure.SignatureFailure"
    assert ses.inbox() == []


@java_sdk
def test_java_with_another_body_is_refused(ses: Emulator, wire: Wire) -> None:
    headers = java_headers(ses.address, b"{}")
    assert (
        answer(wire, headers, json.dumps(EMAIL).encode())["Error"]["Code"] == "AuthFailure.SignatureFailure"
    )
