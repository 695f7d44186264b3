"""What callers and brokers name, in log lines."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import HASH_KEY, LambdaContext, body
from http_calls import call
from mailer.email.native import FIELDS
from mailer.email.request import EmailRequest
from mailer.telemetry.log_fields import key_for_log, pointer_for_log
from mailer.triggers.queue import handle
from queue_events import cloud_event, rabbitmq, sqs

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

NAME = "ann@customer.example"


def hashed(text: str) -> str:
    return hmac.new(HASH_KEY.encode(), text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:12]


@pytest.fixture(autouse=True)
def _hash_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_HASH_KEY", f"{HASH_KEY} an-earlier-key-of-the-tests")


def test_without_a_key_hashes_are_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAILER_HASH_KEY")
    made = key_for_log(NAME)
    assert made == key_for_log(NAME)
    plain = hashlib.sha256(NAME.encode()).hexdigest()[:12]
    assert made not in {f":{hashed(NAME)}", f":{plain}"}


@pytest.mark.parametrize(
    ("pointer", "logged"),
    [
        ("", ""),
        ("/to/0", "/to/0"),
        ("/template/data", "/template/data"),
        ("/attachments/9/content", "/attachments/9/content"),
        ("/Template/TemplateID", "/Template/TemplateID"),
        ("/emails/3/from", "/emails/3/from"),
        ("/data/to/0", "/data/to/0"),
        ("/Message/job", "/Message/job"),
        (f"/{NAME}", f"/#{hashed(NAME)}"),
        (f"/template/data/{NAME}/0", f"/template/data/#{hashed(NAME)}/0"),
        ("/headers/X-Customer", f"/headers/#{hashed('X-Customer')}"),
        ("/to/1234567", f"/to/#{hashed('1234567')}"),
        ("/\ud800", f"/#{hashed(chr(0xD800))}"),
        ("/", f"/#{hashed('')}"),
        ("/to" * 8, "/to" * 8),
        ("/to" * 9, "/to" * 8 + "/…"),
    ],
)
def test_pointer_keeps_names_of_the_api_and_indexes(pointer: str, logged: str) -> None:
    assert pointer_for_log(pointer) == logged


def test_every_field_of_a_request_is_a_name_of_the_api() -> None:
    names = [field.alias or name for name, field in EmailRequest.model_fields.items()]
    for name in (*names, *FIELDS):
        assert pointer_for_log(f"/{name}") == f"/{name}"


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Z", "C"])))
def test_no_pointer_and_no_key_is_long_or_holds_an_address(text: str) -> None:
    for logged in (pointer_for_log(f"/{text}"), key_for_log(text), key_for_log(f"sqs:{text}")):
        assert len(logged) <= 250
        assert "@" not in logged
        assert logged.isprintable()


@pytest.mark.parametrize(
    "key",
    [
        "sqs:2e1424d4-f796-459a-8184-9c92662be6da",
        "kafka:arn:aws:kafka:ap-southeast-1:123456789012:cluster/emails/6cc0:emails-0:17",
        "ckafka:emails:1:0",
    ],
)
def test_id_that_a_broker_gave_is_logged(key: str) -> None:
    assert key_for_log(key) == key


@pytest.mark.parametrize(
    ("key", "logged"),
    [
        (f"cloudevent:shop:{NAME}", "cloudevent:"),
        ("rabbitmq:order of Ann:emails", "rabbitmq:"),
        (f"sqs:{NAME}", "sqs:"),
        ("sqs:" + "1" * 201, "sqs:"),
        (NAME, ":"),
    ],
)
def test_id_that_a_sender_chose_is_hashed(key: str, logged: str) -> None:
    assert key_for_log(key) == logged + hashed(key)


def test_names_of_a_callers_own_fields_reach_no_log(
    runtime: Runtime, ses: Emulator, log: io.StringIO
) -> None:
    call("POST", "/emails", body(**{NAME: 1}))
    call("POST", "/emails/batch", {"emails": [body(**{NAME: 1})]})
    call("POST", "/emails", body(headers={NAME: "x\n"}))
    assert json.loads(log.getvalue().splitlines()[0])["pointers"] == [f"/#{hashed(NAME)}"]
    assert NAME not in log.getvalue()
    assert len(log.getvalue().splitlines()) == 3


@pytest.mark.parametrize(
    ("event", "key"),
    [
        ({"EventList": [cloud_event({"to": 1}, source="shop", id=NAME)]}, f"cloudevent:shop:{NAME}"),
        (rabbitmq({"to": 1}), None),
        (sqs({"to": 1}), "sqs:message-0"),
    ],
    ids=["CloudEvent", "RabbitMQ", "SQS"],
)
def test_message_of_a_broker_is_logged_without_free_text(
    runtime: Runtime, ses: Emulator, log: io.StringIO, event: dict[str, Any], key: str | None
) -> None:
    handle(event, LambdaContext())
    line = json.loads(log.getvalue().splitlines()[-1])
    assert line["code"] == "InvalidRequest"
    assert line["key"] == key_for_log(key) if key else line["key"].startswith("rabbitmq:")
    assert NAME not in log.getvalue()
