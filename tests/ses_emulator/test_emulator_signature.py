from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from local.ses_emulator import SECRET_ID, SECRET_KEY, signature
from local.ses_emulator.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Clock, Sdk, Wire

python_sdk = pytest.mark.compatible(
    "SDKs", "Tencent Cloud SDK for Python", package="tencentcloud-sdk-python-ses"
)

NOW = 1_700_000_000
SCOPED = "TC3-HMAC-SHA256 Credential=a/2023-11-14/ses/tc3_request"
ZEROS = "0" * 64


def signed(
    body: bytes,
    secret_key: str = SECRET_KEY,
    signed: str = "content-type;host",
    service: str = "ses",
    **more: str,
) -> dict[str, str]:
    headers = {"host": "127.0.0.1:1", "content-type": "application/json", "x-tc-timestamp": str(NOW), **more}
    date = signature.utc_date(NOW)
    value = signature.sign(secret_key, headers, body, date=date, signed=signed, service=service)
    scope = f"{SECRET_ID}/{date}/{service}/tc3_request"
    headers["authorization"] = (
        f"TC3-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={value}"
    )
    return headers


def verify(headers: dict[str, str], body: bytes, token: str = "") -> None:
    signature.verify(
        headers,
        body,
        credentials={SECRET_ID: SECRET_KEY},
        tokens={SECRET_ID: token} if token else {},
        now=NOW,
    )


def code_for(headers: dict[str, str], body: bytes = b"{}", token: str = "") -> str:
    with pytest.raises(ApiError) as caught:
        verify(headers, body, token)
    return caught.value.code


@given(body=st.binary(max_size=500), other=st.binary(max_size=500))
def test_signature_is_valid_for_its_body_alone(body: bytes, other: bytes) -> None:
    headers = signed(body)
    verify(headers, body)
    if other != body:
        assert code_for(headers, other) == "AuthFailure.SignatureFailure"


@given(st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=40))
def test_every_signed_header_is_covered(value: str) -> None:
    headers = signed(b"{}", signed="content-type;host;x-tc-region", **{"x-tc-region": value})
    verify(headers, b"{}")
    assert code_for({**headers, "x-tc-region": f"{value}x"}) == "AuthFailure.SignatureFailure"


def test_signature_of_a_known_request() -> None:
    # Computed step by step with hashlib for this request, independently of the module.
    body = b'{"Limit": 1}'
    headers = {
        "host": "cvm.tencentcloudapi.com",
        "content-type": "application/json",
        "x-tc-timestamp": "1551113065",
    }
    assert signature.sign(
        "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", headers, body, date="2019-02-25", service="cvm"
    ) == ("25f39ea186a5fa1b33faea08ae92a2db0905f5f5c92ba655593544d863f0ca1b")


def test_unsigned_payload_is_accepted_with_its_header() -> None:
    headers = signed(b"anything", **{"x-tc-content-sha256": "UNSIGNED-PAYLOAD"})
    verify(headers, b"something else")


@pytest.mark.parametrize(
    ("host", "signed_host", "service"),
    [
        ("127.0.0.1:9588", "127.0.0.1", "127"),  # Node.js, an address
        ("localhost:9588", "localhost", "localhost:9588"),  # Node.js, a name without a dot
        ("127.0.0.1:9588", "127.0.0.1:9588", "127"),  # Java
        ("localhost:9588", "localhost:9588", "localhost:9588"),
        ("localhost", "localhost", "localhost"),
        ("[::1]:9588", "[::1]", "[::1]:9588"),
        ("ses.internal.example:9588", "ses.internal.example", "ses"),
        ("mail.internal.example:9588", "mail.internal.example:9588", "mail"),
    ],
)
def test_service_is_the_first_label_of_the_endpoint(host: str, signed_host: str, service: str) -> None:
    headers = signed(b"{}", service=service, host=signed_host)
    verify({**headers, "host": host}, b"{}")
    assert code_for({**headers, "host": "other.example:9588"}) == "AuthFailure.SignatureFailure"
    assert code_for({**headers, "host": host}, b"[]") == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize("service", ["sms", "0", "127.0.0.1", "127.0.0.1:1", "9588"])
def test_other_services_are_refused(service: str) -> None:
    assert code_for(signed(b"{}", service=service)) == "AuthFailure.SignatureFailure"


def test_another_secret_key_fails() -> None:
    assert code_for(signed(b"{}", "wrong")) == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic dXNlcjpwYXNz",
        f"{SCOPED}, SignedHeaders=content-type;host, Signature=00",
        f"{SCOPED}, SignedHeaders=host, Signature={ZEROS}",
        f"{SCOPED}, SignedHeaders=host;content-type, Signature={ZEROS}",
        f"{SCOPED}, SignedHeaders=content-type;host;x-b, Signature={ZEROS}",
    ],
)
def test_malformed_authorization_is_rejected(authorization: str) -> None:
    assert code_for({**signed(b"{}"), "authorization": authorization}) == "AuthFailure.InvalidAuthorization"


@pytest.mark.parametrize(("old", "new"), [("/ses/", "/sms/"), ("2023-11-14", "2023-11-15")])
def test_scope_must_match_the_request(old: str, new: str) -> None:
    headers = signed(b"{}")
    assert code_for({**headers, "authorization": headers["authorization"].replace(old, new)}) == (
        "AuthFailure.SignatureFailure"
    )


@pytest.mark.parametrize(("timestamp", "code"), [(None, "MissingParameter"), ("now", "InvalidParameter")])
def test_timestamp_is_required(timestamp: str | None, code: str) -> None:
    headers = signed(b"{}")
    del headers["x-tc-timestamp"]
    assert code_for(headers if timestamp is None else {**headers, "x-tc-timestamp": timestamp}) == code


def test_token_must_match_where_one_is_configured() -> None:
    verify(signed(b"{}", **{"x-tc-token": "session"}), b"{}", "session")
    assert code_for(signed(b"{}", **{"x-tc-token": "old"}), token="session") == "AuthFailure.TokenFailure"
    assert code_for(signed(b"{}"), token="session") == "AuthFailure.TokenFailure"


@python_sdk
def test_sdk_signs_what_the_emulator_accepts(sdk: Sdk) -> None:
    assert sdk.send(Subject="你好 🎉")["MessageId"]


@python_sdk
def test_sdk_may_leave_the_payload_unsigned(sdk: Sdk) -> None:
    sdk.client.profile.unsignedPayload = True
    assert sdk.send()["MessageId"]


def test_sdk_with_another_key_is_rejected(ses: Emulator, connect: Callable[..., Sdk]) -> None:
    for credential, code in (
        ((SECRET_ID, "wrong"), "AuthFailure.SignatureFailure"),
        (("AKIDother", SECRET_KEY), "AuthFailure.SecretIdNotFound"),
    ):
        with pytest.raises(TencentCloudSDKException) as caught:
            connect(ses, *credential).send()
        assert caught.value.code == code
        assert caught.value.requestId
    assert ses.inbox() == []


@python_sdk
def test_sdk_sends_the_token_of_temporary_credentials(
    start: Callable[..., Emulator], connect: Callable[..., Sdk]
) -> None:
    ses = start(tokens={SECRET_ID: "session"})
    assert connect(ses, SECRET_ID, SECRET_KEY, token="session").send()["MessageId"]
    with pytest.raises(TencentCloudSDKException, match=r"AuthFailure\.TokenFailure"):
        connect(ses).send()


@pytest.mark.parametrize("skew", [-300, 300])
def test_timestamp_may_be_five_minutes_off(
    start: Callable[..., Emulator], wires: type[Wire], clock: Clock, skew: int
) -> None:
    assert wires(start(clock=clock), lambda: clock.now + skew).post()["MessageId"]


@pytest.mark.parametrize("skew", [-301, 301])
def test_timestamp_further_off_has_expired(
    start: Callable[..., Emulator], wires: type[Wire], clock: Clock, skew: int
) -> None:
    assert wires(start(clock=clock), lambda: clock.now + skew).code() == "AuthFailure.SignatureExpire"
