from __future__ import annotations

import http.client
import json
import socket
import time
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tencentcloud.common import abstract_client
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from local.ses_emulator import SECRET_ID, SECRET_KEY, Emulator, signature
from ses_emulator.sample_email import EMAIL
from ses_emulator.typed_models import TypedClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = Path(__file__).parent
# What an interpreter may change: these run on each, the rest of this folder on one.
ON_EVERY_INTERPRETER = {"test_emulator_actions.py", "test_emulator_tls.py"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder that one run of the suite does."""
    for item in items:
        if item.path.parent == FOLDER and item.path.name not in ON_EVERY_INTERPRETER:
            item.add_marker("once")


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


class Sdk:
    """The official SDK, pointed at an emulator."""

    def __init__(
        self, ses: Emulator, secret_id: str = SECRET_ID, secret_key: str = SECRET_KEY, **options: Any
    ) -> None:
        http = HttpProfile(protocol="http", endpoint=ses.address, reqTimeout=options.pop("timeout", 10))
        credential = Credential(secret_id, secret_key, options.pop("token", None))
        region = options.pop("region", "ap-singapore")
        self.client = TypedClient(
            credential, region, ClientProfile(httpProfile=http, language="en-US", **options)
        )

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call an action and return its `Response`."""
        response: dict[str, Any] = self.client.call_json(action, parameters)["Response"]
        return response

    def send(self, **parameters: Any) -> dict[str, Any]:
        """Call SendEmail with a valid request; `parameters` replace its fields (None removes one)."""
        fields = {**EMAIL, **({"Template": None} if "Simple" in parameters else {}), **parameters}
        return self.call("SendEmail", **{name: value for name, value in fields.items() if value is not None})

    def close(self) -> None:
        self.client.request.conn._session.close()


class Wire:
    """Raw HTTP requests, for what the SDK never sends."""

    def __init__(self, ses: Emulator, clock: Callable[[], float] = time.time) -> None:
        self.ses = ses
        self.clock = clock

    def headers(self, body: bytes, **changes: str | None) -> dict[str, str]:
        """Return signed headers of a SendEmail call; `changes` (`_` for `-`) replace some, None drops one."""
        timestamp = int(self.clock())
        headers: dict[str, str | None] = {
            "host": self.ses.address,
            "content-type": "application/json",
            "x-tc-action": "SendEmail",
            "x-tc-version": "2020-10-02",
            "x-tc-region": "ap-singapore",
            "x-tc-timestamp": str(timestamp),
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        present = {name: value for name, value in headers.items() if value is not None}
        signable = {"content-type": "", "x-tc-timestamp": "0", **present}
        date = signature.utc_date(timestamp)
        signed = signature.sign(SECRET_KEY, signable, body, date=date)
        present.setdefault(
            "authorization",
            f"TC3-HMAC-SHA256 Credential={SECRET_ID}/{date}/ses/tc3_request, "
            f"SignedHeaders=content-type;host, Signature={signed}",
        )
        return present

    def post(self, body: bytes | None = None, **changes: str | None) -> dict[str, Any]:
        """Return the API's `Response` to a body (default: a valid email)."""
        payload = json.dumps(EMAIL).encode() if body is None else body
        reply = self.request("POST", "/", payload, self.headers(payload, **changes))
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "application/json"
        response: dict[str, Any] = json.loads(reply.body)["Response"]
        return response

    def code(self, body: bytes | None = None, **changes: str | None) -> str:
        """Return the error code of the response to a body."""
        response = self.post(body, **changes)
        assert response["RequestId"]
        code: str = response["Error"]["Code"]
        return code

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Reply:
        """Send one request on a new connection."""
        connection = http.client.HTTPConnection(self.ses.settings.host, self.ses.port, timeout=10)
        with closing(connection):
            connection.request(method, path, body, headers or {})
            with connection.getresponse() as response:
                return Reply(response.status, response.headers, response.read())

    def json(self, method: str, path: str, value: Any = None) -> Any:
        """Return the JSON response of the admin API to a path under `/_emulator/`."""
        body = b"" if value is None else json.dumps(value).encode()
        return json.loads(self.request(method, f"/_emulator/{path}", body).body)

    def connect(self) -> socket.socket:
        """Return a raw connection."""
        return socket.create_connection((self.ses.settings.host, self.ses.port), timeout=10)

    def bytes_of(self, body: bytes, **changes: str | None) -> bytes:
        """Return the bytes of a signed call."""
        headers = {**self.headers(body, **changes), "content-length": str(len(body))}
        lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + body


class Reply:
    """An HTTP response."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def start() -> Iterator[Callable[..., Emulator]]:
    """Start emulators without rate and recipient limits unless a test sets them; closed at its end."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Emulator:
            unlimited = {"rate": 0, "status_rate": 0, "other_rate": 0, "recipient_hourly": 0}
            return stack.enter_context(Emulator(**{**unlimited, **settings}))

        yield make


@pytest.fixture
def ses(start: Callable[..., Emulator]) -> Emulator:
    return start()


@pytest.fixture
def connect() -> Iterator[Callable[..., Sdk]]:
    """Return SDK clients, closed at the end of the test."""
    with ExitStack() as stack:

        def make(ses: Emulator, *credential: str, **options: Any) -> Sdk:
            sdk = Sdk(ses, *credential, **options)
            stack.callback(sdk.close)
            return sdk

        yield make


@pytest.fixture
def sdk(ses: Emulator, connect: Callable[..., Sdk]) -> Sdk:
    return connect(ses)


@pytest.fixture
def client(sdk: Sdk) -> TypedClient:
    """Return the SDK's typed client, without a rate limit."""
    return sdk.client


@pytest.fixture
def wire(ses: Emulator) -> Wire:
    return Wire(ses)


@pytest.fixture
def wires() -> type[Wire]:
    return Wire


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sdk_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the SDK sign at the time of the test's clock."""
    monkeypatch.setattr(abstract_client, "time", SimpleNamespace(time=clock))
    return clock
