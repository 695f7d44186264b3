"""What runs inside a local SCF instance: events come as lines on stdin, messages leave on a pipe.

It is started as a program, `scf_runtime.py PIPE FOLDER`, and of this project it imports the handler alone.
"""

import importlib
import json
import os
import sys
import traceback
from typing import Any


def main(pipe: str, folder: str) -> None:
    """Load `handler.handler` of `folder` and handle events until stdin ends."""
    sys.path[0] = folder  # the function's own folder comes first, not this program's
    with os.fdopen(int(pipe), "w", encoding="utf-8") as messages:

        def send(kind: str, payload: Any = None) -> None:
            messages.write(json.dumps([kind, payload]) + "\n")
            messages.flush()

        try:
            handler = importlib.import_module("handler").handler
        except Exception:
            send("error", traceback.format_exc())
            raise
        send("ready")
        for line in sys.stdin:
            job = json.loads(line)
            try:
                kind, payload = "response", handler(job["event"], job["context"])
                json.dumps(payload)
            except Exception:  # noqa: BLE001 - the platform reports any error of a handler
                kind, payload = "error", traceback.format_exc()
                print(payload, flush=True)
            send(kind, payload)
            send("ready")


if __name__ == "__main__":
    main(*sys.argv[1:])
