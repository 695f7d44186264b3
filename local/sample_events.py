"""The sample events in `events/`, by cloud (the folder) and function (the start of the file name)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "events"


@dataclass(frozen=True)
class SampleEvent:
    """One event as its platform sends it; `name` is its path below `events/`."""

    name: str
    payload: Any

    @property
    def cloud(self) -> str:
        """The cloud that sends it: aws or tencent."""
        return self.name.partition("/")[0]

    @property
    def function(self) -> str:
        """The function that handles it: http, queue or schedule."""
        return self.name.partition("/")[2].partition("-")[0]


def sample_event(name: str) -> SampleEvent:
    """Return one sample event, such as `aws/queue-sqs.json`; raises OSError."""
    return SampleEvent(name, json.loads((FOLDER / name).read_text(encoding="utf-8")))


def sample_events() -> list[SampleEvent]:
    """Return all sample events in the order of their names."""
    return [sample_event(path.relative_to(FOLDER).as_posix()) for path in sorted(FOLDER.glob("*/*.json"))]
