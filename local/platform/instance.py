"""One running copy of a function: its process, and what it tells the platform."""

from __future__ import annotations

import queue
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Kind(Enum):
    """What a message of an instance says."""

    READY = "ready"
    """The handler is loaded, or has finished with an event: it waits for the next."""
    ANSWER = "answer"
    ERROR = "error"
    EXITED = "exited"
    """The process is gone; the payload is its return code as `subprocess` gives it."""
    SILENT = "silent"
    """It said nothing in the time that it had."""


@dataclass(frozen=True)
class Message:
    """One message of an instance; `payload` is JSON, but for EXITED."""

    kind: Kind
    payload: Any = None


@dataclass(frozen=True)
class Job:
    """One event for an instance: `event` is its JSON text, `timeout` is in seconds."""

    request_id: str
    event: str
    timeout: float


class Instance(ABC):
    """A process that handles one event after the other."""

    process: subprocess.Popen[bytes]

    def __init__(self) -> None:
        self.messages: queue.Queue[Message] = queue.Queue()

    @abstractmethod
    def hand_over(self, job: Job) -> None:
        """Give the waiting process its next event."""

    @abstractmethod
    def close(self) -> None:
        """End the process and all that belongs to it."""

    def next_message(self, seconds: float) -> Message:
        """Wait for the next message; after `seconds` it is SILENT."""
        try:
            return self.messages.get(timeout=seconds)
        except queue.Empty:
            return Message(Kind.SILENT)

    def alive(self) -> bool:
        """Tell whether the process still runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End the process at once, by SIGKILL."""
        self.process.kill()
        self.process.wait()


def start(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, **pipes: Any
) -> subprocess.Popen[bytes]:
    """Start the process of an instance with nothing but `environment`; its output is added to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the platform, which then ends its instances
            **pipes,
        )
