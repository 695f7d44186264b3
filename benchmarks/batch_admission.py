"""Does it pay to admit a batch in one pipeline, instead of one script for each email, twenty at a time?

    PYTHONPATH=layers/mailer:. .venv/bin/python benchmarks/batch_admission.py

Both ways ask the same questions of an embedded Valkey, turn by turn, in a fresh account each time. Two
batches: new emails, of which the store marks as many as the pace lets go, and emails of which all were sent.
Beside them stands what a whole batch costs, SES's part included.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import TYPE_CHECKING, Any

from local.ses_emulator import SECRET_ID, SECRET_KEY, Emulator
from local.store import embedded_store
from mailer.config.file import Config
from mailer.config.settings import Settings
from mailer.deadline import Deadline
from mailer.email.identity import id_for
from mailer.email.request import EmailRequest
from mailer.ledger import Attempt, Ledger, Store
from mailer.ledger.record import State
from mailer.runtime import Runtime
from mailer.ses.client import SesClient
from mailer.telemetry.logs import logger
from mailer.triggers.messages import process
from mailer.triggers.sqs import SQS

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 100
ROUNDS = 15
WORKERS = 20
EMAIL = {
    "from": "Shop <noreply@mail.shop.example>",
    "subject": "Your code",
    "template": {"id": 100091, "data": {"code": "1234"}},
}


def entries(account: str) -> list[Attempt]:
    """Return a batch of emails, each to somebody else."""
    requests = [EmailRequest.parse({**EMAIL, "to": f"r{number}@customer.example"}) for number in range(BATCH)]
    return [
        Attempt(id_for(account, str(number)), request, "bench") for number, request in enumerate(requests)
    ]


def one_by_one(ledger: Ledger, batch: list[Attempt]) -> None:
    """Admit as the queue function does."""
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(ledger.admit, batch))


def in_a_pipeline(ledger: Ledger, batch: list[Attempt]) -> None:
    """Do what admission does for each email, but for the round trip, and then make that once."""
    script, questions = ledger._admit, []  # noqa: SLF001 - the benchmark stands in for it

    def collect(keys: list[str], args: list[str]) -> str:
        questions.append((keys, args))
        return '{"verdict": "wait"}'

    ledger._admit = collect  # noqa: SLF001
    for attempt in batch:
        ledger.admit(attempt)
    ledger._admit = script  # noqa: SLF001
    pipeline = ledger.store.client.pipeline(transaction=False)
    for keys, args in questions:
        pipeline.evalsha(script.sha, len(keys), *keys, *args)
    for reply in pipeline.execute():
        json.loads(reply)


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the wall time and this process's CPU time in milliseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def measure(url: str, *, sent: bool) -> None:
    """Print both ways beside each other, for new emails or for a batch that comes again."""
    figures: dict[str, list[tuple[float, float]]] = {"one by one": [], "pipeline": []}
    for _ in range(ROUNDS):
        for name, admit in (("one by one", one_by_one), ("pipeline", in_a_pipeline)):
            account = uuid.uuid4().hex
            ledger = Ledger(Store(url, account), rate=BATCH if sent else 20)
            batch = entries(account)
            if sent:
                for attempt in batch:
                    ledger.admit(attempt)
                    ledger.settle(attempt, State.ACCEPTED)
            else:
                ledger.get("warm")  # the connection is open and the script known, as in a warm function
                ledger.store.client.script_load(ledger._admit.script)  # noqa: SLF001
            figures[name].append(timed(lambda admit=admit, ledger=ledger, batch=batch: admit(ledger, batch)))
            ledger.store.close()
    wall, cpu = (
        {name: median(figure[place] for figure in measured) for name, measured in figures.items()}
        for place in (0, 1)
    )
    print(f"{BATCH} emails, {'all sent before' if sent else 'new'}:")
    for what, medians in (("wall", wall), ("CPU", cpu)):
        ratio = medians["one by one"] / medians["pipeline"]
        print(
            f"  {what:<5} one by one {medians['one by one']:6.1f} ms   pipeline {medians['pipeline']:6.1f} ms"
            f"   {ratio:.1f} x"
        )


def whole_batch(url: str) -> None:
    """Print what a batch costs from its records to their acks."""
    logger().setLevel("ERROR")
    os.environ |= {"MAILER_SECRET_ID": SECRET_ID, "MAILER_SECRET_KEY": SECRET_KEY}
    with Emulator() as ses:
        settings = Settings.from_environment(
            {
                "MAILER_STORE_URL": url,
                "MAILER_SES_ENDPOINT": ses.endpoint,
                "MAILER_ACCOUNT": uuid.uuid4().hex,
            }
        )
        runtime = Runtime(
            settings,
            Config(),
            Ledger(Store(url, settings.account), rate=settings.rate),
            SesClient("http", ses.address, "ap-singapore"),
        )
        records = [
            {
                "eventSource": "aws:sqs",
                "messageId": str(number),
                "body": json.dumps({**EMAIL, "to": f"r{number}@customer.example"}),
            }
            for number in range(BATCH)
        ]
        messages = SQS.messages({"Records": records})
        for name in ("new", "all sent before"):
            wall, cpu = timed(lambda: process(SQS, messages, Deadline(60), runtime))
            print(f"a whole batch of {BATCH}, {name}: wall {wall:.0f} ms, CPU {cpu:.0f} ms")


def main() -> None:
    """Measure on a store of its own."""
    with embedded_store() as store:
        for sent in (False, True):
            measure(store.url, sent=sent)
        whole_batch(store.url)


if __name__ == "__main__":
    main()
