"""A worker process that dies at a named point of an email's road: python crash_worker.py POINT EVENT_JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from factories import LambdaContext
from mailer.runtime import Runtime
from mailer.triggers.queue import handle

POINTS = ("before_admit", "after_admit", "before_call", "after_call", "before_settle", "after_settle")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(point: str, owner: Any, method: str) -> None:
    """Let this process die before or after `owner.method` has run."""
    original = getattr(owner, method)

    def dying(*args: Any, **options: Any) -> Any:
        if point.startswith("before"):
            die()
        result = original(*args, **options)
        die()
        return result

    object.__setattr__(owner, method, dying)


def main(point: str, event: str) -> None:
    runtime = Runtime.current()
    owners = {"admit": runtime.ledger, "call": runtime.ses, "settle": runtime.ledger}
    step = point.partition("_")[2]
    if step in owners:
        die_at(point, owners[step], step)
    handle(json.loads(event), LambdaContext())


if __name__ == "__main__":
    main(*sys.argv[1:])
