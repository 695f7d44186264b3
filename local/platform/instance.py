"""One instance of a function: its process, and the messages that it sends to the platform."""

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


class MessageKind(Enum):
    """What a message of an instance reports."""

    READY = "ready"
    """The handler is loaded, or has finished with an event: the process waits for the next one."""
    RESPONSE = "response"
    ERROR = "error"
    EXITED = "exited"
    """The process has ended; the payload is its return code as `subprocess` gives it."""
    TIMED_OUT = "timed_out"
    """No message came within the timeout."""


@dataclass(frozen=True)
class Message:
    """One message of an instance; `payload` is JSON, except for EXITED."""

    kind: MessageKind
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
    def submit(self, job: Job) -> None:
        """Give the waiting process its next event."""

    @abstractmethod
    def close(self) -> None:
        """End the process and release what belongs to it."""

    def next_message(self, seconds: float) -> Message:
        """Return the next message; TIMED_OUT if none comes within `seconds`."""
        try:
            return self.messages.get(timeout=seconds)
        except queue.Empty:
            return Message(MessageKind.TIMED_OUT)

    def alive(self) -> bool:
        """Return whether the process still runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """Kill the process (SIGKILL) and wait for its end."""
        self.process.kill()
        self.process.wait()


def start(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, **pipes: Any
) -> subprocess.Popen[bytes]:
    """Start an instance's process with `environment` alone; its output is appended to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # keeps Ctrl-C away from it: the platform ends its instances
            **pipes,
        )
