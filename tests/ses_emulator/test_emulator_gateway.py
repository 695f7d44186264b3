from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.ses_emulator import parameters
from local.ses_emulator.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Sdk, Wire

MB = 1024 * 1024
EMAIL = {
    "FromEmailAddress": "noreply@mail.shop.example",
    "Subject": "Hello",
    "Destination": ["user@example.com"],
    "Template": {"TemplateID": 100091, "TemplateData": "{}"},
}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x_tc_action": None}, "MissingParameter"),
        ({"x_tc_action": "SendEmails"}, "InvalidAction"),
        ({"x_tc_version": None}, "MissingParameter"),
        ({"x_tc_version": "2017-03-12"}, "NoSuchVersion"),
        ({"x_tc_region": None}, "MissingParameter"),
        ({"x_tc_region": "ap-guangzhou"}, "UnsupportedRegion"),
        ({"content_type": "multipart/form-data"}, "InvalidRequest"),
        ({"authorization": "none"}, "AuthFailure.InvalidAuthorization"),
        ({"x_tc_timestamp": "1"}, "AuthFailure.SignatureExpire"),
    ],
)
def test_gateway_returns_the_code_of_what_is_wrong(
    wire: Wire, headers: dict[str, str | None], code: str
) -> None:
    assert wire.code(None, **headers) == code


def test_content_type_may_have_parameters(wire: Wire) -> None:
    assert wire.post(content_type="application/json; charset=utf-8")["MessageId"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_calls_are_posts(wire: Wire, method: str) -> None:
    reply = wire.request(method, "/", b"", wire.headers(b""))
    assert json.loads(reply.body)["Response"]["Error"]["Code"] == "UnsupportedProtocol"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingParameter"),
        (b"{", "InvalidParameter"),
        (b"[]", "InvalidParameter"),
        (b"\xff", "InvalidParameter"),
        (b'{"Subject": NaN}', "InvalidParameter"),
        (b"[" * 200_000, "InvalidParameter"),
    ],
)
def test_body_is_a_json_object(wire: Wire, body: bytes, code: str) -> None:
    assert wire.code(body) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Oo": 1}, "UnknownParameter"),
        ({"ClientToken": "x"}, "UnknownParameter"),
        ({"Template": {"TemplateID": 1, "TemplateData": "{}", "Name": "x"}}, "UnknownParameter"),
        ({"Attachments": [{"FileName": "a.txt", "Content": "", "Size": 1}]}, "UnknownParameter"),
        ({"Subject": None}, "MissingParameter"),
        ({"FromEmailAddress": None}, "MissingParameter"),
        ({"Template": {"TemplateID": 1}}, "MissingParameter"),
        ({"Attachments": [{"Content": ""}]}, "MissingParameter"),
        ({"Template": {"TemplateID": "100091", "TemplateData": "{}"}}, "InvalidParameter"),
        ({"Template": {"TemplateID": True, "TemplateData": "{}"}}, "InvalidParameter"),
        ({"Template": {"TemplateID": -1, "TemplateData": "{}"}}, "InvalidParameter"),
        ({"Template": {"TemplateID": 100091, "TemplateData": {"code": "1"}}}, "InvalidParameter"),
        ({"Destination": "user@example.com"}, "InvalidParameter"),
        ({"Destination": [1]}, "InvalidParameter"),
        ({"Subject": "\ud800"}, "InvalidParameter"),
        ({"Unsubscribe": 1}, "InvalidParameter"),
        ({"TriggerType": "1"}, "InvalidParameter"),
        ({"SmtpHeaders": {"X-A": "b"}}, "InvalidParameter"),
    ],
)
def test_fields_are_checked_against_the_api(
    ses: Emulator, sdk: Sdk, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(Exception, match=rf"code:{code} "):
        sdk.send(**change)
    assert ses.calls()[-1].outcome == code


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*parameters.SEND_EMAIL.fields, "TemplateID", "Html", "X"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_accepted_or_rejected_with_a_code(value: Any) -> None:
    code = None
    try:
        parameters.check(parameters.load(json.dumps(value).encode()), parameters.SEND_EMAIL)
    except ApiError as error:
        code = error.code
    assert code in {None, "InvalidParameter", "MissingParameter", "UnknownParameter"}


def test_request_over_eight_megabytes_is_rejected(ses: Emulator, wire: Wire) -> None:
    assert wire.code(b'{"Subject": "' + b"x" * 8 * MB + b'"}') == "MissingParameter"
    padded = json.dumps(EMAIL).encode() + b" " * 8 * MB
    assert wire.code(padded) == "RequestSizeLimitExceeded"
    assert ses.inbox() == []


def test_gateway_rejects_over_ten_megabytes_before_anything_else(wire: Wire) -> None:
    body = b"x" * (10 * MB + 1)
    assert wire.code(body, authorization="none") == "RequestSizeLimitExceeded"


def test_body_needs_a_length(wire: Wire) -> None:
    headers = {**wire.headers(b""), "Transfer-Encoding": "chunked"}
    assert wire.request("POST", "/", b"0\r\n\r\n", headers).status == 411


def test_client_that_disconnects_within_the_body_has_sent_nothing(
    ses: Emulator, sdk: Sdk, wire: Wire
) -> None:
    with wire.connect() as connection:
        connection.sendall(wire.bytes_of(json.dumps(EMAIL).encode())[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    sdk.send()
    assert len(ses.calls()) == len(ses.inbox()) == 1


def test_connection_is_kept_alive(ses: Emulator, wire: Wire) -> None:
    body = json.dumps({"TemplateID": 100091}).encode()
    with closing(http.client.HTTPConnection("127.0.0.1", ses.port, timeout=10)) as connection:
        connection.connect()
        first = connection.sock
        for _ in range(3):
            connection.request("POST", "/", body, wire.headers(body, x_tc_action="GetEmailTemplate"))
            with connection.getresponse() as response:
                assert response.headers["Connection"] == "keep-alive"
                response.read()
            assert connection.sock is first


def test_response_comes_in_one_piece(wire: Wire) -> None:
    body = json.dumps({"TemplateID": 100091}).encode()
    with wire.connect() as connection:
        connection.sendall(wire.bytes_of(body, x_tc_action="GetEmailTemplate"))
        head, _, rest = connection.recv(65536).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(rest)}".encode() in head


def test_burst_of_connections_is_served(ses: Emulator, wire: Wire) -> None:
    body = json.dumps({"TemplateID": 100091}).encode()
    request = wire.bytes_of(body, x_tc_action="GetEmailTemplate")
    connections = [wire.connect() for _ in range(200)]
    for connection in connections:
        connection.sendall(request)
    responses = [connection.recv(12) for connection in connections]
    for connection in connections:
        connection.close()
    assert set(responses) == {b"HTTP/1.1 200"}


def test_concurrent_sends_get_distinct_ids(ses: Emulator, connect: Callable[..., Sdk]) -> None:
    received: list[str] = []

    def send(client: Sdk) -> None:
        received.extend(client.send()["MessageId"] for _ in range(10))

    threads = [threading.Thread(target=send, args=(connect(ses),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(received)) == 80
    assert sorted(mail.ses_message_id for mail in ses.inbox()) == sorted(received)
    assert [mail.sequence for mail in ses.inbox()] == list(range(1, 81))


def test_port_is_free_again_after_close(start: Callable[..., Emulator], connect: Callable[..., Sdk]) -> None:
    first = start()
    idle = connect(first)
    idle.send()
    first.close()
    second = start(port=first.port)
    connect(second).send()
    assert len(second.inbox()) == 1


def test_closing_does_not_wait_for_clients_that_hang(
    start: Callable[..., Emulator], wires: type[Wire]
) -> None:
    ses = start(slow_seconds=3600)
    wire = wires(ses)
    body = json.dumps({"TemplateID": 100091}).encode()
    ses.add_fault("slow", action="GetEmailTemplate")
    with wire.connect() as connection:
        connection.sendall(wire.bytes_of(body, x_tc_action="GetEmailTemplate"))
        while ses.faults.rules():
            time.sleep(0.001)
        ses.close()
        assert connection.recv(1) == b""
