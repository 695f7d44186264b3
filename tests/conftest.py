from __future__ import annotations

import hashlib
import io
import logging
import os
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from digest_runs import TOML
from factories import API_KEY, HASH_KEY, SECRET
from local.ses_emulator import Emulator
from local.store import embedded_store
from mailer.runtime import Runtime
from mailer.telemetry import refused_callers
from mailer.telemetry.logs import logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ["compatibility.plugin"]

settings.register_profile("fast", deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
settings.load_profile("fast")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no line as covered that random examples reach: others may miss it the next time."""
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker("no_cover")


@pytest.fixture(scope="session")
def store_url() -> Iterator[str]:
    """The address of one embedded Valkey for each test process."""
    with embedded_store() as store:
        yield store.url


@pytest.fixture
def ses(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    options = {"status_rate": 0} if request.node.get_closest_marker("unlimited_status_queries") else {}
    with Emulator(credentials=dict([SECRET]), **options) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def _unlimited_status_queries(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("unlimited_status_queries"):
        monkeypatch.setattr("mailer.ledger.unknown.QUERY_INTERVAL_MS", 1)


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
        "MAILER_HASH_KEY": HASH_KEY,
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
def digests_toml(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mailer.toml with digests, as this process's own."""
    path = tmp_path / "mailer.toml"
    path.write_text(TOML)
    monkeypatch.setenv("MAILER_CONFIG", str(path))
    return path


@pytest.fixture
def lines_unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line about a refused caller is left out for those that other tests left."""
    monkeypatch.setattr(refused_callers, "_LIMIT", refused_callers.LineLimit())


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the process logs during the test, one JSON line each."""
    stream = io.StringIO()
    handler = logger().registered_handler
    assert isinstance(handler, logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", stream)
    return stream
