"""HTTPS with a certificate made on the spot, and what a command line says that cannot be served."""

from __future__ import annotations

import json
import socket
import ssl
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from local.ses_emulator import SECRET_ID, SECRET_KEY, Emulator
from local.ses_emulator.__main__ import main
from ses_emulator.sample_email import EMAIL
from ses_emulator.typed_models import TypedClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from ses_emulator.conftest import Sdk, Wire


@pytest.fixture
def secure(start: Callable[..., Emulator]) -> Emulator:
    return start(tls=True, slow_seconds=0.2)


def client_of(ses: Emulator, **options: Any) -> TypedClient:
    http = HttpProfile(endpoint=ses.address, reqTimeout=10, **options)
    return TypedClient(Credential(SECRET_ID, SECRET_KEY), "ap-singapore", ClientProfile(httpProfile=http))


def test_sdk_sends_over_tls_once_it_trusts_the_ca(secure: Emulator) -> None:
    assert secure.endpoint.startswith("https://")
    client = client_of(secure, certification=str(secure.ca_file))
    assert client.answer("SendEmail", **EMAIL).MessageId
    client.request.conn._session.close()
    assert len(secure.inbox()) == 1


def test_sdk_that_does_not_trust_the_ca_sends_nothing(
    secure: Emulator, start: Callable[..., Emulator]
) -> None:
    other = start(tls=True)
    for certification in (None, str(other.ca_file)):
        client = client_of(secure, **({"certification": certification} if certification else {}))
        with pytest.raises(TencentCloudSDKException, match="CERTIFICATE_VERIFY_FAILED"):
            client.answer("SendEmail", **EMAIL)
        client.request.conn._session.close()
    assert secure.calls() == []


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_certificate_is_for_every_loopback_name(secure: Emulator, name: str) -> None:
    context = ssl.create_default_context(cafile=str(secure.ca_file))
    url = f"https://{name}:{secure.port}/_emulator/health"
    with urllib.request.urlopen(url, context=context, timeout=10) as response:
        assert json.load(response) == {"status": "ok"}


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost"])
def test_certificate_is_for_the_host_too(start: Callable[..., Emulator], host: str) -> None:
    ses = start(host=host, tls=True)
    context = ssl.create_default_context(cafile=str(ses.ca_file))
    url = f"https://{ses.address}/_emulator/health"
    with urllib.request.urlopen(url, context=context, timeout=10) as response:
        assert response.status == 200


def test_plain_http_is_not_answered_and_does_no_harm(secure: Emulator) -> None:
    with socket.create_connection(("127.0.0.1", secure.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not connection.recv(65536).startswith(b"HTTP")
    assert client_of(secure, certification=str(secure.ca_file)).answer("SendEmail", **EMAIL).MessageId


@pytest.mark.parametrize("fault", ["reset-after", "answer-lost", "cut-body", "slow"])
def test_faults_of_the_transport_over_tls(secure: Emulator, fault: str) -> None:
    client = client_of(secure, certification=str(secure.ca_file))
    secure.add_fault(fault)
    with pytest.raises(TencentCloudSDKException):
        client.answer("SendEmail", **EMAIL)
    assert client.answer("SendEmail", **EMAIL).MessageId
    client.request.conn._session.close()
    assert len(secure.inbox()) == 2


def test_ca_is_removed_at_the_end() -> None:
    with Emulator(tls=True) as ses:
        assert ses.ca_file is not None
        assert ses.ca_file.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert not ses.ca_file.exists()
    with Emulator() as plain:
        assert plain.ca_file is None


def test_tls_without_its_library_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    assert main(["--port", "0", "--tls"]) == 1
    assert capsys.readouterr().err == "ses_emulator: TLS needs the library trustme: pip install trustme\n"


def test_taken_port_is_named(start: Callable[..., Emulator], capsys: pytest.CaptureFixture[str]) -> None:
    port = start().port
    for more in ([], ["--tls"]):
        assert main(["--port", str(port), *more]) == 1
        error = capsys.readouterr().err
        assert error == f"ses_emulator: port {port} of 127.0.0.1 is taken; --port 0 takes a free one\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--port", "65536"], "65536 is not a number from 0 to 65535"),
        (["--port", "-1"], "-1 is not a number from 0 to 65535"),
        (["--region", "singapore"], "singapore is not a region such as ap-singapore or ap-guangzhou"),
        (["--region", "AP_Singapore"], "AP_Singapore is not a region such as ap-singapore or ap-guangzhou"),
    ],
)
def test_option_that_cannot_be_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], error: str
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert error in capsys.readouterr().err


def test_region_is_that_of_the_settings(start: Callable[..., Emulator], connect: Callable[..., Sdk]) -> None:
    ses = start(region="ap-guangzhou")
    assert connect(ses, region="ap-guangzhou").send()["MessageId"]
    with pytest.raises(TencentCloudSDKException) as caught:
        connect(ses).send()
    assert caught.value.code == "UnsupportedRegion"
    assert "X-Tc-Region is ap-singapore, this is ap-guangzhou." in caught.value.message


def test_missing_region_is_named(wire: Wire) -> None:
    error = wire.post(x_tc_region=None)["Error"]
    assert error["Code"] == "MissingParameter"
    assert "X-Tc-Region: this is ap-singapore." in error["Message"]
