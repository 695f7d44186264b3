"""One instance of all functions: reads invocations from stdin, one JSON line each; it may be killed."""

from __future__ import annotations

import json
import sys

from factories import LambdaContext
from mailer.http_api.app import handle as http
from mailer.ledger import unknown
from mailer.triggers.queue import handle as queue
from mailer.triggers.schedule import handle as schedule

HANDLERS = {"http": http, "queue": queue, "schedule": schedule}


def main() -> None:
    unknown.QUERY_INTERVAL_MS = 1  # the soak's emulator has no limit of status queries
    responses, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        invocation = json.loads(line)
        try:
            response = HANDLERS[invocation["function"]](invocation["event"], LambdaContext(12))
        except Exception as error:  # noqa: BLE001 - the platform sees a failed invocation
            response = {"failed": type(error).__name__}
        responses.write(json.dumps(response) + "\n")
        responses.flush()


if __name__ == "__main__":
    main()
