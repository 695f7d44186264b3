"""Which names the emulator serves its inbox and its admin API under: a rebound DNS name is none of them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from local.ses_emulator import hosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Sdk, Wire

LOOPBACK = ("127.0.0.1", "[::1]", "localhost", "LOCALHOST")
FOREIGN = ("rebound.example", "127.0.0.1.rebound.example", "localhost.rebound.example", "[::2]", "192.0.2.1")
REQUESTS = [
    ("GET", "/", b""),
    ("GET", "/_emulator/inbox", b""),
    ("GET", "/_emulator/stats", b""),
    ("DELETE", "/_emulator/inbox", b""),
    ("POST", "/_emulator/callbacks", b'{"mail": 1, "event": "open", "url": "http://127.0.0.1:1/"}'),
    ("POST", "/_emulator/faults", b'{"fault": "slow"}'),
    ("GET", "/anything", b""),
]


@pytest.mark.parametrize("name", LOOPBACK)
def test_inbox_is_served_under_every_loopback_name(ses: Emulator, wire: Wire, name: str) -> None:
    own = {"Host": f"{name}:{ses.port}"}
    assert wire.request("GET", "/", headers=own).status == 200
    assert wire.request("GET", "/_emulator/inbox", headers=own).status == 200
    same_origin = {**own, "Origin": f"http://{name.lower()}:{ses.port}"}
    assert wire.request("DELETE", "/_emulator/inbox", headers=same_origin).status == 200


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_rebound_name_is_misdirected(
    ses: Emulator, sdk: Sdk, wire: Wire, name: str, method: str, path: str, body: bytes
) -> None:
    """A page of `name`, whose DNS points to this machine by now, is of the same origin for its browser."""
    sdk.send()
    host = f"{name}:{ses.port}"
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
        reply = wire.request(method, path, body, headers)
        assert reply.status == 421
        error = json.loads(reply.body)["error"]
        assert f"http://localhost:{ses.port}" in error
        assert "rebound" not in error
    assert len(ses.inbox()) == 1
    assert not ses.faults.rules()
    assert not ses.sent_callbacks()


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "127.0.0.1", ":{port}", "localhost:{port}x", ""]
)
def test_port_is_a_part_of_the_name(ses: Emulator, wire: Wire, host: str) -> None:
    assert wire.request("GET", "/", headers={"Host": host.format(port=ses.port)}).status == 421


def test_request_without_a_host_is_misdirected(wire: Wire) -> None:
    with wire.connect() as connection:
        connection.sendall(b"GET /_emulator/inbox HTTP/1.0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 421 ")


def test_name_that_the_emulator_was_started_with_is_its_own(
    start: Callable[..., Emulator], wires: type[Wire]
) -> None:
    ses = start(host="0.0.0.0")  # noqa: S104 - every interface, as in a container
    wire = wires(ses)
    for name in ("0.0.0.0", "localhost"):  # noqa: S104 - the same
        assert wire.request("GET", "/", headers={"Host": f"{name}:{ses.port}"}).status == 200
    assert wire.request("GET", "/", headers={"Host": f"ses:{ses.port}"}).status == 421


def test_clients_leave_out_the_port_of_http() -> None:
    assert "localhost" in hosts.own_hosts("127.0.0.1", 80)
    assert "localhost" not in hosts.own_hosts("127.0.0.1", 8025)
    assert "ses.local:8025" in hosts.own_hosts("SES.local", 8025)


@pytest.mark.parametrize("name", [*LOOPBACK, "ses"])
def test_signed_call_works_whatever_name_its_sdk_uses(ses: Emulator, wire: Wire, name: str) -> None:
    assert wire.post(host=f"{name}:{ses.port}")["MessageId"]
    assert len(ses.inbox()) == 1


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_sdk_may_point_to_any_loopback_name(ses: Emulator, connect: Callable[..., Sdk], name: str) -> None:
    assert connect(SimpleNamespace(address=f"{name}:{ses.port}")).send()["MessageId"]


def test_web_page_cannot_call_the_ses_api(ses: Emulator, wire: Wire) -> None:
    host = f"rebound.example:{ses.port}"
    headers = {**wire.headers(b"{}", host=host), "Origin": f"http://{host}"}
    assert wire.request("POST", "/", b"{}", headers).status == 403
    assert ses.calls() == []
