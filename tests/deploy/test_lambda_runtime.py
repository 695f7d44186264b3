"""The zips for AWS under Lambda's own runtime: its runtime client in an empty venv, its interface emulator.

The venv holds nothing but the client, so what a layer lacks is missing here too.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from background import free_port, running, wait_until
from deploy.targets import AWS
from local.sample_events import sample_event
from local.ses_emulator import SECRET_ID, SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.ses_emulator import Emulator

pytestmark = [
    pytest.mark.lambda_runtime,
    pytest.mark.compatible("Platforms", "AWS Lambda", "runtime client", package="awslambdaric"),
    pytest.mark.compatible("Platforms", "AWS Lambda", "interface emulator", package="aws-sam-cli"),
]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-lambda/bin/python"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
INVOKE = "2015-03-31/functions/function/invocations"


class LambdaRuntime:
    """One deployed function: `invoke` gives it an event as Lambda does, and returns what Lambda would."""

    def __init__(self, port: int, process_id: int) -> None:
        self.url = f"http://127.0.0.1:{port}/{INVOKE}"
        self.process_id = process_id

    def invoke(self, event: Any) -> Any:
        request = urllib.request.Request(self.url, json.dumps(event).encode())  # noqa: S310 - http, to 127.0.0.1
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            text = error.read().decode()
        return json.loads(text) if text.startswith("{") else text  # a timeout is told in plain words

    def python_process(self) -> int:
        """The process that runs the handler: the emulator's one child, by whichever of its threads."""
        lists = Path(f"/proc/{self.process_id}/task").glob("*/children")
        (child,) = " ".join(children.read_text() for children in lists).split()
        return int(child)


@pytest.fixture
def deployed(built: Path, tmp_path: Path, settings: dict[str, str]) -> Iterator[Callable[..., LambdaRuntime]]:
    """Starts a function from what was built, with the settings that the template gives to it.

    ``deployed("http", timeout=29)`` is an example.
    """
    template = json.loads((built / "aws" / "template.json").read_text())
    version = next(PYTHON.parent.parent.glob("lib/python3.*")).name.removeprefix("python")
    emulator = next((ROOT / ".venv-deploy").glob(f"lib/*/site-packages/samcli/local/rapid/*-{ARCHITECTURE}"))
    with zipfile.ZipFile(built / AWS.name / f"layer-python{version}-{ARCHITECTURE}.zip") as layer:
        layer.extractall(tmp_path / "opt")
    program = tmp_path / "rie"
    program.write_bytes(emulator.read_bytes())
    program.chmod(0o755)
    with ExitStack() as stack:

        def start(name: str, timeout: int = 29) -> LambdaRuntime:
            code = tmp_path / "task" / name
            with zipfile.ZipFile(built / AWS.name / f"{name}.zip") as archive:
                archive.extractall(code)
            port, api_port = free_port(), free_port()
            # Without both addresses it listens to the whole network.
            command = [str(program), "--log-level", "error"]
            command += ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
            command += ["--runtime-api-address", f"127.0.0.1:{api_port}"]
            command += [str(PYTHON), "-m", "awslambdaric", "handler.handler"]
            function = template["Resources"][f"{name.capitalize()}LambdaFunction"]["Properties"]
            all_settings = {
                **settings,
                "MAILER_SECRET_ID": SECRET_ID,
                "MAILER_SECRET_KEY": SECRET_KEY,
                "MAILER_CONFIG": str(code / "mailer.toml"),
            }
            environment = {
                **{
                    key: all_settings[key]
                    for key in function["Environment"]["Variables"]
                    if key in all_settings
                },
                "PATH": os.environ["PATH"],
                "LAMBDA_TASK_ROOT": str(code),
                "PYTHONPATH": f"{code}:{tmp_path}/opt/python",
                "AWS_LAMBDA_FUNCTION_NAME": f"mailer-{name}",
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
                "AWS_REGION": "ap-southeast-1",
            }
            log = tmp_path / f"{name}.log"
            process = stack.enter_context(
                running(command, cwd=code, environment=environment, port=port, log=log)
            )
            return LambdaRuntime(port, process.pid)

        yield start


def test_http_request_sends_an_email_without_boto3(
    deployed: Callable[..., LambdaRuntime], ses: Emulator
) -> None:
    answer = deployed("http").invoke(sample_event("aws/http-api-gateway-v2.json").payload)
    assert answer["statusCode"] == 200, answer
    assert ses.acceptances(json.loads(answer["body"])["id"]) == 1


def test_one_poisoned_message_of_a_batch_is_returned_alone(
    deployed: Callable[..., LambdaRuntime], ses: Emulator
) -> None:
    event = deepcopy(sample_event("aws/queue-sqs.json").payload)
    event["Records"][0]["body"] = "{"
    answer = deployed("queue").invoke(event)
    assert event["Records"][0]["messageId"] in [
        item["itemIdentifier"] for item in answer["batchItemFailures"]
    ]
    done = len(event["Records"]) - len(answer["batchItemFailures"])
    assert done > 0
    assert ses.counts()["accepted"] == done


def test_scheduled_event_runs_its_job(deployed: Callable[..., LambdaRuntime]) -> None:
    answer = deployed("schedule").invoke({"job": "sweep", "scheduled_time": "2026-11-23T09:00:00Z"})
    assert answer["job"] == "sweep"


def invoke_and(function: LambdaRuntime, ses: Emulator, disturbance: signal.Signals) -> tuple[Any, Any]:
    """Invoke with an email that SES takes without an answer, and disturb the process that waits for it.

    Returns the event and what the platform answered to it.
    """
    event = deepcopy(sample_event("aws/http-api-gateway-v2.json").payload)
    event["body"] = json.dumps({**json.loads(event["body"]), "Destination": ["slow@fault.example"]})
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(function.invoke, event)
        wait_until(lambda: ses.calls() or answer.done(), "SES was never called")
        os.kill(function.python_process(), disturbance)
        return event, answer.result()


def test_crash_while_sending_leaves_the_email_to_the_ledger(
    deployed: Callable[..., LambdaRuntime], ses: Emulator
) -> None:
    """The next invocation runs in a new process, and knows that the email may have gone out."""
    function = deployed("http")
    event, answer = invoke_and(function, ses, signal.SIGKILL)
    assert answer["errorType"] == "Runtime.ExitError", answer
    again = function.invoke(event)
    assert again["statusCode"] in {202, 409}, again
    assert len(ses.calls()) == 1


def test_hung_process_is_ended_at_the_timeout(deployed: Callable[..., LambdaRuntime], ses: Emulator) -> None:
    function = deployed("http", timeout=4)
    event, answer = invoke_and(function, ses, signal.SIGSTOP)
    assert "Task timed out after 4.00 seconds" in answer
    again = function.invoke(event)
    assert again["statusCode"] in {202, 409}, again
    assert len(ses.calls()) == 1
