"""The real `osls deploy` of the real serverless.yml into an emulator of AWS, and email through what it made.

It is an emulator: IAM is not enforced and no limit of AWS is met. What it does prove is that the template can
be created and removed, and that API Gateway, SQS and EventBridge reach the functions with what they send.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from background import free_port, running, wait_until
from emails import EMAIL
from local.ses_emulator import SECRET_ID, SECRET_KEY
from local.world import API_KEY

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from local.ses_emulator import Emulator

Json = dict[str, Any]

pytestmark = pytest.mark.lambda_runtime

ROOT = Path(__file__).resolve().parents[2]
MINISTACK = ROOT / ".venv-deploy/bin/ministack"
REGION = "ap-southeast-1"
VERSION = next((ROOT / ".venv-deploy").glob("lib/python3.*")).name.removeprefix("python")
TICK_SECONDS = 90.0  # a rule that runs each minute, and a minute's half to spare
STANDARD, DEAD = "EmailsUrl", "DeadEmailsUrl"


class Aws:
    """The emulator, its API called without an SDK: the main venv must not know boto3."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.outputs: dict[str, str] = {}

    def call(self, target: str, parameters: Json) -> Json:
        service = {"AmazonSQS": "sqs", "secretsmanager": "secretsmanager"}[target.partition(".")[0]]
        scope = f"Credential=test/20260101/{REGION}/{service}/aws4_request"
        headers = {
            "X-Amz-Target": target,
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none",
        }
        status, answer = self.request("127.0.0.1", "/", headers, parameters)
        assert status == 200, answer
        return answer

    def http(self, path: str, body: Json, key: str) -> tuple[int, Json]:
        """POST to the deployed HTTP API."""
        host = f"{self.outputs['HttpApiId']}.execute-api.localhost"
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {API_KEY}",
            "Idempotency-Key": key,
        }
        return self.request(host, path, headers, body)

    def request(self, host: str, path: str, headers: dict[str, str], body: Json) -> tuple[int, Json]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {**headers, "Host": f"{host}:{self.port}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def send(self, bodies: dict[str, str]) -> None:
        entries = [{"Id": name, "MessageBody": body} for name, body in bodies.items()]
        self.call("AmazonSQS.SendMessageBatch", {"QueueUrl": self.outputs[STANDARD], "Entries": entries})

    def dead_letters(self) -> list[str]:
        """The bodies in the dead-letter queue, which stay there."""
        query = {"QueueUrl": self.outputs[DEAD], "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
        return [
            message["Body"] for message in self.call("AmazonSQS.ReceiveMessage", query).get("Messages", [])
        ]


@pytest.fixture
def aws(tmp_path: Path, bare_environment: dict[str, str]) -> Iterator[Aws]:
    port = free_port()
    environment = {
        **bare_environment,
        "TMPDIR": str(tmp_path),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
    }
    log = tmp_path / "ministack.log"
    with running([str(MINISTACK)], cwd=tmp_path, environment=environment, port=port, log=log):
        yield Aws(port)


@pytest.fixture
def run(
    osls: Callable[..., subprocess.CompletedProcess[str]], aws: Aws, ses: Emulator, settings: dict[str, str]
) -> Callable[..., str]:
    """Runs osls against the emulator; returns what it printed."""

    def run(*arguments: str) -> str:
        parameters = {
            "python": VERSION,
            "arch": {"x86_64": "x86_64", "aarch64": "arm64"}[os.uname().machine],
            "sesEndpoint": ses.endpoint,
            "account": settings["MAILER_ACCOUNT"],
            "config": "mailer.toml",
            "maxReceives": "1",
            "visibility": "2",
        }
        given = [argument for pair in parameters.items() for argument in ("--param", "=".join(pair))]
        done = osls(
            *arguments,
            *given,
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{aws.port}",
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            SLS_AWS_MONITORING_FREQUENCY="200",
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


@pytest.fixture
def deployed(aws: Aws, run: Callable[..., str], settings: dict[str, str]) -> Aws:
    """The stack, with its secret in Secrets Manager as on AWS."""
    secret = {
        "secret_id": SECRET_ID,
        "secret_key": SECRET_KEY,
        "store_url": settings["MAILER_STORE_URL"],
        "api_keys": settings["MAILER_API_KEYS"],
        "callback_token": "unguessable",
    }
    aws.call("secretsmanager.CreateSecret", {"Name": "mailer/dev", "SecretString": json.dumps(secret)})
    run("deploy")
    printed = run("info", "--verbose")
    aws.outputs = dict(re.findall(r"^  (\w+): (\S+)$", printed, re.MULTILINE))
    return aws


def test_stack_sends_email_through_http_queue_and_schedule_and_can_be_removed(
    deployed: Aws, run: Callable[..., str], ses: Emulator
) -> None:
    # HTTP: one now, one that waits for the sweep
    status, sent = deployed.http("/emails", {**EMAIL, "to": "http@customer.example"}, "now")
    assert (status, sent["state"]) == (200, "accepted"), sent
    soon = (datetime.now(timezone.utc) + timedelta(seconds=2)).isoformat()
    status, later = deployed.http(
        "/emails", {**EMAIL, "to": "later@customer.example", "send_at": soon}, "later"
    )
    assert (status, later["state"]) == (202, "scheduled"), later

    # SQS: a batch in which one message is poison
    good = {name: json.dumps({**EMAIL, "to": f"{name}@customer.example"}) for name in ("one", "two", "three")}
    deployed.send({**good, "poison": "{"})
    wait_until(
        lambda: all(ses.inbox(to=f"{name}@customer.example") for name in good), "the queue sent nothing"
    )
    wait_until(deployed.dead_letters, "the poison is not in the dead-letter queue")
    assert deployed.dead_letters() == ["{"]

    # EventBridge: the next tick sweeps
    wait_until(lambda: ses.inbox(to="later@customer.example"), "no tick swept", TICK_SECONDS)
    assert ses.stats()["duplicates"] == 0
    assert len(ses.inbox()) == 5

    assert "No changes" in run("deploy")
    assert "removed" in run("remove")
