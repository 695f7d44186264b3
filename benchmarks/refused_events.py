"""Measure memory and time of refused events: the largest that a function is given, made to be costly.

    PYTHONPATH=layers/mailer:. .venv/bin/python benchmarks/refused_events.py

One line for each event: what its body is, the trigger, the answer, MB of the body, MB that the process grew
by at its peak, and seconds of processor time. Each event has a process of its own, which has handled a small
one before. Names of bodies select them; with `--json` each line is an object. Without MAILER_STORE_URL in the
environment a store is started.
"""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.memory import MEGABYTE, begin_peak, peak
from local.store import embedded_store
from mailer.http_api import app
from mailer.triggers import queue

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 6 * MEGABYTE
MESSAGES = 20
KEY = "benchmark-key"
TOKEN = "benchmark-token-of-callbacks"  # noqa: S105 - of no deployment
SETTINGS = {
    "MAILER_SES_ENDPOINT": "http://127.0.0.1:9",
    "MAILER_SECRET_ID": "id",
    "MAILER_SECRET_KEY": "key",
    "MAILER_API_KEYS": f"benchmark:{hashlib.sha256(KEY.encode()).hexdigest()}",
    "MAILER_CALLBACK_TOKEN": TOKEN,
}
NAME = "n" * (SIZE // MESSAGES - 1000)


def many(opening: str, item: str, closing: str, size: int) -> str:
    """Return a body of `size` characters: `item` again and again, with {} as its number."""
    length = len(item.format(1_000_000)) + 1
    count = max(1, (size - len(opening) - len(closing)) // length)
    return opening + ",".join(item.format(number) for number in range(1_000_000, 1_000_000 + count)) + closing


def within_text(body: str) -> str:
    """Return a native body that has `body` as its TemplateData."""
    return json.dumps({"Template": {"TemplateID": 1, "TemplateData": body}})


BODIES: dict[str, Callable[[int], str]] = {
    "recipients": lambda size: '{"to": [' + ",".join(['"x"'] * (size // 4)) + "]}",
    "recipients, each another": lambda size: many('{"to": [', '"{}"', "]}", size),
    "recipients, empty objects": lambda size: '{"bcc": [' + ",".join(["{}"] * (size // 3)) + "]}",
    "recipients, empty lists": lambda size: '{"cc": [' + ",".join(["[]"] * (size // 3)) + "]}",
    "attachments": lambda size: '{"attachments": [' + ",".join(['{"a":1}'] * (size // 8)) + "]}",
    "unknown fields": lambda size: many("{", '"{}":1', "}", size),
    "fields of one text": lambda size: many('{"to": {', '"{}":{{"to":"x"}}', "}}", size),
    "unknown fields, a hundred": lambda size: many("{", '"{}' + "x" * (size // 110) + '":1', "}", size),
    "headers": lambda size: many('{"headers": {', '"X-{}":"1"', "}}", size),
    "names of 300 KB": lambda size: many("{", '"{}' + NAME + '":1', "}", size),
    "values under a long name": lambda size: (
        f'{{"{NAME[: size // 2]}": [' + ",".join("1" * (size // 4)) + "]}"
    ),
    "values under many names": lambda size: '{"a":' * 30 + many("[", '"{}"', "]", size - 300) + "}" * 30,
    "the same name": lambda size: "{" + ",".join(['"a":1'] * (size // 6)) + "}",
    "nested too deep": lambda size: '{"a":' * (size // 5),
    "nested too deep, and wide": lambda size: (
        '{"a":[' + ",".join(["[" * 40 + "]" * 40] * (size // 81)) + "]}"
    ),
    "a huge number": lambda size: '{"template": {"id": ' + "1" * (size - 30) + "}}",
    "a huge fraction": lambda size: '{"send_at": 0.' + "1" * (size - 30) + "}",
    "a huge exponent": lambda size: '{"send_at": 1e' + "1" * (size - 30) + "}",
    "template data": lambda size: many('{"template": {"data": {', '"{}":""', "}}}", size),
    "template data as text": lambda size: within_text(many('{"a": [', "1", "]}", size)),
    "a text of quotes": lambda size: '{"to": "' + '\\"' * (size // 2 - 20) + '"}',
    "a text of emoji": lambda size: '{"subject": "' + "\U0001f600" * (size // 4 - 20) + '"}',
    "a text of commas": lambda size: '{"subject": "' + "," * (size - 30) + '"}',
    "a long sender": lambda size: '{"from": "' + "a " * (size // 2 - 20) + '"}',
    "no JSON": lambda size: "]" * size,
    "emails": lambda size: '{"emails": [' + ",".join(["{}"] * (size // 3)) + "]}",
    "callbacks": lambda size: "[" + ",".join(['{"event":"open"}'] * (size // 17)) + "]",
}
PATHS = {"emails": "/emails/batch", "callbacks": f"/ses/events/{TOKEN}"}


def http_event(body: str, path: str) -> dict[str, Any]:
    """Return the event of a function URL."""
    return {
        "rawPath": path,
        "headers": {"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": path}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": False,
    }


def sqs_event(body: str, messages: int = 1) -> dict[str, Any]:
    """Return a batch of messages with the same body."""
    return {
        "Records": [
            {"eventSource": "aws:sqs", "messageId": f"m-{number}", "body": body} for number in range(messages)
        ]
    }


def kafka_event(body: str) -> dict[str, Any]:
    """Return a batch of one record."""
    value = base64.b64encode(body.encode()).decode()
    record = {"topic": "orders", "offset": 1, "value": value}
    return {"eventSource": "aws:kafka", "records": {"orders-0": [record]}}


TRIGGERS: dict[str, tuple[int, Callable[[str], Any]]] = {  # characters of a body, and the event with it
    "sqs": (SIZE, sqs_event),
    "sqs batch": (SIZE // MESSAGES, lambda body: sqs_event(body, MESSAGES)),
    "kafka": (SIZE * 3 // 4, kafka_event),  # it is a third longer in base64
}


def main(arguments: list[str]) -> None:
    """Measure every event and print the result."""
    with ExitStack() as stack:
        if "MAILER_STORE_URL" not in os.environ:
            os.environ["MAILER_STORE_URL"] = stack.enter_context(embedded_store()).url
        os.environ.update(SETTINGS)
        for name in [name for name in arguments if name in BODIES] or BODIES:
            for trigger in ["http", *(TRIGGERS if name not in PATHS else ())]:
                result = {"body": name, "trigger": trigger, **measured(name, trigger)}
                print(json.dumps(result) if "--json" in arguments else text(result), flush=True)


def text(result: dict[str, Any]) -> str:
    """Return a result as a line of a table."""
    return "{body:30}{trigger:10}{answer:8}{size:7.1f} MB{growth:8.1f} MB{seconds:8.2f} s".format(**result)


def measured(name: str, trigger: str) -> dict[str, Any]:
    """Return the answer, MB and seconds of one event; this process itself makes no large text."""
    with tempfile.NamedTemporaryFile() as file:
        in_a_process(write, name, trigger, file.name)
        return in_a_process(handle, name, trigger, file.name)


def in_a_process(work: Callable[..., dict[str, Any]], *arguments: str) -> dict[str, Any]:
    """Return what `work` returns in a process of its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(work(*arguments)))
    process.start()
    sender.close()
    result: dict[str, Any] = receiver.recv()
    process.join()
    return result


def write(name: str, trigger: str, path: str) -> dict[str, Any]:
    """Write a body to a file."""
    size, _ = TRIGGERS.get(trigger, (SIZE, None))
    Path(path).write_text(BODIES[name](size), encoding="utf-8")
    return {}


def handle(name: str, trigger: str, path: str) -> dict[str, Any]:
    """Handle a small event, then the measured one; return the answer, MB and seconds of processor time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    body = Path(path).read_text(encoding="utf-8")
    handler: Callable[[Any, Any], Any] = queue.handle
    if trigger == "http":
        handler, small, event = (
            app.handle,
            http_event("{}", "/emails"),
            http_event(body, PATHS.get(name, "/emails")),
        )
    else:
        small, event = sqs_event("{}"), TRIGGERS[trigger][1](body)
    handler(small, None)
    before, started = begin_peak(), time.process_time()
    answer = handler(event, None)
    seconds, growth = time.process_time() - started, peak() - before
    outcome = (
        str(answer["statusCode"]) if "statusCode" in answer else f"{len(answer['batchItemFailures'])} back"
    )
    size = Path(path).stat().st_size * (MESSAGES if trigger == "sqs batch" else 1) / MEGABYTE
    return {"answer": outcome, "size": size, "growth": growth, "seconds": round(seconds, 3)}


if __name__ == "__main__":
    main(sys.argv[1:])
