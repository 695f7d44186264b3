"""A crash at any point of delivery never causes a duplicate."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body
from mailer.email.identity import Key, KeyKind
from mailer.ledger.record import State
from mailer.triggers.queue import handle
from mailer.triggers.schedule import handle as run_schedule

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.ledger.record import Record
    from mailer.runtime import Runtime

WORKER = Path(__file__).with_name("crash_worker.py")
MESSAGE = "059f36b4-87a3-44ab-83d2-661975830a7d"


def sqs_event(request: dict[str, Any]) -> dict[str, Any]:
    record = {"messageId": MESSAGE, "eventSource": "aws:sqs", "body": json.dumps(request), "attributes": {}}
    return {"Records": [record]}


def start_worker(point: str, request: dict[str, Any]) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join([str(WORKER.parent), str(WORKER.parents[1] / "layers" / "mailer")])
    return subprocess.Popen(
        [sys.executable, str(WORKER), point, json.dumps(sqs_event(request))],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
    )


def redeliver(request: dict[str, Any]) -> list[str]:
    """Redeliver the message, and return the ids of the messages that the handler returns to the queue."""
    failures = handle(sqs_event(request), LambdaContext())["batchItemFailures"]
    return [failure["itemIdentifier"] for failure in failures]


def record(runtime: Runtime) -> Record | None:
    return runtime.ledger.get(Key(f"sqs:{MESSAGE}", KeyKind.PLATFORM).email_id(runtime.settings.account))


def expire_lease(runtime: Runtime) -> None:
    """Let the lease of the killed worker expire."""
    email_id = Key(f"sqs:{MESSAGE}", KeyKind.PLATFORM).email_id(runtime.settings.account)
    runtime.ledger.store.client.hset(runtime.ledger.store.prefix + "email:" + email_id, "lease_until", 1)


def reconcile(runtime: Runtime, ses: Emulator) -> int:
    """Let the grace period pass and run the sweep; return how often SES has accepted the email."""
    store = runtime.ledger.store
    email_id = Key(f"sqs:{MESSAGE}", KeyKind.PLATFORM).email_id(runtime.settings.account)
    store.client.zadd(store.key("open"), {email_id: 1})
    run_schedule({"job": "sweep"}, LambdaContext())
    stored = record(runtime)
    assert stored
    assert stored.state is State.ACCEPTED
    return ses.acceptances(stored.smtp_message_id)


def test_worker_killed_before_admission_leaves_the_email_to_the_redelivery(
    runtime: Runtime, ses: Emulator
) -> None:
    assert start_worker("before_admit", body()).wait() == -signal.SIGKILL
    assert record(runtime) is None
    assert redeliver(body()) == []
    assert len(ses.inbox()) == 1


@pytest.mark.parametrize(
    ("point", "accepted"),
    [("after_admit", 0), ("before_call", 0), ("after_call", 1), ("before_settle", 1)],
)
def test_worker_killed_between_admission_and_record_leaves_unknown(
    runtime: Runtime, ses: Emulator, point: str, accepted: int
) -> None:
    assert start_worker(point, body()).wait() == -signal.SIGKILL
    assert len(ses.inbox()) == accepted
    assert redeliver(body()) == [MESSAGE]  # the lease still holds: it could be in flight
    expire_lease(runtime)
    assert redeliver(body()) == []
    assert redeliver(body()) == []
    assert len(ses.inbox()) == accepted
    stored = record(runtime)
    assert stored
    assert stored.state is State.UNKNOWN
    assert stored.code == "Ledger.LeaseExpired"
    assert reconcile(runtime, ses) == 1


def test_worker_killed_while_ses_responds_leaves_unknown(runtime: Runtime, ses: Emulator) -> None:
    request = body(to="slow@fault.example")
    worker = start_worker("none", request)
    while not ses.inbox() and worker.poll() is None:
        time.sleep(0.01)
    worker.kill()
    worker.wait()
    expire_lease(runtime)
    assert redeliver(request) == []
    assert len(ses.inbox()) == 1
    stored = record(runtime)
    assert stored
    assert stored.state is State.UNKNOWN
    assert reconcile(runtime, ses) == 1


def test_worker_killed_after_the_record_replays(runtime: Runtime, ses: Emulator) -> None:
    assert start_worker("after_settle", body()).wait() == -signal.SIGKILL
    assert redeliver(body()) == []
    assert len(ses.inbox()) == 1
    stored = record(runtime)
    assert stored
    assert stored.state is State.ACCEPTED
