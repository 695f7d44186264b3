"""The chaos soak: emails and digests through every trigger while everything fails, then a look at every one.

Worker processes are killed, answers lost, connections reset, the store restarted in the middle, deliveries
doubled and shuffled. In the end nothing is in doubt: each email was accepted once, or was refused and says
why.
`python tests/soak.py --emails 3000` prints the counts, and ends with status 1 if that is not so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factories import API_KEY
from local.ses_emulator import SECRET_ID, SECRET_KEY, Emulator
from local.store import EmbeddedStore
from mailer.email.identity import id_for, smtp_message_id_for
from mailer.ledger import Ledger, Store
from mailer.ledger.record import State

if TYPE_CHECKING:
    from collections.abc import Iterator

SENDER = "Shop <noreply@mail.shop.example>"
FAULTS = (
    "answer-lost", "reset-before", "reset-after", "http-500", "http-502", "cut-body", "bad-json", "html",
    "charset", "charset-accepted", "no-message-id", "no-content-type", "InternalError",
    "RequestLimitExceeded",
    "FailedOperation.ServiceNotAvailable", "ResourceInsufficient", "FailedOperation.TemporaryBlocked",
)  # fmt: skip
RATE = 100
WRONG_EVERY = 25  # one email in so many names a template that does not exist
ANSWERS_PER_KILL = 20
MAX_CHAOS = 300.0  # seconds
DAY = "2026-05-{day:02}T{hour:02}:00:00Z"
CONFIG = f"""
[defaults]
from = "{SENDER}"
[digests.daily]
subject = "{{{{ total }}}} updates"
template_id = 100092
max_items = 100
[digests.daily.data]
count = "{{{{ total }}}}"
list = "{{% for item in items %}}[{{{{ item.n }}}}]{{% endfor %}}"
"""


@dataclass
class Invocation:
    """An event on its way to a function; it comes again until it is done."""

    function: str
    event: Any
    receive_count: int = 0


@dataclass
class Report:
    """What became of all; the soak holds if `wrong` is empty."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Worker:
    """A process that serves invocations one by one, and is started again after it was killed."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        with self._log.open("a") as log:
            return subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("soak_worker.py"))],
                env=self._environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    def invoke(self, invocation: Invocation) -> dict[str, Any] | None:
        """Return the function's answer, or None where the process died over it."""
        if self.process.poll() is not None:
            self.close()
            self.process = self._start()
        process = self.process
        assert process.stdin
        assert process.stdout
        line = ""
        with suppress(OSError):
            process.stdin.write(
                json.dumps({"function": invocation.function, "event": invocation.event}) + "\n"
            )
            process.stdin.flush()
            line = process.stdout.readline()
        if not line:
            process.wait()
        answer: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
        return answer

    def close(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with suppress(OSError):
                    stream.close()


class Soak:
    """One run over `emails` emails and as many digest items for every tenth of them."""

    def __init__(self, folder: Path, emails: int, *, workers: int = 4, seed: int = 7) -> None:
        self.random = random.Random(seed)  # noqa: S311 - the chaos can be repeated
        self.emails = emails
        self.recipients = max(emails // 20, 3)
        self.account = uuid.uuid4().hex
        self.folder = folder
        self.report = Report()
        self.waiting: queue.Queue[Invocation] = queue.Queue()
        self.over = threading.Event()
        self.store = EmbeddedStore()
        self.ses = Emulator(rate=RATE, status_rate=0, recipient_hourly=0, inbox_limit=100_000)
        (folder / "mailer.toml").write_text(CONFIG)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "MAILER_STORE_URL": self.store.url,
            "MAILER_SES_ENDPOINT": self.ses.endpoint,
            "MAILER_SECRET_ID": SECRET_ID,
            "MAILER_SECRET_KEY": SECRET_KEY,
            "MAILER_ACCOUNT": self.account,
            "MAILER_API_KEYS": f"soak:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
            "MAILER_CONFIG": str(folder / "mailer.toml"),
            "MAILER_RATE": str(RATE),
            "MAILER_UNKNOWN_GRACE": "1",
        }
        self.environment = environment
        self.workers = workers

    def run(self) -> Report:
        """Run to the end and return what became of all."""
        begun = time.monotonic()
        with self.store, self.ses:
            self.ledger = Ledger(Store(self.store.url, self.account))
            instances = [Worker(self.environment, self.folder / "workers.log") for _ in range(self.workers)]
            try:
                self._chaos(instances)
                self._calm(instances)
                self._look_at_all()
            finally:
                for instance in instances:
                    instance.close()
                self.ledger.store.close()
        self.report.counts["seconds"] = round(time.monotonic() - begun)
        return self.report

    def _chaos(self, instances: list[Worker]) -> None:
        """Everything at once: all deliveries, doubled and shuffled, while processes and answers are lost."""
        self._gather_items()
        invocations = list(self._invocations())
        invocations += self.random.sample(invocations, len(invocations) // 5)
        self.random.shuffle(invocations)
        for invocation in invocations:
            self.waiting.put(Invocation(invocation.function, invocation.event))
        threads = [threading.Thread(target=self._serve, args=(instance,)) for instance in instances]
        for thread in threads:
            thread.start()
        total = self.waiting.qsize()
        restart_at, kill_at = total // 2, ANSWERS_PER_KILL
        give_up = time.monotonic() + MAX_CHAOS
        while not self.waiting.empty() and time.monotonic() < give_up:
            self.ses.add_fault(self.random.choice(FAULTS))
            # By work done, not by time: a busy machine must not kill faster than processes start.
            if self.report.counts["answers"] >= kill_at:
                kill_at = self.report.counts["answers"] + ANSWERS_PER_KILL
                self.random.choice(instances).process.kill()
                self.report.counts["workers killed"] += 1
            if restart_at and self.waiting.qsize() < restart_at:
                restart_at = 0
                self.store.kill()
                self.store.start()
                self.report.counts["store restarts"] += 1
            self.over.wait(0.1)
        self.over.set()
        for thread in threads:
            thread.join()
        self.ses.faults.clear()

    def _serve(self, instance: Worker) -> None:
        while not self.over.is_set():
            try:
                invocation = self.waiting.get(timeout=0.1)
            except queue.Empty:
                continue
            left = self._left(invocation, instance.invoke(invocation))
            if left:
                self.waiting.put(left)

    def _calm(self, instances: list[Worker]) -> None:
        """Nothing fails any more: what is left is delivered, and sweeps run until nothing waits.

        No worker has a call on its way now, so that leases may be taken for over.
        """
        for instance in instances:
            instance.close()
        instance = instances[0]
        client, key = self.ledger.store.client, self.ledger.store.key
        give_up = time.monotonic() + 120
        ticks = iter(DAY.format(day=day, hour=hour) for day in range(2, 30) for hour in range(24))
        while time.monotonic() < give_up:
            for one in client.zrange(key("open"), 0, -1):
                client.hset(key("email", one), "lease_until", 1)
                client.zadd(key("open"), {one: 1})
            for one in client.zrange(key("due"), 0, -1):
                client.hset(key("email", one), "due_at", 1)
                client.zadd(key("due"), {one: 1})
            for closed in client.keys(key("blocked", "*")):
                client.delete(closed)
            instance.invoke(Invocation("schedule", {"job": "sweep"}))
            again = [self.waiting.get() for _ in range(self.waiting.qsize())]
            for invocation in again:
                if left := self._left(invocation, instance.invoke(invocation)):
                    self.waiting.put(left)
            tick = {"job": "digest", "digest": "daily", "scheduled_time": next(ticks)}
            instance.invoke(Invocation("schedule", tick))
            rest = client.zcard(key("open")) + client.zcard(key("due")) + self.waiting.qsize()
            if not rest and not client.zcard(key("digest", "daily", "recipients")):
                return
        self.report.wrong.append("something still waits")

    def _left(self, invocation: Invocation, answer: dict[str, Any] | None) -> Invocation | None:
        """Return what the platform would deliver again after this answer."""
        self.report.counts["deliveries"] += 1
        self.report.counts["answers"] += answer is not None
        again = Invocation(invocation.function, invocation.event, invocation.receive_count + 1)
        if answer is None or "failed" in answer:
            self.report.counts["invocations lost"] += answer is None
            return again
        if invocation.function == "http":
            return again if answer["statusCode"] in {409, 500, 503} else None
        if failures := answer.get("batchItemFailures"):
            names = {failure["itemIdentifier"] for failure in failures}
            records = [record for record in invocation.event["Records"] if record["messageId"] in names]
            again.event = {"Records": records}
            wrong = all("999999" in record["body"] for record in records)
            return None if wrong and again.receive_count >= 3 else again  # the queue's own dead-letter queue
        return None

    def _gather_items(self) -> None:
        os.environ.update(
            {name: value for name, value in self.environment.items() if name.startswith("MAILER_")}
        )
        from mailer.digest.items import add_items
        from mailer.runtime import Runtime

        runtime = Runtime.current()
        items = [
            {
                "recipient": f"reader-{number % self.recipients}@customer.example",
                "item_id": str(number),
                "item": {"n": number},
            }
            for number in range(self.recipients * 3)
        ]
        for start in range(0, len(items), 50):
            add_items("daily", items[start : start + 50], runtime)
        runtime.ledger.store.close()

    def _invocations(self) -> Iterator[Invocation]:
        bodies = {number: json.dumps(self._email(number)) for number in range(self.emails)}
        for number in range(0, self.emails, 3):
            yield Invocation("http", _http(bodies[number]))
        records = [
            {"messageId": f"m-{number}", "eventSource": "aws:sqs", "body": bodies[number], "attributes": {}}
            for number in range(1, self.emails, 3)
        ]
        for start in range(0, len(records), 5):
            yield Invocation("queue", {"Records": records[start : start + 5]})
        for first in range(2, self.emails, 15):
            kafka = [
                {
                    "Ckafka": {
                        "topic": "t",
                        "partition": 1,
                        "offset": number,
                        "msgKey": "None",
                        "msgBody": bodies[number],
                    }
                }
                for number in range(first, min(first + 15, self.emails), 3)
            ]
            yield Invocation("queue", {"Records": kafka})
        for hour in range(3):
            time_ = DAY.format(day=1, hour=hour)
            for job in ({"job": "digest", "digest": "daily"}, {"job": "sweep"}):
                yield Invocation("schedule", {**job, "scheduled_time": time_})

    def _email(self, number: int) -> dict[str, Any]:
        wrong = number % WRONG_EVERY == WRONG_EVERY - 1
        return {
            "from": SENDER,
            "to": f"customer-{number}@d{number % 97}.example",
            "subject": f"Mail {number}",
            "template": {"id": 999999 if wrong else 100091, "data": {"code": str(number)}},
            "idempotency_key": f"mail-{number}",
        }

    def _look_at_all(self) -> None:
        counts, wrong = self.report.counts, self.report.wrong
        dead = {json.loads(letter["reason"]).get("id") for letter in self.ledger.dead_letters(100_000)}
        for number in range(self.emails):
            identity = id_for(self.account, f"mail-{number}")
            message_id = smtp_message_id_for(identity, SENDER)
            record = self.ledger.get(identity)
            accepted = self.ses.acceptances(message_id)
            state = record.state if record else None
            counts[f"emails {state.value if state else 'missing'}"] += 1
            refused = state is State.REFUSED and number % WRONG_EVERY == WRONG_EVERY - 1 and accepted == 0
            if not (refused or (state is State.ACCEPTED and accepted == 1)):
                wrong.append(f"mail {number} is {state} with {accepted} acceptances")
            if refused and number % 3 == 2 and message_id not in dead:
                wrong.append(f"mail {number} is in no dead letter")
        told: Counter[str] = Counter()
        for mail in self.ses.inbox():
            if mail.to[0].startswith("reader-") and mail.template:
                counts["digests"] += 1
                told.update(mail.template["data"]["list"].strip("[]").split("]["))
        items = {str(number) for number in range(self.recipients * 3)}
        counts["digest items"] = len(told)
        if set(told) != items or max(told.values()) > 1:
            wrong.append(
                f"items told: {len(told)} of {len(items)}, at most {max(told.values(), default=0)} times"
            )
        stats = self.ses.stats()
        counts["calls of SES"], counts["duplicates"] = stats["calls"], stats["duplicates"]
        counts["calls that failed"] = stats["calls"] - stats["outcomes"].get("accepted", 0)
        counts["calls whose answer was lost"] = sum(
            call.outcome == "accepted" and bool(call.fault) for call in self.ses.calls()
        )


def _http(body: str) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": "/emails",
        "rawQueryString": "",
        "headers": {"authorization": f"Bearer {API_KEY}", "content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": "/emails"}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": False,
    }


def main() -> int:
    """Run the soak, print its report and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emails", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Soak(Path(folder), options.emails, seed=options.seed).run()
    for name, count in sorted(report.counts.items()):
        print(f"{count:>8}  {name}")
    for line in report.wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return int(bool(report.wrong))


if __name__ == "__main__":
    sys.exit(main())
