from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from local.ses_emulator.delivery import EVENT_IDS, EVENTS_OF_RECIPIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Sdk, Wire

FIELDS = {
    "event", "eventid", "email", "link", "bulkId", "timestamp", "reason", "bounceType", "username", "from",
    "fromDomain", "templateId", "useragent", "subject", "messageId", "taskId", "sentTimestamp",
    "X-Tencentcloudses-Cb-Custom",
}  # fmt: skip


class Receiver(ThreadingHTTPServer):
    """A callback receiver that stores the payloads."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[dict[str, Any]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/ses/events/token"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("name", "events"), EVENTS_OF_RECIPIENT.items())
def test_recipient_selects_the_events(
    start: Callable[..., Emulator],
    connect: Callable[..., Sdk],
    receiver: Receiver,
    name: str,
    events: tuple[str, ...],
) -> None:
    ses = start(callback=receiver.url)
    connect(ses).send(Destination=[f"{name}@callback.example"])
    assert [callback.status for callback in ses.sent_callbacks()] == [200] * len(events)
    assert [payload["event"] for payload in receiver.received] == list(events)
    assert [payload["eventid"] for payload in receiver.received] == [EVENT_IDS[event] for event in events]


def test_event_carries_both_message_ids(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], receiver: Receiver
) -> None:
    ses = start(callback=receiver.url, app_id=1300000000)
    ses_message_id = connect(ses).send(
        Subject="你好",
        SmtpMessageId="<order-118@mail.shop.example>",
        SmtpHeaders='{"X-Tencentcloudses-Cb-Custom": "118"}',
    )["MessageId"]
    ses.sent_callbacks()
    (payload,) = receiver.received
    assert set(payload) == FIELDS
    assert (payload["messageId"], payload["bulkId"]) == ("order-118@mail.shop.example", ses_message_id)
    assert (payload["from"], payload["fromDomain"]) == ("noreply@mail.shop.example", "mail.shop.example")
    assert (payload["email"], payload["username"]) == ("user@example.com", "1300000000")
    assert (payload["subject"], payload["templateId"]) == ("=?utf-8?b?5L2g5aW9?=", 100091)
    assert payload["X-Tencentcloudses-Cb-Custom"] == "118"
    assert payload["timestamp"] >= payload["sentTimestamp"] > 0


def test_bounce_has_its_type_and_reason(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], receiver: Receiver
) -> None:
    ses = start(callback=receiver.url)
    connect(ses).send(Destination=["bounce@callback.example"])
    ses.sent_callbacks()
    (payload,) = receiver.received
    assert payload["bounceType"] == "hard_bounce"
    assert payload["reason"]


def test_email_whose_response_was_lost_has_callbacks_too(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], receiver: Receiver
) -> None:
    ses = start(callback=receiver.url)
    with pytest.raises(Exception, match="ClientNetworkError"):
        connect(ses).send(Destination=["answer-lost@fault.example"], SmtpMessageId="<1@shop.example>")
    ses.sent_callbacks()
    assert [payload["messageId"] for payload in receiver.received] == ["1@shop.example"]


def test_without_a_url_only_triggered_callbacks_are_sent(
    ses: Emulator, sdk: Sdk, wire: Wire, receiver: Receiver
) -> None:
    sdk.send(Destination=["a@b.example", "c@d.example"])
    assert ses.sent_callbacks() == []
    fields = {
        "mail": 1,
        "event": "bounce",
        "url": receiver.url,
        "recipient": "c@d.example",
        "bounceType": "soft_bounce",
    }
    (payload,) = wire.json("POST", "callbacks", fields)
    ses.sent_callbacks()
    assert receiver.received == [payload]
    assert (payload["email"], payload["bounceType"]) == ("c@d.example", "soft_bounce")
    assert [record.deliver_status for record in ses.mailbox.records()] == [1, 3]
    (sent,) = wire.json("GET", "callbacks")
    assert (sent["url"], sent["status"], sent["payload"]) == (receiver.url, 200, payload)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"mail": 2}, 404),
        ({"mail": None}, 404),
        ({"event": "exploded"}, 400),
        ({"event": None}, 400),
        ({"recipient": "x@y.example"}, 400),
        ({"url": ""}, 400),
        ({"url": "file:///etc/passwd"}, 400),
        ({"url": 1}, 400),
    ],
)
def test_invalid_callback_request_is_rejected(
    ses: Emulator, sdk: Sdk, wire: Wire, change: dict[str, Any], status: int
) -> None:
    sdk.send()
    fields = {"mail": 1, "event": "open", "url": "http://127.0.0.1:1/", **change}
    assert wire.request("POST", "/_emulator/callbacks", json.dumps(fields).encode()).status == status
    assert ses.sent_callbacks() == []


def test_receiver_that_fails_is_logged_without_a_retry(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], receiver: Receiver
) -> None:
    receiver.status = 503
    ses = start(callback=receiver.url)
    connect(ses).send()
    assert [callback.status for callback in ses.sent_callbacks()] == [503]
    assert len(receiver.received) == 1


def test_receiver_that_is_down_is_logged(
    start: Callable[..., Emulator], connect: Callable[..., Sdk], receiver: Receiver
) -> None:
    ses = start(callback="http://127.0.0.1:1/events")
    connect(ses).send()
    (callback,) = ses.sent_callbacks()
    assert (callback.status, callback.error) == (0, "URLError")
