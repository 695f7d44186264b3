"""Measure whether one pipeline admits a batch faster than one script call per email, twenty at a time.

    PYTHONPATH=layers/mailer:. .venv/bin/python benchmarks/batch_admission.py

Both call the same scripts of an embedded Valkey, alternately, each time in a new account. There are two
batches: new emails, of which the rate limit admits some, and emails that were all sent before. The last lines
show the cost of a whole batch, calls to SES included.
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
from mailer.ledger import Attempt, CallResult, Ledger, Store
from mailer.ledger.admission import Verdict
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


def attempts(account: str) -> list[Attempt]:
    """Return a batch of emails, each to another recipient."""
    requests = [EmailRequest.parse({**EMAIL, "to": f"r{number}@customer.example"}) for number in range(BATCH)]
    return [
        Attempt(id_for(account, str(number)), request, "bench") for number, request in enumerate(requests)
    ]


def one_by_one(ledger: Ledger, batch: list[Attempt]) -> None:
    """Admit as the queue function does."""
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(ledger.admit, batch))


def in_a_pipeline(ledger: Ledger, batch: list[Attempt]) -> None:
    """Prepare admission for each email, then make one round trip for all."""
    script, calls = ledger._admit, []  # noqa: SLF001 - the benchmark replaces it

    def collect(keys: list[str], args: list[str]) -> str:
        calls.append((keys, args))
        return f'{{"verdict": "{Verdict.RATE_LIMITED.value}"}}'

    ledger._admit = collect  # noqa: SLF001
    for attempt in batch:
        ledger.admit(attempt)
    ledger._admit = script  # noqa: SLF001
    pipeline = ledger.store.client.pipeline(transaction=False)
    for keys, args in calls:
        script(keys, args, client=pipeline)
    for reply in pipeline.execute():
        json.loads(reply)


def timed(function: Callable[[], Any]) -> tuple[float, float]:
    """Return the wall time and this process's CPU time in milliseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def measure(url: str, *, sent: bool) -> None:
    """Print both figures, for new emails or for a redelivered batch."""
    figures: dict[str, list[tuple[float, float]]] = {"one by one": [], "pipeline": []}
    for _ in range(ROUNDS):
        for name, admit in (("one by one", one_by_one), ("pipeline", in_a_pipeline)):
            account = uuid.uuid4().hex
            ledger = Ledger(Store(url, account), rate=BATCH if sent else 20)
            batch = attempts(account)
            if sent:
                for attempt in batch:
                    result = CallResult(State.ACCEPTED, ses_message_id=attempt.id)
                    ledger.settle(attempt, ledger.admit(attempt), result)
            else:
                ledger.get("warm")  # the connection is open and the script is loaded, as in a warm function
                ledger.store.client.script_load(ledger._admit.text)  # noqa: SLF001
            figures[name].append(timed(lambda admit=admit, ledger=ledger, batch=batch: admit(ledger, batch)))
            ledger.store.close()
    wall, cpu = (
        {name: median(figure[index] for figure in measured) for name, measured in figures.items()}
        for index in (0, 1)
    )
    print(f"{BATCH} emails, {'all sent before' if sent else 'new'}:")
    for unit, medians in (("wall", wall), ("CPU", cpu)):
        ratio = medians["one by one"] / medians["pipeline"]
        print(
            f"  {unit:<5} one by one {medians['one by one']:6.1f} ms   pipeline {medians['pipeline']:6.1f} ms"
            f"   {ratio:.1f} x"
        )


def whole_batch(url: str) -> None:
    """Print the cost of a batch from its records to their acks."""
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
    """Measure on an embedded store."""
    with embedded_store() as store:
        for sent in (False, True):
            measure(store.url, sent=sent)
        whole_batch(store.url)


if __name__ == "__main__":
    main()
