"""Every way in which a call can fail, over real sockets: was it sent, or is that unknown?"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from requests.exceptions import ConnectionError as RequestsConnectionError
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from factories import email
from mailer import clock
from mailer.errors import SesFailure
from mailer.ses.client import SesClient
from mailer.ses.error_table import Action, rule_for
from mailer.ses.transport import _causes, code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.ses_emulator import Emulator

CERTIFICATE = Path(__file__).with_name("data") / "loopback.crt"
MESSAGE_ID = "abc@mail.shop.example"
pytestmark = pytest.mark.usefixtures("environment")


def failure_at(
    host: str, *, to: str = "ann@customer.example", seconds: float = 3.0, scheme: str = "http"
) -> str:
    client = SesClient(scheme, host, "ap-singapore")
    try:
        with pytest.raises(SesFailure) as caught:
            client.send(email(to=to), MESSAGE_ID, seconds)
    finally:
        client.close()
    return caught.value.code


@contextmanager
def listener(answer: Callable[[socket.socket], None] | None = None) -> Iterator[str]:
    """A port that accepts one connection and does with it as `answer` says."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with closing(connection):
                if answer:
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


@contextmanager
def full_listener() -> Iterator[str]:
    """A port whose queue of waiting connections is full, so that a further one gets no answer."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as server:
        waiting = []
        for _ in range(8):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(server.getsockname())
            waiting.append(connection)
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            for connection in waiting:
                connection.close()


@pytest.fixture
def tls() -> ssl.SSLContext:
    """A server's side of TLS, with a certificate for 127.0.0.1 that only this test knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_suffix(".key"))
    return context


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def test_refused_connection_is_not_sent() -> None:
    assert failure_at(f"127.0.0.1:{free_port()}") == "Transport.ConnectionRefused"


def test_name_that_does_not_resolve_is_not_sent() -> None:
    assert failure_at("no-such-host.invalid") == "Transport.NameResolution"


def test_connect_timeout_is_not_sent() -> None:
    with full_listener() as host:
        assert failure_at(host, seconds=1.8) == "Transport.ConnectTimeout"


def test_failed_tls_handshake_is_not_sent() -> None:
    with listener(lambda connection: connection.sendall(b"this is no TLS\r\n")) as host:
        assert failure_at(host, scheme="https") == "Transport.TlsFailure"


def test_certificate_of_a_stranger_is_not_sent(tls: ssl.SSLContext) -> None:
    def answer(connection: socket.socket) -> None:
        with suppress(OSError):
            tls.wrap_socket(connection, server_side=True).close()

    with listener(answer) as host:
        assert failure_at(host, scheme="https") == "Transport.TlsFailure"


def test_tls_that_breaks_after_the_request_left_is_unknown(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(connection: socket.socket) -> None:
        secured = tls.wrap_socket(connection, server_side=True)
        assert b"SendEmail" in secured.recv(65536)
        raw = socket.socket(fileno=secured.detach())
        with closing(raw):
            raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))  # a record that nobody has encrypted

    monkeypatch.setattr("certifi.where", lambda: str(CERTIFICATE))
    with listener(answer) as host:
        code = failure_at(host, scheme="https")
    assert code == "Transport.ConnectionLost"
    assert rule_for(code).action is Action.RECONCILE


def test_failed_proxy_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    assert failure_at("ses.example", scheme="https") == "Transport.ProxyFailure"


@pytest.mark.parametrize(
    "code",
    [
        "Transport.ConnectionRefused",
        "Transport.NameResolution",
        "Transport.ConnectTimeout",
        "Transport.TlsFailure",
        "Transport.ProxyFailure",
    ],
)
def test_what_never_connected_is_retried(code: str) -> None:
    assert rule_for(code).certainly_not_sent
    assert rule_for(code).action is Action.RETRY


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("slow", "Transport.ReadTimeout"),
        ("slow-before", "Transport.ReadTimeout"),
        ("answer-lost", "Transport.ConnectionLost"),
        ("reset-after", "Transport.ConnectionLost"),
        ("reset-before", "Transport.ConnectionLost"),
        ("cut-body", "Transport.BodyCut"),
        ("bad-json", "Transport.NotJson"),
        ("html", "Transport.NotJson"),
        ("http-500", "Transport.HttpStatus"),
        ("http-502", "Transport.HttpStatus"),
        ("no-message-id", "Transport.NoMessageId"),
        ("charset", "Transport.NoMessageId"),
        ("redirect-307", "Transport.Unclassified"),
    ],
)
def test_what_broke_after_the_request_left_is_unknown(ses: Emulator, fault: str, code: str) -> None:
    assert failure_at(ses.address, to=f"{fault}@fault.example", seconds=2.0) == code
    assert rule_for(code).action is Action.RECONCILE
    assert not rule_for(code).certainly_not_sent


@pytest.mark.parametrize("message_id", ["null", "7", '""'])
def test_answer_without_a_message_id_keeps_its_request_id(message_id: str) -> None:
    body = b'{"Response": {"MessageId": %s, "RequestId": "r-1"}}' % message_id.encode()

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)

    with listener(answer) as host:
        client = SesClient("http", host, "ap-singapore")
        with pytest.raises(SesFailure) as caught:
            client.send(email(), MESSAGE_ID, 3.0)
        client.close()
    assert (caught.value.code, caught.value.request_id) == ("Transport.NoMessageId", "r-1")


@pytest.mark.parametrize("fault", ["charset-accepted", "no-content-type"])
def test_acceptance_under_another_content_type_is_an_acceptance(ses: Emulator, fault: str) -> None:
    client = SesClient("http", ses.address, "ap-singapore")
    receipt = client.send(email(to=f"{fault}@fault.example"), MESSAGE_ID, 3.0)
    client.close()
    assert receipt.ses_message_id == ses.inbox()[0].ses_message_id


def test_redirect_does_not_post_the_email_again(ses: Emulator) -> None:
    failure_at(ses.address, to="redirect-307@fault.example")
    assert ses.inbox() == []


def test_answer_without_a_response_object_is_unknown() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 18\r\n\r\n"
            b'{"Response": null}'
        )

    with listener(answer) as host:
        assert failure_at(host) == "Transport.NotJson"


def test_error_without_a_request_id_is_unknown() -> None:
    body = b'{"Response": {"Error": {"Code": "FailedOperation.IncorrectEmail", "Message": ""}}}'

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)

    with listener(answer) as host:
        assert failure_at(host) == "Transport.NotJson"


def test_api_error_keeps_its_code_and_request_id(ses: Emulator) -> None:
    client = SesClient("http", ses.address, "ap-singapore")
    with pytest.raises(SesFailure) as caught:
        client.send(email(to="EmailAddrInBlacklist@fault.example"), MESSAGE_ID, 3.0)
    client.close()
    assert caught.value.code == "FailedOperation.EmailAddrInBlacklist"
    assert caught.value.request_id


def test_missing_credentials_are_not_sent(ses: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAILER_SECRET_ID")
    assert failure_at(ses.address) == "InvalidCredential"
    assert ses.calls() == []


def test_execution_role_of_scf_is_read_for_every_call(ses: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    client = SesClient("http", ses.address, "ap-singapore")
    client.send(email(), "one@mail.shop.example", 3.0)
    monkeypatch.setenv("TENCENTCLOUD_SECRETID", "AKIDnobody")
    monkeypatch.setenv("TENCENTCLOUD_SECRETKEY", "rotated")
    with pytest.raises(SesFailure) as caught:
        client.send(email(), "two@mail.shop.example", 3.0)
    client.close()
    assert caught.value.code == "AuthFailure.SecretIdNotFound"


def test_call_is_not_begun_with_too_little_time(ses: Emulator) -> None:
    assert failure_at(ses.address, seconds=1.2) == "Transport.NotStarted"
    assert ses.calls() == []


def test_netrc_does_not_replace_the_signature(
    ses: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client = SesClient("http", ses.address, "ap-singapore")
    assert client.send(email(), MESSAGE_ID, 3.0).ses_message_id
    client.close()


def test_connection_that_went_idle_is_replaced(ses: Emulator) -> None:
    client = SesClient("http", ses.address, "ap-singapore")
    client.send(email(), "one@mail.shop.example", 3.0)
    client._used_at = 0.0  # as after a long freeze
    client.send(email(), "two@mail.shop.example", 3.0)
    client.close()
    assert len(ses.inbox()) == 2


def test_unknown_exception_of_the_sdk_is_unknown() -> None:
    assert code_of(RuntimeError("anything")) == "Transport.Unclassified"
    assert code_of(TencentCloudSDKException("ClientNetworkError", "no cause")) == "Transport.Unclassified"
    assert code_of(TencentCloudSDKException("ClientError", "language")) == "ClientError"
    assert code_of(RequestsConnectionError("while reading")) == "Transport.BodyCut"


def test_errors_that_lead_to_each_other_are_looked_at_once() -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__context__, second.__cause__ = second, first
    assert list(islice(_causes(first, None), 3)) == [first, second]


def test_everything_that_led_to_an_error_is_looked_at() -> None:
    class Urllib3Error(RuntimeError):
        reason = ValueError("reason")

    error = RuntimeError("error", nested := Urllib3Error("nested"))
    error.__context__, error.__cause__ = LookupError("context"), TypeError("cause")
    nested.__context__ = OSError("context")
    expected = [error, error.__context__, error.__cause__, nested, nested.reason, nested.__context__]
    assert sorted(map(str, _causes(error, None))) == sorted(map(str, expected))


@pytest.mark.parametrize(
    ("header", "offset"),
    [
        ("Tue, 24 Nov 2026 00:56:00 GMT", 9.5),  # half a second more: the header has whole seconds
        ("Tue, 24 Nov 2026 01:56:00 +0100", 9.5),
        ("Tue, 24 Nov 2026 00:56:00 -0000", 5.0),  # says nothing of its zone
        ("soon", 5.0),
        ("", 5.0),
        (None, 5.0),
    ],
)
def test_clock_of_ses_is_measured_by_the_date_of_its_answers(
    monkeypatch: pytest.MonkeyPatch, header: str | None, offset: float
) -> None:
    client = SesClient("http", "ses.example", "ap-singapore")
    client.measured_clock = clock.Offset(5.0, 0.0)
    monkeypatch.setattr(
        clock, "now", lambda: datetime(2026, 11, 24, 0, 55, 51, tzinfo=timezone.utc).timestamp()
    )
    client._read_date(header, clock.Moment())
    assert client.clock_offset == offset
