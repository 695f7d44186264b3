"""One instance of all functions: reads invocations from stdin, a line each; may be killed at any time."""

from __future__ import annotations

import json
import sys

from factories import LambdaContext
from mailer.http_api.app import handle as http
from mailer.ledger import unknown as doubts
from mailer.triggers.queue import handle as queue
from mailer.triggers.schedule import handle as schedule

HANDLERS = {"http": http, "queue": queue, "schedule": schedule}


def main() -> None:
    doubts.QUERY_INTERVAL_MS = 1  # the emulator of the soak answers as many status queries as come
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        invocation = json.loads(line)
        try:
            answer = HANDLERS[invocation["function"]](invocation["event"], LambdaContext(12))
        except Exception as error:  # noqa: BLE001 - what the platform sees as a failed invocation
            answer = {"failed": type(error).__name__}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
