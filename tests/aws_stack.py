"""The API of the AWS emulator, and of the stack deployed in it, called without an SDK."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from local.stack import API_KEY

Json = dict[str, Any]

REGION = "ap-southeast-1"
STANDARD, DEAD, ORDERED = "EmailsUrl", "DeadEmailsUrl", "OrderedEmailsUrl"


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
