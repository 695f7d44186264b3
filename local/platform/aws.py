"""AWS Lambda: the real awslambdaric against a local Runtime API."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from .function import Function
from .instance import Instance, Job, Message, MessageKind, start
from .runtime_api import RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

REGION = "ap-southeast-1"
MEMORY_MB = 256


class LambdaFunction(Function):
    """A function of Python's managed runtime on Lambda; errors are Lambda's function error objects."""

    reserved = ("AWS_LAMBDA_", "AWS_EXECUTION_ENV", "LAMBDA_", "_HANDLER")

    def _start(self) -> Instance:
        def run(address: str) -> Popen[bytes]:
            variables = self._variables(
                TZ=":UTC",
                AWS_REGION=REGION,
                AWS_DEFAULT_REGION=REGION,
                AWS_EXECUTION_ENV="AWS_Lambda_python{}.{}".format(*sys.version_info),
                AWS_LAMBDA_RUNTIME_API=address,
                AWS_LAMBDA_FUNCTION_NAME=self.name,
                AWS_LAMBDA_FUNCTION_VERSION="$LATEST",
                AWS_LAMBDA_FUNCTION_MEMORY_SIZE=str(MEMORY_MB),
                AWS_LAMBDA_INITIALIZATION_TYPE="on-demand",
                AWS_LAMBDA_LOG_GROUP_NAME=f"/aws/lambda/{self.name}",
                AWS_LAMBDA_LOG_STREAM_NAME="local",
                LAMBDA_TASK_ROOT=str(self.code),
                _HANDLER="handler.handler",
            )
            command = [self.python, "-m", "awslambdaric", "handler.handler"]
            return start(command, variables, self.code, self.log)

        return _LambdaInstance(f"arn:aws:lambda:{REGION}:123456789012:function:{self.name}", run)

    def _failure(self, request_id: str, message: Message) -> dict[str, Any]:
        if message.kind is MessageKind.ERROR:
            error: dict[str, Any] = message.payload
            return error
        error_type, text = "Sandbox.Timedout", f"Task timed out after {self.timeout:.2f} seconds"
        if message.kind is MessageKind.EXITED:
            code = message.payload
            reason = f"signal: {signal.strsignal(-code)}" if code < 0 else f"exit status {code}"
            error_type, text = "Runtime.ExitError", f"Runtime exited with error: {reason.lower()}"
        return {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {text}"}


class _LambdaInstance(Instance):
    def __init__(self, function_arn: str, run: Callable[[str], Popen[bytes]]) -> None:
        super().__init__()
        self._api = RuntimeApi(function_arn, self.messages.put)
        self.process = run(self._api.address)
        self._watch = threading.Thread(target=self._report_exit, name="lambda-exit", daemon=True)
        self._watch.start()

    def submit(self, job: Job) -> None:
        self._api.jobs.put(job)

    def close(self) -> None:
        self.kill()
        self._watch.join()
        self._api.close()

    def _report_exit(self) -> None:
        self.messages.put(Message(MessageKind.EXITED, self.process.wait()))
