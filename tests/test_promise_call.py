"""A lost answer is unknown, whatever the caller was handling when it asked for the email."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import pytest
import requests
import urllib3

from background import free_port
from factories import email
from mailer import clock
from mailer.deadline import Deadline
from mailer.delivery import deliver as delivery
from mailer.delivery.deliver import deliver
from mailer.ledger.record import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime


def refused_connection() -> None:
    requests.get(f"http://127.0.0.1:{free_port()}/", timeout=1)


def refused_connection_of_urllib3() -> None:
    urllib3.PoolManager(retries=False).request("GET", f"http://127.0.0.1:{free_port()}/")


def name_that_does_not_resolve() -> None:
    requests.get("http://no-such-host.invalid/", timeout=1)


def name_that_does_not_resolve_in_the_standard_library() -> None:
    urllib.request.urlopen("http://no-such-host.invalid/", timeout=1)


def failed_proxy() -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    requests.get("https://shop.example/", proxies={"https": proxy}, timeout=1)


def failed_tls_handshake() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server, ThreadPoolExecutor(1) as pool:

        def answer() -> None:
            connection, _ = server.accept()
            with closing(connection):
                connection.sendall(b"this is no TLS\r\n")

        pool.submit(answer)
        with socket.create_connection(server.getsockname()) as connection:
            ssl.create_default_context().wrap_socket(connection, server_hostname="127.0.0.1")


FAILURES = (
    refused_connection,
    refused_connection_of_urllib3,
    name_that_does_not_resolve,
    name_that_does_not_resolve_in_the_standard_library,
    failed_proxy,
    failed_tls_handshake,
)
ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, URLError)


@pytest.mark.parametrize("failure", FAILURES)
def test_alarm_whose_answer_is_lost_while_a_failure_is_handled_is_unknown(
    runtime: Runtime, ses: Emulator, failure: Callable[[], None]
) -> None:
    ses.add_fault("reset-after")
    with pytest.raises(ERRORS):
        failure()
    try:
        failure()
    except ERRORS:
        outcome = deliver(email(subject="A request has failed"), key="alarm-1")
    assert (outcome.state, outcome.code) == (State.UNKNOWN, "Transport.ConnectionLost")
    assert len(ses.calls()) == len(ses.inbox()) == 1


def test_failure_that_is_handled_further_up_says_nothing_of_the_call(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("reset-after")
    try:
        try:
            refused_connection()
        except ERRORS as error:
            raise RuntimeError("the nightly job has failed") from error
    except RuntimeError:
        outcome = deliver(email())
    assert outcome.state is State.UNKNOWN


@pytest.mark.parametrize("failure", FAILURES)
def test_refused_connection_to_ses_is_still_told_from_the_callers_failure(
    runtime: Runtime, failure: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_SES_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    try:
        failure()
    except ERRORS:
        outcome = deliver(email(), deadline=Deadline(3))
    assert (outcome.state, outcome.code) == (State.FAILED, "Transport.ConnectionRefused")


def test_wait_for_the_rate_counts_neither_as_an_attempt_nor_as_not_started(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The places are taken for longer than an admission may be old."""
    store = runtime.ledger.store
    monkeypatch.setattr(delivery, "MAX_ADMISSION_AGE", 0.7)
    now = store.now()
    store.client.zadd(store.key("rate_slots"), {f"other-{number}": now + 1500 for number in range(20)})
    outcome = deliver(email())
    assert outcome.state is State.ACCEPTED
    record = runtime.ledger.get(outcome.id.partition("@")[0])
    assert record
    assert record.attempts == 1
    assert store.now() - now >= 1400


def test_call_is_not_begun_long_after_its_admission_though_the_wall_clock_was_set_back(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit = runtime.ledger.admit
    wall, monotonic = clock.now, clock.monotonic

    def slow_admission(*args: Any, **options: Any) -> Any:
        admission = admit(*args, **options)
        monkeypatch.setattr(clock, "now", lambda: wall() - 3600)
        monkeypatch.setattr(clock, "monotonic", lambda: monotonic() + 20)
        return admission

    monkeypatch.setattr(runtime.ledger, "admit", slow_admission)
    outcome = deliver(email(), deadline=Deadline(60))
    record = runtime.ledger.get(outcome.id.partition("@")[0])
    assert record
    assert [note.get("code") for note in record.history] == [None, "Transport.NotStarted", None, None]
    assert len(ses.calls()) == 1
