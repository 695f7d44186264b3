"""A deployed function: it is invoked with events and responds as its platform does, errors included."""

from __future__ import annotations

import json
import os
import sys
import threading
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .instance import Job, MessageKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .instance import Instance, Message

_ROOT = Path(__file__).parents[2]
_INHERITED = ("PATH", "TMPDIR", "LD_LIBRARY_PATH")
INIT_SECONDS = 60.0


@dataclass(frozen=True)
class Invocation:
    """The result of one invocation: the handler's response, or the platform's error object if it `failed`."""

    request_id: str
    payload: Any
    failed: bool


class Function(ABC):
    """One function with at most one instance, which is started on demand and kept warm.

        with closing(LambdaFunction("http", environment={"MAILER_STORE_URL": …})) as function:
            response = function.invoke(event).payload

    `name` is a folder of `functions/`, unless `code` is given; `layer` is the folder that comes after it on
    the path. `timeout` is in seconds; an instance that takes longer is killed, and the next event starts a
    new one. The function's output goes to the file `log`. Thread-safe: invocations run one after the other.
    """

    def __init__(
        self,
        name: str,
        *,
        environment: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        log: Path = Path(os.devnull),
        code: Path | None = None,
        layer: Path = _ROOT / "layers" / "mailer",
        python: str = sys.executable,
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.log = log
        self.code = code or _ROOT / "functions" / name
        self.layer = layer
        self.python = python
        self.environment = dict(environment or {})
        for variable in self.environment:
            if variable.startswith(self.reserved):
                raise ValueError(f"{variable}: the platform reserves this name")
        self._instance: Instance | None = None
        self._lock = threading.Lock()

    reserved: tuple[str, ...]
    """Prefixes of variables that the platform reserves."""

    @abstractmethod
    def _start(self) -> Instance:
        """Start an instance."""

    @abstractmethod
    def _failure(self, request_id: str, message: Message) -> dict[str, Any]:
        """Return the platform's error object for a message that is ERROR, EXITED or TIMED_OUT."""

    def invoke(self, event: Any) -> Invocation:
        """Run the handler with `event`, which must be JSON; a failure is returned, never raised."""
        text = json.dumps(event)
        request_id = str(uuid.uuid4())
        with self._lock:
            instance = self._warm_instance()
            message = instance.next_message(INIT_SECONDS)
            initialized = message.kind is MessageKind.READY
            if initialized:
                instance.submit(Job(request_id, text, self.timeout))
                message = instance.next_message(self.timeout)
            if not initialized or message.kind in {MessageKind.TIMED_OUT, MessageKind.EXITED}:
                self.close()
        if message.kind is MessageKind.RESPONSE:
            return Invocation(request_id, message.payload, failed=False)
        return Invocation(request_id, self._failure(request_id, message), failed=True)

    def kill(self) -> None:
        """Kill the running instance (SIGKILL), as a crash would; the next event starts a new one."""
        if self._instance:
            self._instance.kill()

    def close(self) -> None:
        """End the instance; the next event starts a new one."""
        if self._instance:
            self._instance.close()
            self._instance = None

    def _warm_instance(self) -> Instance:
        if self._instance and not self._instance.alive():
            self.close()
        if self._instance is None:
            self._instance = self._start()
        return self._instance

    def _variables(self, **platform: str) -> dict[str, str]:
        """Return the environment of an instance: the platform's variables, then the user's."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        path = os.pathsep.join(str(folder) for folder in (self.code, self.layer))
        return {**inherited, "LANG": "en_US.UTF-8", "PYTHONPATH": path, **platform, **self.environment}
