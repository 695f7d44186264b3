"""What runs inside a local SCF instance: events come as lines on stdin, answers leave on a pipe of their own.

It is started as a program, `scf_runtime.py PIPE FOLDER`, and imports nothing of this project but the handler.
"""

import importlib
import json
import os
import sys
import traceback
from typing import Any


def main(pipe: str, folder: str) -> None:
    """Load `handler.handler` of `folder` and answer events until stdin ends."""
    sys.path[0] = folder  # the function's own folder comes first, not this program's
    with os.fdopen(int(pipe), "w", encoding="utf-8") as answers:

        def tell(kind: str, payload: Any = None) -> None:
            answers.write(json.dumps([kind, payload]) + "\n")
            answers.flush()

        try:
            handler = importlib.import_module("handler").handler
        except Exception:
            tell("error", traceback.format_exc())
            raise
        tell("ready")
        for line in sys.stdin:
            job = json.loads(line)
            try:
                kind, payload = "answer", handler(job["event"], job["context"])
                json.dumps(payload)
            except Exception:  # noqa: BLE001 - whatever it is, the platform reports it
                kind, payload = "error", traceback.format_exc()
                print(payload, flush=True)
            tell(kind, payload)
            tell("ready")


if __name__ == "__main__":
    main(*sys.argv[1:])
