"""The SES client: the time that a call may take, when connections are dropped, what is set in the SDK."""

from __future__ import annotations

import logging
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from factories import email
from mailer import clock
from mailer.errors import SesFailure
from mailer.ses.client import SesClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.ses_emulator import Emulator

pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture
def client(ses: Emulator) -> Iterator[SesClient]:
    client = SesClient("http", ses.address, "ap-singapore")
    yield client
    client.close()


@pytest.mark.parametrize(
    ("seconds", "connect", "read"),
    [(1.5, 0.5, 1.0), (6.0, 2.0, 4.0), (9.0, 3.0, 6.0), (12.0, 3.0, 9.0), (60.0, 3.0, 10.0)],
)
def test_call_gets_its_share_of_the_time(
    client: SesClient, monkeypatch: pytest.MonkeyPatch, seconds: float, connect: float, read: float
) -> None:
    from requests.adapters import HTTPAdapter

    given: list[object] = []
    send = HTTPAdapter.send

    def noted(self: HTTPAdapter, *args: object, **options: object) -> object:
        given.append(options["timeout"])
        return send(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(HTTPAdapter, "send", noted)
    client.send(email(), "one@mail.shop.example", seconds)
    assert given == [(connect, read)]


def test_call_that_could_not_read_for_a_second_is_not_begun(client: SesClient, ses: Emulator) -> None:
    with pytest.raises(SesFailure) as caught:
        client.send(email(), "one@mail.shop.example", 1.49)
    assert caught.value.code == "Transport.NotStarted"
    assert ses.calls() == []


def test_connections_are_dropped_once_they_were_idle_for_half_a_minute(
    client: SesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(clock, "now", lambda: now)
    client.open()
    closed: list[float] = []
    monkeypatch.setattr(client._client.request.conn._session, "close", lambda: closed.append(now))
    for now in (1030.0, 1060.0, 1090.5, 1100.0):  # noqa: B007 - read by the clock
        client.open()
    assert closed == [1090.5]


def test_sdk_is_built_once_and_not_before_a_call(client: SesClient) -> None:
    client.close()
    assert client._client is None
    client.open()
    built = client._client
    client.open()
    assert client._client is built


def test_receipt_has_what_support_asks_for(client: SesClient, ses: Emulator) -> None:
    receipt = client.send(email(), "one@mail.shop.example", 3.0)
    (mail,) = ses.inbox()
    assert receipt.ses_message_id == mail.ses_message_id
    assert receipt.request_id
    assert receipt.request_id == mail.request_id


def test_sdk_is_set_to_the_account_and_logs_no_request(
    client: SesClient, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("tencentcloud_sdk_common")
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    monkeypatch.setattr(logger, "propagate", True)
    client.open()
    sdk = client._client
    assert (sdk._service, sdk._apiVersion, sdk.region) == ("ses", "2020-10-02", "ap-singapore")
    assert (sdk.profile.httpProfile.protocol, sdk.profile.httpProfile.endpoint) == ("http", ses.address)
    assert sdk.profile.language == "en-US"
    assert sdk.profile.retryer is None
    assert sdk.circuit_breaker is None
    session = sdk.request.conn._session
    assert session.trust_env is False
    assert session.max_redirects == 0
    adapter = session.get_adapter(f"http://{ses.address}/")
    assert adapter._pool_maxsize == 32
    assert logger.level == logging.WARNING
    assert logger.propagate is False


def test_every_answer_measures_the_clock_of_ses(client: SesClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def dated(self: HTTPAdapter, *args: Any, **options: Any) -> Any:
        response = send(self, *args, **options)
        response.headers["Date"] = formatdate(time.time() + 1000, usegmt=True)
        return response

    monkeypatch.setattr(HTTPAdapter, "send", dated)
    client.send(email(), "one@mail.shop.example", 3.0)
    assert client.clock_offset is not None
    assert abs(client.clock_offset - 1000) < 5
