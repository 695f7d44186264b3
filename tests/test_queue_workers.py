"""Real worker processes on one queue: their common rate, their crashes, and redelivered batches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body
from mailer.email.identity import Key, KeyKind
from mailer.ledger.record import State
from mailer.triggers.kafka import KAFKA
from mailer.triggers.queue import handle
from mailer.triggers.schedule import handle as run_schedule
from queue_events import failures, kafka, sqs
from queue_worker import POINTS

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

WORKER = Path(__file__).with_name("queue_worker.py")
Json = dict[str, Any]


class Worker:
    """One process that handles events; its log is discarded."""

    def __init__(self, *arguments: str) -> None:
        paths = os.pathsep.join([str(WORKER.parent), str(WORKER.parents[1] / "layers" / "mailer")])
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), *arguments],
            env={**os.environ, "PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def handle(self, event: Json) -> Json | None:
        """Return the response of the process, or None if it crashes instead."""
        assert self.process.stdin
        assert self.process.stderr
        print(json.dumps(event), file=self.process.stdin, flush=True)
        line = self.process.stderr.readline()
        return json.loads(line) if line else None

    def drain(self, batches: list[Json]) -> None:
        """Handle all batches, each until no message of it is returned, as a queue would deliver them."""
        for batch in batches:
            left = batch["Records"]
            while left:
                response = self.handle({"Records": left})
                assert response is not None
                returned = set(failures(response))
                left = [record for record in left if record["messageId"] in returned]

    def end(self) -> int:
        """Close the pipes and return the exit status."""
        assert self.process.stdin
        assert self.process.stderr
        self.process.stdin.close()
        self.process.stderr.close()
        return self.process.wait()


def emails(count: int) -> list[Json]:
    return [body(to=f"r{number}@customer.example", subject=str(number)) for number in range(count)]


@pytest.mark.once
def test_eight_workers_share_the_rate_and_lose_nothing(runtime: Runtime, ses: Emulator) -> None:
    messages = emails(400)
    batches = [sqs(*messages[first : first + 10], first=first) for first in range(0, 400, 10)]
    workers = [Worker() for _ in range(8)]
    threads = [Thread(target=worker.drain, args=(batches[index::8],)) for index, worker in enumerate(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [worker.end() for worker in workers] == [0] * 8
    stats = ses.stats()
    assert stats["outcomes"] == {"accepted": 400}
    assert stats["rate"]["refused"] == 0
    assert stats["rate"]["busiest_second"] <= 20
    assert sorted(stats["acceptances"].values()) == [1] * 400


def test_two_consumers_of_one_batch_send_each_email_once(runtime: Runtime, ses: Emulator) -> None:
    batch = sqs(*emails(20))
    workers = [Worker(), Worker()]
    threads = [Thread(target=worker.drain, args=([batch],)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [worker.end() for worker in workers] == [0, 0]
    assert ses.stats()["outcomes"] == {"accepted": 20}


@pytest.mark.parametrize("point", POINTS)
def test_redelivered_batch_of_a_killed_worker_is_sent_once(
    runtime: Runtime, ses: Emulator, point: str
) -> None:
    """The worker crashes at the second of four messages of a partition; the third is a poison message."""
    bodies = [*emails(2), "{not json", body(to="last@customer.example")]
    batch = kafka({"emails-0": bodies})
    worker = Worker(point, "1" if point.endswith("dead_letter") else "2")
    assert worker.handle(batch) is None
    assert worker.end() == -signal.SIGKILL

    killed = record(runtime, batch, 1)
    if killed and killed.state is State.SENDING:
        # The lease still holds, so it could be in flight, and the messages behind it in the partition wait.
        assert failures(handle(batch, LambdaContext())) == [{"partition": "emails-0", "offset": 1}]
        expire_lease(runtime, batch, 1)
    for _ in range(2):
        assert failures(handle(batch, LambdaContext())) == []
    states = [stored.state for number in (0, 1, 3) if (stored := record(runtime, batch, number))]
    unknown = point in {"after_admit", "before_call", "after_call", "before_settle"}
    assert states == [State.ACCEPTED, State.UNKNOWN if unknown else State.ACCEPTED, State.ACCEPTED]
    if unknown:
        end_grace_period(runtime, batch, 1)
        run_schedule({"job": "sweep"}, LambdaContext())
    assert sorted(ses.stats()["acceptances"].values()) == [1, 1, 1]
    (letter,) = runtime.ledger.dead_letters()
    assert letter["body"] == "{not json"


def email_id(runtime: Runtime, batch: Json, offset: int) -> str:
    key = Key(str(KAFKA.messages(batch)[offset].key), KeyKind.PLATFORM)
    return key.email_id(runtime.settings.account)


def record(runtime: Runtime, batch: Json, offset: int) -> Any:
    return runtime.ledger.get(email_id(runtime, batch, offset))


def end_grace_period(runtime: Runtime, batch: Json, offset: int) -> None:
    """Let the grace period of an unknown email pass."""
    store = runtime.ledger.store
    store.client.zadd(store.key("open"), {email_id(runtime, batch, offset): 1})


def expire_lease(runtime: Runtime, batch: Json, offset: int) -> None:
    """Let the lease of the killed worker expire."""
    store = runtime.ledger.store
    store.client.hset(store.key("email", email_id(runtime, batch, offset)), "lease_until", 1)
