"""A worker process that crashes at a named point of delivery: python crash_worker.py POINT EVENT_JSON."""

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


def crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crash_at(point: str, owner: Any, method: str) -> None:
    """Let this process crash before or after `owner.method` has run."""
    original = getattr(owner, method)

    def crashing(*args: Any, **options: Any) -> Any:
        if point.startswith("before"):
            crash()
        result = original(*args, **options)
        crash()
        return result

    object.__setattr__(owner, method, crashing)


def main(point: str, event: str) -> None:
    runtime = Runtime.current()
    owners = {"admit": runtime.ledger, "call": runtime.ses, "settle": runtime.ledger}
    step = point.partition("_")[2]
    if step in owners:
        crash_at(point, owners[step], step)
    handle(json.loads(event), LambdaContext())


if __name__ == "__main__":
    main(*sys.argv[1:])
