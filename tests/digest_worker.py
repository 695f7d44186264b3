"""A digest run killed right after a step of the ledger: python digest_worker.py STEP SCHEDULED_TIME."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from factories import LambdaContext
from mailer.ledger import Ledger
from mailer.ledger.digests import DigestLedger
from mailer.triggers.schedule import handle


def main(step: str, scheduled_time: str) -> None:
    owner: Any = Ledger if step == "settle" else DigestLedger
    original = getattr(owner, step)

    def dying(*arguments: Any, **options: Any) -> None:
        original(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, step, dying)
    handle({"job": "digest", "digest": "daily", "scheduled_time": scheduled_time}, LambdaContext())


if __name__ == "__main__":
    main(*sys.argv[1:])
