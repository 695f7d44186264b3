"""Tencent Cloud SCF: `handler(event, context)` with two dicts, in its own process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .function import Function
from .instance import Instance, Job, Message, MessageKind, start

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "ap-singapore"
MEMORY_MB = 256
_RUNTIME = Path(__file__).with_name("scf_runtime.py")


class RoleKey(NamedTuple):
    """The temporary key of an execution role, which SCF puts into the environment."""

    secret_id: str
    secret_key: str
    token: str


class ScfFunction(Function):
    """An event function on SCF; errors are SCF's error objects. `role` is the key of its execution role."""

    reserved = ("SCF_", "QCLOUD_", "TENCENTCLOUD_")

    def __init__(self, name: str, *, role: RoleKey | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self.role = role

    def _start(self) -> Instance:
        role = {
            "TENCENTCLOUD_SECRETID": self.role.secret_id,
            "TENCENTCLOUD_SECRETKEY": self.role.secret_key,
            "TENCENTCLOUD_SESSIONTOKEN": self.role.token,
        } if self.role else {}  # fmt: skip
        platform = {
            "TENCENTCLOUD_RUNENV": "SCF",
            "TENCENTCLOUD_REGION": REGION,
            "TENCENTCLOUD_APPID": "1250000000",
            "TENCENTCLOUD_UIN": "100000000001",
            "TENCENTCLOUD_TZ": "UTC",
            "SCF_RUNTIME": "Python3.10",
            "SCF_NAMESPACE": "default",
            "SCF_FUNCTIONNAME": self.name,
            "SCF_FUNCTIONVERSION": "$LATEST",
            "USER_CODE_ROOT": str(self.code),
            **role,
        }
        variables = self._variables(TZ="UTC", **platform)
        reading, writing = os.pipe()
        command = [self.python, str(_RUNTIME), str(writing), str(self.code)]
        try:
            process = start(
                command, variables, self.code, self.log, stdin=subprocess.PIPE, pass_fds=(writing,)
            )
        finally:
            os.close(writing)
        return _ScfInstance(
            process, reading, lambda job: self._context(job, {**platform, **self.environment})
        )

    def _context(self, job: Job, variables: dict[str, str]) -> dict[str, Any]:
        return {
            "memory_limit_in_mb": MEMORY_MB,
            "time_limit_in_ms": int(job.timeout * 1000),
            "request_id": job.request_id,
            "environment": json.dumps(variables),
            "environ": ";".join(f"{name}={value}" for name, value in variables.items()),
            "function_version": "$LATEST",
            "function_name": self.name,
            "namespace": "default",
            "tencentcloud_region": REGION,
            "tencentcloud_appid": "1250000000",
            "tencentcloud_uin": "100000000001",
        }

    def _failure(self, request_id: str, message: Message) -> dict[str, Any]:
        status, text, details = {
            MessageKind.ERROR: (430, "user code exception caught", {"stackTrace": message.payload}),
            MessageKind.TIMED_OUT: (433, f"Invoking task timed out after {self.timeout:g} seconds", {}),
            MessageKind.EXITED: (439, f"User process exit when running, return code {message.payload}", {}),
        }[message.kind]
        error = {"errorCode": -1, "errorMessage": text, "requestId": request_id, "statusCode": status}
        return {**error, **details}


class _ScfInstance(Instance):
    def __init__(
        self, process: subprocess.Popen[bytes], pipe: int, context_of: Callable[[Job], dict[str, Any]]
    ) -> None:
        super().__init__()
        assert process.stdin  # noqa: S101 - `stdin=PIPE` makes it
        self.process = process
        self._events = process.stdin
        self._context_of = context_of
        self._reader = threading.Thread(target=self._read, args=(pipe,), name="scf-messages", daemon=True)
        self._reader.start()

    def submit(self, job: Job) -> None:
        line = json.dumps({"event": json.loads(job.event), "context": self._context_of(job)}) + "\n"
        with contextlib.suppress(BrokenPipeError):  # the EXITED message reports a process that has ended
            self._events.write(line.encode())
            self._events.flush()

    def close(self) -> None:
        self.kill()
        self._reader.join()
        with contextlib.suppress(BrokenPipeError):
            self._events.close()

    def _read(self, pipe: int) -> None:
        with os.fdopen(pipe, encoding="utf-8") as lines:
            for line in lines:
                kind, payload = json.loads(line)
                self.messages.put(Message(MessageKind(kind), payload))
        self.messages.put(Message(MessageKind.EXITED, self.process.wait()))
