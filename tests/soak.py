"""The chaos soak: emails and digests through every trigger while everything fails, then verify every one.

Worker processes are killed, responses lost, connections reset, the store restarted, deliveries duplicated and
shuffled. At the end no email is unknown: each was accepted once, or refused with a reason.
Failovers of the store forget its last writes. What they make unavoidable is counted by its name: an email
accepted again whose admission was forgotten, and one that is gone with what was written of it.
`python tests/soak.py --emails 3000` prints the counts; exit status 1 means a violation.
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
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factories import API_KEY
from lagging_store import lagging_store
from local.ses_emulator import SECRET_ID, SECRET_KEY, Emulator
from mailer.email.identity import id_for, smtp_message_id_for
from mailer.ledger import Ledger, Store
from mailer.ledger.record import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lagging_store import LaggingStore

SENDER = "Shop <noreply@mail.shop.example>"
FAULTS = (
    "answer-lost", "reset-before", "reset-after", "http-500", "http-502", "cut-body", "bad-json", "html",
    "charset", "charset-accepted", "no-message-id", "no-content-type", "InternalError",
    "RequestLimitExceeded",
    "FailedOperation.ServiceNotAvailable", "ResourceInsufficient", "FailedOperation.TemporaryBlocked",
)  # fmt: skip
RATE = 100
INVALID_EVERY = 25  # one email in so many names a template that does not exist
FAILOVERS = 5
MAX_LAG_SECONDS = 1.0  # of what a failover forgets
RESPONSES_PER_KILL = 20
MAX_CHAOS_SECONDS = 300.0
MAX_CALM_SECONDS = 300.0
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
    """An event for a function; it is redelivered until the function has processed it."""

    function: str
    event: Any
    receive_count: int = 0


@dataclass
class Report:
    """The counts of a run, and every violation of the delivery guarantee; the soak passes without one."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Worker:
    """A process that handles invocations one by one, and is started again after it was killed."""

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
        """Return the function's response, or None if the process was killed meanwhile."""
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
        response: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
        return response

    def close(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with suppress(OSError):
                    stream.close()


class Soak:
    """One run over `emails` emails, and three digest items for each of `recipients` recipients."""

    def __init__(self, folder: Path, emails: int, seed: int, store: LaggingStore, ses: Emulator) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a run can be repeated
        self.emails = emails
        self.recipients = max(emails // 20, 3)
        self.account = uuid.uuid4().hex
        self.report = Report()
        self.answered: dict[str, float] = {}  # when each email over HTTP was answered last
        self.waiting: queue.Queue[Invocation] = queue.Queue()
        self.chaos_over = threading.Event()
        self.store = store
        self.ses = ses
        self.ledger = Ledger(Store(store.url, self.account))
        (folder / "mailer.toml").write_text(CONFIG)
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "MAILER_STORE_URL": store.url,
            "MAILER_SES_ENDPOINT": ses.endpoint,
            "MAILER_SECRET_ID": SECRET_ID,
            "MAILER_SECRET_KEY": SECRET_KEY,
            "MAILER_ACCOUNT": self.account,
            "MAILER_API_KEYS": f"soak:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
            "MAILER_CONFIG": str(folder / "mailer.toml"),
            "MAILER_RATE": str(RATE),
            "MAILER_UNKNOWN_GRACE": "1",
        }

    def run(self, instances: list[Worker]) -> Report:
        """Run to the end on `instances` and return the report."""
        begun = time.monotonic()
        self._chaos(instances)
        self._calm(instances)
        self._verify_all()
        self.report.counts["seconds"] = round(time.monotonic() - begun)
        return self.report

    def _chaos(self, instances: list[Worker]) -> None:
        """Deliver everything in random order, some of it twice, while workers are killed and calls fail."""
        self._add_digest_items()
        invocations = list(self._invocations())
        invocations += self.random.sample(invocations, len(invocations) // 5)
        self.random.shuffle(invocations)
        for invocation in invocations:
            self.waiting.put(Invocation(invocation.function, invocation.event))
        threads = [threading.Thread(target=self._serve, args=(instance,)) for instance in instances]
        for thread in threads:
            thread.start()
        total = self.waiting.qsize()
        restart_at, kill_at = total // 2, RESPONSES_PER_KILL
        fail_over_at = [total * number // (FAILOVERS + 1) for number in range(1, FAILOVERS + 1)]
        deadline = time.monotonic() + MAX_CHAOS_SECONDS
        while not self.waiting.empty() and time.monotonic() < deadline:
            self.ses.add_fault(self.random.choice(FAULTS))
            # By work done, not by time: on a busy machine workers must not be killed faster than they start.
            if self.report.counts["responses"] >= kill_at:
                kill_at = self.report.counts["responses"] + RESPONSES_PER_KILL
                self.random.choice(instances).process.kill()
                self.report.counts["workers killed"] += 1
            if restart_at and self.waiting.qsize() < restart_at:
                restart_at = 0
                self.store.kill()
                self.store.start()
                self.report.counts["store restarts"] += 1
            if fail_over_at and self.waiting.qsize() < fail_over_at[-1]:
                fail_over_at.pop()
                self.store.replicate()
                self.chaos_over.wait(self.random.uniform(0.0, MAX_LAG_SECONDS))
                self.store.fail_over()
                self.report.counts["store failovers"] += 1
            self.chaos_over.wait(0.1)
        self.chaos_over.set()
        for thread in threads:
            thread.join()
        self.ses.faults.clear()

    def _serve(self, instance: Worker) -> None:
        while not self.chaos_over.is_set():
            try:
                invocation = self.waiting.get(timeout=0.1)
            except queue.Empty:
                continue
            if rest := self._to_redeliver(invocation, instance.invoke(invocation)):
                self.waiting.put(rest)

    def _calm(self, instances: list[Worker]) -> None:
        """Without faults, deliver the rest and run sweeps until nothing is pending.

        No worker is running a call now, so every lease may be set to expired.
        """
        for instance in instances:
            instance.close()
        instance = instances[0]
        client, key = self.ledger.store.client, self.ledger.store.key
        deadline = time.monotonic() + MAX_CALM_SECONDS
        hours = iter(DAY.format(day=day, hour=hour) for day in range(2, 30) for hour in range(24))
        while time.monotonic() < deadline:
            for email_id in client.zrange(key("open"), 0, -1):
                client.hset(key("email", email_id), "lease_until", 1)
                client.zadd(key("open"), {email_id: 1})
            for email_id in client.zrange(key("due"), 0, -1):
                client.hset(key("email", email_id), "due_at", 1)
                client.zadd(key("due"), {email_id: 1})
            for blocked in client.keys(key("blocked", "*")):
                client.delete(blocked)
            instance.invoke(Invocation("schedule", {"job": "sweep"}))
            for invocation in [self.waiting.get() for _ in range(self.waiting.qsize())]:
                if rest := self._to_redeliver(invocation, instance.invoke(invocation)):
                    self.waiting.put(rest)
            digest = {"job": "digest", "digest": "daily", "scheduled_time": next(hours)}
            instance.invoke(Invocation("schedule", digest))
            unsettled = sum(not self._ambiguous(email_id) for email_id in client.zrange(key("open"), 0, -1))
            pending = unsettled + client.zcard(key("due")) + self.waiting.qsize()
            if not pending and not client.zcard(key("digest", "daily", "recipients")):
                return
        self.report.violations.append("something is still pending")

    def _to_redeliver(self, invocation: Invocation, response: dict[str, Any] | None) -> Invocation | None:
        """Return what the platform would redeliver after this response."""
        self.report.counts["deliveries"] += 1
        self.report.counts["responses"] += response is not None
        redelivery = Invocation(invocation.function, invocation.event, invocation.receive_count + 1)
        if response is None or "failed" in response:
            self.report.counts["invocations lost"] += response is None
            return redelivery
        if invocation.function == "http":
            self.answered[json.loads(invocation.event["body"])["idempotency_key"]] = time.monotonic()
            return redelivery if response["statusCode"] in {409, 500, 503} else None
        if failures := response.get("batchItemFailures"):
            names = {failure["itemIdentifier"] for failure in failures}
            records = [record for record in invocation.event["Records"] if record["messageId"] in names]
            redelivery.event = {"Records": records}
            invalid = all("999999" in record["body"] for record in records)
            dead_lettered = invalid and redelivery.receive_count >= 3  # by the queue itself
            return None if dead_lettered else redelivery
        return None

    def _add_digest_items(self) -> None:
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
            scheduled_time = DAY.format(day=1, hour=hour)
            for job in ({"job": "digest", "digest": "daily"}, {"job": "sweep"}):
                yield Invocation("schedule", {**job, "scheduled_time": scheduled_time})

    def _email(self, number: int) -> dict[str, Any]:
        invalid = number % INVALID_EVERY == INVALID_EVERY - 1
        return {
            "from": SENDER,
            "to": f"customer-{number}@d{number % 97}.example",
            "subject": f"Mail {number}",
            "template": {"id": 999999 if invalid else 100091, "data": {"code": str(number)}},
            "idempotency_key": f"mail-{number}",
        }

    def _verify_all(self) -> None:
        counts, violations = self.report.counts, self.report.violations
        forgotten = self.store.forgotten
        dead = {json.loads(letter["reason"]).get("id") for letter in self.ledger.dead_letters(100_000)}
        for number in range(self.emails):
            email_id = id_for(self.account, f"mail-{number}")
            smtp_message_id = smtp_message_id_for(email_id, SENDER)
            record = self.ledger.get(email_id)
            accepted = self.ses.acceptances(smtp_message_id)
            state = record.state if record else None
            counts[f"emails {state.value if state else 'missing'}"] += 1
            refused = state is State.REFUSED and number % INVALID_EVERY == INVALID_EVERY - 1 and accepted == 0
            if not refused and not (state is State.ACCEPTED and accepted == 1):
                self._verify_forgotten(f"mail-{number}", email_id, state, accepted)
            if refused and number % 3 == 2 and smtp_message_id not in dead | forgotten.dead_letters:
                violations.append(f"mail {number} is in no dead letter")
        self._verify_digests()
        counts["writes forgotten"] = forgotten.writes
        counts["admissions forgotten"] = forgotten.admissions.total()
        stats = self.ses.stats()
        counts["calls to SES"], counts["duplicates"] = stats["calls"], stats["duplicates"]
        counts["calls that failed"] = stats["calls"] - stats["outcomes"].get("accepted", 0)
        counts["calls whose response was lost"] = sum(
            call.outcome == "accepted" and bool(call.fault) for call in self.ses.calls()
        )

    def _ambiguous(self, email_id: str) -> bool:
        """Return whether SES has a row of an attempt that the store forgot: an operator decides."""
        record = self.ledger.get(email_id)
        decision = record.history[-1].get("decision") if record else None
        return decision == "ambiguous" and self.store.forgotten.admissions[email_id] > 0

    def _verify_forgotten(self, key: str, email_id: str, state: State | None, accepted: int) -> None:
        """Count what a failover made of an email that it forgot; anything else is a violation."""
        counts, forgotten = self.report.counts, self.store.forgotten
        forgotten_at = forgotten.emails.get(email_id)
        if 1 < accepted <= 1 + forgotten.admissions[email_id]:
            counts["accepted again, admission forgotten"] += accepted - 1
            accepted = 1
        if accepted == 1 and state is State.ACCEPTED:
            return
        if accepted == 1 and self._ambiguous(email_id):
            counts["left to an operator, admission forgotten"] += 1
        # Gone, or as it was before the attempt that was accepted and forgotten.
        elif accepted == 1 and state in {None, State.FAILED} and forgotten_at:
            counts["accepted, record forgotten"] += 1
        # The same of one that was kept and not sent yet. A worker that was waiting for the store has to write
        # the record anew.
        elif (
            accepted == 0
            and state in {None, State.FAILED}
            and forgotten_at
            and self.answered.get(key, 0.0) < forgotten_at
        ):
            counts["lost, record forgotten"] += 1
        else:
            self.report.violations.append(f"{key} is {state} with {accepted} acceptances")

    def _verify_digests(self) -> None:
        """Verify that every item was sent in one digest; again only where a failover forgot its digest."""
        counts, sent, repeated = self.report.counts, Counter[str](), Counter[str]()
        ids = Counter[str]()
        for mail in self.ses.inbox():
            if mail.to[0].startswith("reader-") and mail.template:
                counts["digests"] += 1
                email_id = mail.smtp_message_id.strip("<>").partition("@")[0]
                ids[email_id] += 1
                items = mail.template["data"]["list"].strip("[]").split("][")
                sent.update(items)
                if self.store.forgotten.admissions[email_id]:
                    repeated.update(items)
        counts["digest items"] = len(sent)
        counts["accepted again, admission forgotten"] += sum(ids.values()) - len(ids)
        if set(sent) != {str(number) for number in range(self.recipients * 3)}:
            self.report.violations.append(f"digest items sent: {len(sent)} of {self.recipients * 3}")
        for item, times in sent.items():
            if times > 1 and item in repeated:
                counts["digest items again, admission forgotten"] += times - 1
            elif times > 1:
                self.report.violations.append(f"digest item {item} was sent {times} times")


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


def run_soak(folder: Path, emails: int, *, workers: int = 4, seed: int = 7) -> Report:
    """Run a soak with a store, an SES and worker processes of its own; its files are in `folder`."""
    with ExitStack() as stack:
        store = stack.enter_context(lagging_store())
        ses = stack.enter_context(Emulator(rate=RATE, status_rate=0, recipient_hourly=0, inbox_limit=100_000))
        soak = Soak(folder, emails, seed, store, ses)
        stack.enter_context(closing(soak.ledger.store))
        log = folder / "workers.log"
        instances = [stack.enter_context(closing(Worker(soak.environment, log))) for _ in range(workers)]
        return soak.run(instances)


def main() -> int:
    """Run the soak, print its report and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emails", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = run_soak(Path(folder), options.emails, seed=options.seed)
    for name, count in sorted(report.counts.items()):
        print(f"{count:>8}  {name}")
    for line in report.violations:
        print(f"VIOLATION: {line}", file=sys.stderr)
    return int(bool(report.violations))


if __name__ == "__main__":
    sys.exit(main())
