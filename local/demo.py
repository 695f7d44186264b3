"""The demo: every sample event through its function, then duplicates, a lost response and deferred emails.

It runs on this machine alone and checks every result: exit status 1 means an unexpected one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import suppress
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .gateway import gateway
from .sample_events import sample_event, sample_events
from .stack import API_KEY, local_stack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .sample_events import SampleEvent
    from .stack import LocalStack

EVENTS = sample_events()
COLUMNS = {
    "Event": max(len(event.name) for event in EVENTS),
    "Trigger": 15,
    "Response": 18,
    "State": 8,
    "Id": 9,
    "Code": 0,
}
EMAIL = {
    "from": "Shop <noreply@mail.shop.example>",
    "subject": "Your receipt",
    "template": {"id": 100093, "data": {"name": "Mia", "message": "thank you for order 1010."}},
}
# Response and states of the sample events whose result is not status 200 and one accepted email.
EXPECTED = {
    "aws/http-batch.json": ("200", ["accepted", "accepted"]),
    "aws/http-webhook-hubspot.json": ("200", ["accepted", "accepted"]),
    "aws/queue-activemq.json": ("2 done", ["accepted", "accepted"]),
    "aws/queue-dynamodb.json": ("3 done", ["accepted", "accepted", "ignored"]),
    "aws/queue-eventbridge-rule.json": ("1 done", ["accepted"]),
    "aws/queue-invoke.json": ("accepted", ["accepted"]),
    "aws/queue-kafka-msk.json": ("4 done", ["-", "accepted", "accepted", "accepted"]),
    "aws/queue-kafka-self-managed.json": ("1 done", ["accepted"]),
    "aws/queue-kinesis.json": ("2 done", ["accepted", "accepted"]),
    "aws/queue-pipes-kinesis.json": ("1 done", ["accepted"]),
    "aws/queue-pipes-sqs.json": ("1 done", ["accepted"]),
    "aws/queue-pipes-transformed.json": ("1 done", ["accepted"]),
    "aws/queue-rabbitmq.json": ("3 done", ["accepted", "accepted", "accepted"]),
    "aws/queue-sns.json": ("1 done", ["accepted"]),
    "aws/queue-sqs-eventbridge.json": ("1 done", ["accepted"]),
    "aws/queue-sqs-fifo.json": ("3 done", ["accepted", "accepted", "accepted"]),
    "aws/queue-sqs-sns.json": ("2 done", ["accepted", "accepted"]),
    "aws/queue-sqs.json": ("2 done, 1 returned", ["-", "accepted", "accepted"]),
    "aws/http-digest-items.json": ("202", ["-"]),
    "aws/schedule-digest-eventbridge.json": ("digest: 1 accepted", ["accepted"]),
    "aws/schedule-eventbridge.json": ("sweep: nothing due", ["-"]),
    "tencent/http-function-url-get-health.json": ("200", ["-"]),
    "tencent/http-function-url-get-docs.json": ("200", ["-"]),
    "tencent/http-function-url-get-openapi.json": ("200", ["-"]),
    "tencent/http-ses-events.json": ("200", ["-", "-"]),
    "tencent/queue-ckafka.json": ("3 done", ["accepted", "accepted", "refused"]),
    "tencent/queue-cmq.json": ("2 done", ["accepted", "accepted"]),
    "tencent/queue-eventbridge.json": ("1 done", ["accepted"]),
    "tencent/queue-invoke-native.json": ("accepted", ["accepted"]),
    "tencent/queue-tdmq-list.json": ("3 done", ["-", "accepted", "accepted"]),
    "tencent/queue-tdmq.json": ("1 done", ["accepted"]),
    "tencent/schedule-digest-timer.json": ("digest: nothing due", ["-"]),
    "tencent/schedule-timer.json": ("sweep: nothing due", ["-"]),
}
SCF_DEFAULT_TIMEOUT = 3.0
WAIT_TIMEOUT_SECONDS = 30.0


class DemoCheckFailed(Exception):
    """A result differs from what the demo expects."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--logs", type=Path, default=Path("build/demo"), help="where the functions' logs go")
    logs = parser.parse_args(arguments).logs
    try:
        with local_stack(logs) as stack:
            _run(stack)
            _print_summary(stack)
    except DemoCheckFailed as error:
        print(f"\nUnexpected result: {error}\nThe functions' logs: {logs}/", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(stack: LocalStack) -> None:
    print(
        "Mailer turns events into email. AWS Lambda, Tencent Cloud SCF and SES are emulated on this machine:"
    )
    print(f"no email leaves it. Inbox: {stack.ses.endpoint}   Logs: {stack.logs}/\n")
    _print_row(COLUMNS)
    for event in EVENTS:
        _demo_sample_event(stack, event)
    _demo_duplicate_event(stack)
    _demo_lost_response(stack)
    _demo_deferral(stack)


def _print_summary(stack: LocalStack) -> None:
    stats = stack.ses.stats()
    _check(stats["duplicates"] == 0, f"{stats['duplicates']} emails were sent twice")
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(stats["outcomes"].items()))
    print(f"\n{stats['calls']} calls to SES: {outcomes}. No email was sent twice.")
    if sys.stdin.isatty() and sys.stdout.isatty():
        with gateway(stack.functions["aws", "http"].invoke) as url, suppress(EOFError, KeyboardInterrupt):
            print(f"Call the API:   {url}/docs   (docs/http-api.md; the key is {API_KEY})")
            print(f"Open the inbox: {stack.ses.endpoint}   (press Enter to stop)")
            input()
        return
    print(f"{stats['accepted']} emails in the inbox:")
    mails = stack.ses.inbox()
    width = max(len(mail.subject) for mail in mails)
    for mail in mails:
        print(f"  {mail.subject:<{width}}  {', '.join(mail.to)}")


def _demo_sample_event(stack: LocalStack, event: SampleEvent) -> None:
    """Run one sample event, print its rows and check them."""
    payload, lines = _invoke(stack, event.cloud, event.function, event.payload)
    results = [line for line in lines if "trigger" in line]
    emails = [line for line in results if "job" not in line]  # a job's own line repeats those of its emails
    outcomes = emails or results or [_body(payload)]
    response = _describe_response(event.function, len(outcomes), payload)
    left = [event.name, outcomes[0].get("trigger", "-"), response]
    for outcome in outcomes:
        email_id, state = outcome.get("id", ""), outcome.get("state", "-")
        _print_row([*left, state, f"{email_id[:8]}…" if email_id else "-", outcome.get("code") or "-"])
        left = ["", "", ""]
        _check(
            state != "accepted" or stack.ses.acceptances(email_id) == 1,
            f"{email_id} is not in the inbox exactly once",
        )
    found = (response, sorted(outcome.get("state", "-") for outcome in outcomes))
    expected = EXPECTED.get(event.name, ("200", ["accepted"]))
    _check(found == expected, f"{event.name} gave {found}, not {expected}")


def _demo_duplicate_event(stack: LocalStack) -> None:
    event = sample_event("aws/http-api-gateway-v1.json")
    print(f"\nThe same event delivered twice ({event.name})")
    response, _ = _invoke(stack, event.cloud, event.function, event.payload)
    replayed, count = _replayed(response), len(stack.ses.inbox(smtp_message_id=_body(response)["id"]))
    print(f"  {response['statusCode']}, Idempotent-Replayed: {replayed}; emails in the inbox: {count}")
    _check(replayed == "true" and count == 1, "the second delivery did not replay the first one's result")


def _demo_lost_response(stack: LocalStack) -> None:
    print("\nSES accepts an email, but its response is lost")
    for attempt, expected in (("first request", "false"), ("same request again", "true")):
        response = _post_email(stack, "answer-lost", to="answer-lost@fault.example")
        body, replayed = _body(response), _replayed(response)
        calls = sum(call.smtp_message_id == f"<{body['id']}>" for call in stack.ses.calls())
        status = response["statusCode"]
        print(
            f"  {attempt}: {status} {body['state']}, Idempotent-Replayed: {replayed}; calls to SES: {calls}"
        )
        _check(
            (status, body["state"], replayed, calls) == (202, "unknown", expected, 1),
            "an email whose outcome is unknown was sent again",
        )


def _demo_deferral(stack: LocalStack) -> None:
    print("\nEmails to send later, and the sweep that sends them")
    due = datetime.now(timezone.utc) + timedelta(seconds=3)
    scheduled = _body(_post_email(stack, "later", to="ned@customer.example", send_at=due.isoformat()))
    print(f"  send_at in the future: {scheduled['state']}")
    deferred = _invoke_during_overload(stack)
    print(f"  SES returns RequestLimitExceeded and the function runs out of time: {deferred['state']}")
    _check(
        (scheduled["state"], deferred["state"]) == ("scheduled", "deferred"), "the ledger did not store them"
    )
    email_ids = (scheduled["id"], deferred["id"])
    deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
    while not all(stack.ses.acceptances(email_id) for email_id in email_ids):
        _check(time.monotonic() < deadline, "the sweep did not send the emails that were due")
        _invoke(stack, "tencent", "schedule", sample_event("tencent/schedule-timer.json").payload)
        time.sleep(0.2)
    states = [_body(_get_email(stack, email_id))["state"] for email_id in email_ids]
    print(f"  after the sweep: {', '.join(states)}")
    _check(states == ["accepted", "accepted"], "the sweep did not record what it sent")
    (mail,) = stack.ses.inbox(smtp_message_id=scheduled["id"])
    _check(mail.received >= due.timestamp(), "the scheduled email was sent before its time")


def _invoke_during_overload(stack: LocalStack) -> dict[str, Any]:
    """Invoke a function with SCF's short default timeout while SES rejects requests; return its log line."""
    event = deepcopy(sample_event("tencent/queue-tdmq.json").payload)
    event["data"]["msgId"] += ":1"
    event["data"]["msgBody"] = json.dumps({**EMAIL, "to": "RequestLimitExceeded+once@fault.example"})
    function = stack.functions["tencent", "queue"]
    timeout, function.timeout = function.timeout, SCF_DEFAULT_TIMEOUT
    _, lines = _invoke(stack, "tencent", "queue", event)
    function.timeout = timeout
    (outcome,) = (line for line in lines if "id" in line)
    return outcome


def _invoke(stack: LocalStack, cloud: str, function: str, event: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Return the function's response and its log lines, without the metrics."""
    invocation, lines = stack.invoke(cloud, function, event)
    _check(not invocation.failed, f"{cloud}/{function} failed: {invocation.payload}")
    return invocation.payload, [line for line in lines if "_aws" not in line]


def _post_email(stack: LocalStack, key: str, **fields: Any) -> Any:
    event = deepcopy(sample_event("aws/http-api-gateway-v2.json").payload)
    event["headers"]["idempotency-key"] = key
    event["body"] = json.dumps({**EMAIL, **fields})
    return _invoke(stack, "aws", "http", event)[0]


def _get_email(stack: LocalStack, email_id: str) -> Any:
    event = deepcopy(sample_event("aws/http-api-gateway-v2-get-email.json").payload)
    event["rawPath"] = event["requestContext"]["http"]["path"] = f"/emails/{email_id}"
    return _invoke(stack, "aws", "http", event)[0]


def _describe_response(function: str, messages: int, payload: Any) -> str:
    """Summarise a function's response to its platform in a few words."""
    if function == "http":
        return str(payload["statusCode"])
    if function == "schedule":
        counts = ", ".join(f"{count} {state}" for state, count in payload.items() if state != "job")
        return f"{payload['job']}: {counts or 'nothing due'}"
    if "records" not in payload and "batchItemFailures" not in payload:
        return str(payload["state"])
    returned = len(payload.get("batchItemFailures", ()))
    done = f"{messages - returned} done"
    return f"{done}, {returned} returned" if returned else done


def _body(payload: Any) -> dict[str, Any]:
    """Return the JSON of an HTTP response; {} for a page."""
    page = payload.get("headers", {}).get("Content-Type", "").startswith("text/html")
    body: dict[str, Any] = {} if page else json.loads(payload["body"])
    return body


def _replayed(response: Any) -> str:
    return str(response["headers"].get("Idempotent-Replayed", "false"))


def _print_row(cells: Iterable[str]) -> None:
    row = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))
    print(row.rstrip(), flush=True)


def _check(condition: bool, message: str) -> None:  # noqa: FBT001 - like the assert statement
    if not condition:
        raise DemoCheckFailed(message)


if __name__ == "__main__":
    sys.exit(main())
