"""The three functions in this process, with a real store and emulator, and what each event costs them."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import multiprocessing
import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from valkey import Valkey

from factories import LambdaContext, scf_context
from fuzz import planted
from handlers import load_handler
from local.memory import MEGABYTE, begin_peak, peak
from local.sample_events import sample_event
from local.ses_emulator import Emulator
from local.signing import CALLBACK_TOKEN, WEBHOOK_SECRETS, signed_now
from local.store import embedded_store
from mailer.runtime import Runtime
from mailer.telemetry.logs import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from fuzz.mutant import Mutant

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("http", "queue", "schedule")
FIRST_EVENT = (
    "aws/http-api-gateway-v1.json"  # of each chunk: the email of somebody else, which is in the store
)


@dataclass(frozen=True)
class Observation:
    """An answer or an error, what was logged, seconds of processor time, and MB."""

    answer: Any
    error: BaseException | None
    log: str
    seconds: float
    growth: float
    size: float


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """Run a store with a password and an emulator in a process of its own; yield the URLs of both."""
    context = multiprocessing.get_context("spawn")
    with embedded_store() as store, ExitStack() as stack:
        with Valkey(port=store.port) as client:
            client.config_set("appendonly", "no")  # what is stored is not needed after a crash
            client.config_set("requirepass", planted.STORE_PASSWORD)
        ours, theirs = context.Pipe()
        process = context.Process(target=_emulate, args=(theirs,), daemon=True)
        process.start()
        theirs.close()  # so that a process that fails to start is not waited for
        stack.callback(process.join)
        stack.callback(ours.send, None)
        yield f"redis://:{planted.STORE_PASSWORD}@127.0.0.1:{store.port}/0", ours.recv()


def _emulate(connection: Connection) -> None:
    limits = {"rate": 0, "status_rate": 0, "recipient_hourly": 0, "inbox_limit": 100}
    with Emulator(credentials=dict([planted.SES_SECRET]), **limits) as emulator:
        connection.send(emulator.endpoint)
        connection.recv()


class Functions:
    """The handlers, and what they have written; `store` is emptied by `reset`."""

    def __init__(self, store_url: str) -> None:
        self.output = io.StringIO()
        self._store = Valkey.from_url(store_url)
        self.handlers: dict[str, Callable[[Any, Any], Any]] = {name: load_handler(name) for name in FUNCTIONS}

    def close(self) -> None:
        """Close the connections."""
        self._store.close()  # type: ignore[no-untyped-call]
        runtime = Runtime.current()
        runtime.ses.close()
        runtime.ledger.store.close()

    def reset(self) -> None:
        """Empty the store, then send the email of somebody else."""
        self._store.flushdb()
        event = planted.plant(sample_event(FIRST_EVENT).payload, 0, "")
        with contextlib.redirect_stdout(self.output):
            self.handlers["http"](event, LambdaContext())
        self._drained()

    def observe(self, mutant: Mutant) -> Observation:
        """Handle an event."""
        event, size = _signed(mutant.event), _size(mutant.event)
        context: Any = LambdaContext(mutant.seconds)
        if mutant.cloud == "tencent":
            context = scf_context(mutant.seconds)
        answer, error = None, None
        before, started = begin_peak(), time.process_time()
        try:
            with contextlib.redirect_stdout(self.output), contextlib.redirect_stderr(self.output):
                answer = self.handlers[mutant.function](event, context)
        except BaseException as raised:
            if isinstance(raised, KeyboardInterrupt):
                raise
            error = raised
        seconds, growth = time.process_time() - started, peak() - before
        return Observation(answer, error, self._drained(), seconds, growth, size)

    def _drained(self) -> str:
        text = self.output.getvalue()
        self.output.seek(0)
        self.output.truncate()
        return text


@contextmanager
def functions(store_url: str, ses_url: str) -> Iterator[Functions]:
    """Let this process be the three functions until the block ends, with what is printed for their log."""
    settings = {
        "MAILER_STORE_URL": store_url,
        "MAILER_SES_ENDPOINT": ses_url,
        "MAILER_SECRET_ID": planted.SES_SECRET[0],
        "MAILER_SECRET_KEY": planted.SES_SECRET[1],
        "MAILER_API_KEYS": planted.api_keys(),
        "MAILER_CALLBACK_TOKEN": CALLBACK_TOKEN,
        "MAILER_CONFIG": str(ROOT / "mailer.toml"),
        "MAILER_RATE": "1000",
        "AWS_LAMBDA_FUNCTION_NAME": "mailer-fuzz",  # where metrics are written
        **WEBHOOK_SECRETS,
    }
    former = dict(os.environ)
    handler = logger().registered_handler
    assert isinstance(handler, logging.StreamHandler)
    stream = handler.stream
    for name in [name for name in os.environ if name.startswith(("MAILER_", "TENCENTCLOUD_"))]:
        del os.environ[name]
    os.environ.update(settings)
    made = Functions(store_url)
    try:
        handler.setStream(made.output)
        yield made
    finally:
        handler.setStream(stream)
        made.close()
        os.environ.clear()
        os.environ.update(former)


def _signed(event: Any) -> Any:
    """Return a webhook's event with a valid signature, as far as it still is one."""
    try:
        return signed_now(event)
    except Exception:  # noqa: BLE001 - what cannot be signed is handled as it is
        return event


def _size(event: Any) -> float:
    """Return the MB of an event as its platform sends it."""
    try:
        return len(json.dumps(event, ensure_ascii=False).encode(errors="surrogatepass")) / MEGABYTE
    except RecursionError:
        return 0.0
