"""A worker process of the queue function: reads one event per line, and writes one response per line.

python queue_worker.py [POINT COUNT]: with a point, it crashes there the COUNT-th time that it gets there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from itertools import count
from typing import Any

from factories import LambdaContext
from mailer.runtime import Runtime
from mailer.triggers.queue import handle

OWNERS = {"admit": "ledger", "call": "ses", "settle": "ledger", "dead_letter": "ledger"}
POINTS = tuple(f"{when}_{step}" for step in OWNERS for when in ("before", "after"))


def crash_at(point: str, number: int) -> None:
    """Let this process crash the `number`-th time that it is before or after a step of delivery."""
    when, _, step = point.partition("_")
    owner = getattr(Runtime.current(), OWNERS[step])
    original, numbers = getattr(owner, step), count(1)

    def crashing(*args: Any, **options: Any) -> Any:
        now = next(numbers) == number
        if now and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **options)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, step, crashing)


def main(point: str = "", number: str = "1") -> None:
    if point:
        crash_at(point, int(number))
    for line in sys.stdin:
        sys.stderr.write(json.dumps(handle(json.loads(line), LambdaContext())) + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
