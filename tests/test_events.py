"""The sample events: real shapes, recognised by their function; each kind delivers any body to SES."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, scf_context
from handlers import load_handler
from local.sample_events import SampleEvent, sample_event, sample_events
from local.stack import API_KEY
from mailer.config.file import Config
from mailer.http_api.routes import allowed_methods
from mailer.triggers.http_events import read_http
from mailer.triggers.invoke import is_invocation
from mailer.triggers.queue import SOURCES
from mailer.triggers.schedule import read_scheduled_job
from sample_kinds import every_source, source

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

FUNCTIONS = Path(__file__).parents[1] / "functions"
TRIGGERS = {
    "aws/http-api-gateway-v1.json": "api-gateway-v1",
    "aws/http-api-gateway-v2.json": "api-gateway-v2",
    "aws/http-api-gateway-v2-gzip.json": "api-gateway-v2",
    "aws/http-function-url.json": "lambda-url",
    "aws/http-alb.json": "alb",
    "aws/http-alb-multi-value.json": "alb",
    "aws/http-vpc-lattice-v1.json": "vpc-lattice-v1",
    "aws/http-vpc-lattice-v2.json": "vpc-lattice-v2",
    "tencent/http-api-gateway.json": "scf-api-gateway",
    "tencent/http-clb.json": "clb",
    "tencent/http-function-url.json": "scf-url",
    "tencent/http-function-url-compatible.json": "scf-url",
    "aws/queue-sqs.json": "sqs",
    "tencent/queue-ckafka.json": "ckafka",
}
# The three requests of the SendEmail page, from an example domain.
API_PAGE = {
    "html and text": {
        "FromEmailAddress": "QCLOUDTEAM <noreply@mail.shop.example>",
        "ReplyToAddresses": "qcloud@shop.example",
        "Destination": ["user@example.com"],
        "Simple": {
            "Html": "PGh0bWw+PGRpdj5IZWxsb1dvcmxkPC9kaXY+PC9odG1sPg==",
            "Text": "aGVsbG8gd29ybGQ=",
        },
        "Subject": "YourTestSubject",
    },
    "template": {
        "FromEmailAddress": "QCLOUDTEAM <noreply@mail.shop.example>",
        "ReplyToAddresses": "qcloud@shop.example",
        "Destination": ["user@example.com"],
        "Template": {"TemplateID": 100091, "TemplateData": '{"code": "1234"}'},
        "Subject": "YourTestSubject",
    },
    "text": {
        "FromEmailAddress": "QCLOUDTEAM <noreply@mail.shop.example>",
        "ReplyToAddresses": "qcloud@shop.example",
        "Destination": ["user@example.com"],
        "Simple": {"Text": "aGVsbG8gd29ybGQ="},
        "Subject": "YourTestSubject",
    },
}

every_event = pytest.mark.parametrize("event", sample_events(), ids=lambda event: event.name)


def run(event: SampleEvent, payload: Any) -> Any:
    """Run the event's function as its cloud calls it."""
    context = LambdaContext() if event.cloud == "aws" else scf_context()
    return load_handler(event.function)(payload, context)


@pytest.fixture(autouse=True)
def demo_key(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure the API key of the sample events."""
    digest = hashlib.sha256(API_KEY.encode()).hexdigest()
    monkeypatch.setenv("MAILER_API_KEYS", f"demo:{digest}")


@every_source
def test_event_is_recognised_by_exactly_one_adapter(name: str) -> None:
    event = sample_event(name)
    if event.function == "http":
        trigger, request = read_http(event.payload)
        assert trigger == TRIGGERS.get(event.name, trigger)
        assert request.method in allowed_methods(request.path)
    elif event.function == "queue":
        found = sum(source.matches(event.payload) for source in SOURCES)
        assert found + is_invocation(event.payload, Config()) == 1
    else:
        assert read_scheduled_job(event.payload).scheduled_time in {
            "2026-11-23T09:00:00Z",
            "2026-11-23T01:00:00Z",
        }


@every_event
def test_event_names_example_addresses_only(event: SampleEvent) -> None:
    text = json.dumps(event.payload)
    if event.function == "http" and is_base64(event.payload):
        raw = base64.b64decode(event.payload["body"])
        text += (gzip.decompress(raw) if is_gzip(event.payload) else raw).decode()
    for domain in re.findall(r"@([a-z0-9.-]+)", text, re.IGNORECASE):
        assert domain.endswith(".example")


def test_sqs_records_carry_the_digest_of_their_body() -> None:
    for record in sample_event("aws/queue-sqs.json").payload["Records"]:
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()  # noqa: S324 - SQS's


def test_ckafka_sample_shows_both_spellings_of_the_partition() -> None:
    records = [record["Ckafka"] for record in sample_event("tencent/queue-ckafka.json").payload["Records"]]
    assert {name for record in records for name in record} >= {"partition", "Partition"}


def test_status_sample_names_the_email_of_the_first_sample(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, ses: Emulator
) -> None:
    monkeypatch.delenv("MAILER_ACCOUNT")
    first, status = (sample_event(f"aws/http-api-gateway-{name}.json") for name in ("v1", "v2-get-email"))
    posted = json.loads(run(first, first.payload)["body"])
    answer = run(status, status.payload)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["id"] == posted["id"]


def is_base64(payload: dict[str, Any]) -> bool:
    return payload.get("isBase64Encoded", payload.get("is_base64_encoded")) is True


def is_gzip(payload: dict[str, Any]) -> bool:
    return dict(payload.get("headers") or {}).get("content-encoding") == "gzip"


def with_body(event: SampleEvent, document: dict[str, Any]) -> Any:
    """Return the event's payload with this body in place of its own, and one record where it has several."""
    payload = deepcopy(event.payload)
    text = json.dumps(document)
    if "payload" in payload:
        payload["payload"] = document  # CLB parses JSON
    elif event.function == "http":
        raw = gzip.compress(text.encode()) if is_gzip(payload) else text.encode()
        payload["body"] = base64.b64encode(raw).decode() if is_base64(payload) else text
    else:
        del payload["Records"][1:]
        record = payload["Records"][0]
        record.get("Ckafka", record)["msgBody" if "Ckafka" in record else "body"] = text
    return payload


@pytest.mark.parametrize("name", [source(name) for name in TRIGGERS])
@pytest.mark.parametrize("example", API_PAGE)
def test_every_kind_of_event_delivers_the_requests_of_the_api_page_to_ses(
    runtime: Runtime, ses: Emulator, name: str, example: str
) -> None:
    event, document = sample_event(name), API_PAGE[example]
    payload = with_body(event, document)
    for _ in range(2):
        run(event, payload)
    (mail,) = ses.inbox()
    message_id = mail.raw.pop("SmtpMessageId")
    assert re.fullmatch(r"<[a-z2-7]{32}@mail\.shop\.example>", message_id)
    assert mail.raw == document
    assert ses.acceptances(message_id) == 1
    assert ses.stats()["calls"] == 1
