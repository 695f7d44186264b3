"""The demo: every sample event through its function, then what happens when things go wrong.

It runs wholly on this machine and checks itself: it ends with status 1 where anything is not as it should be.
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

from .gateway import Gateway
from .sample_events import sample_event, sample_events
from .stack import API_KEY, LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .sample_events import SampleEvent

EVENTS = sample_events()
COLUMNS = {
    "Event": max(len(event.name) for event in EVENTS),
    "Trigger": 15,
    "Answer": 18,
    "State": 8,
    "Id": 9,
    "Code": 0,
}
EMAIL = {
    "from": "Shop <noreply@mail.shop.example>",
    "subject": "Your receipt",
    "template": {"id": 100093, "data": {"name": "Mia", "message": "thank you for order 1010."}},
}
# What the sample events do, where that is not simply status 200 and an accepted email.
EXPECTED = {
    "aws/http-batch.json": ("200", ["accepted", "accepted"]),
    "aws/queue-activemq.json": ("2 done", ["accepted", "accepted"]),
    "aws/queue-invoke.json": ("accepted", ["accepted"]),
    "aws/queue-kafka-msk.json": ("4 done", ["-", "accepted", "accepted", "accepted"]),
    "aws/queue-kafka-self-managed.json": ("1 done", ["accepted"]),
    "aws/queue-rabbitmq.json": ("3 done", ["-", "accepted", "accepted"]),
    "aws/queue-sns.json": ("1 done", ["accepted"]),
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
    """The demo saw something else than it promises to show."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--logs", type=Path, default=Path("build/demo"), help="where the functions' logs go")
    logs = parser.parse_args(arguments).logs
    try:
        with LocalStack(logs) as stack:
            _run(stack)
            _finish(stack)
    except DemoCheckFailed as error:
        print(f"\nNot as it should be: {error}\nThe functions' logs are in {logs}/", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(stack: LocalStack) -> None:
    print(
        "Mailer turns events into email. Here AWS Lambda, Tencent Cloud SCF and Tencent Cloud SES are local:"
    )
    print(f"nothing leaves this machine. Inbox: {stack.ses.endpoint}   Logs: {stack.logs}/\n")
    _print_row(COLUMNS)
    for event in EVENTS:
        _show(stack, event)
    _same_event_twice(stack)
    _answer_lost(stack)
    _put_off(stack)


def _finish(stack: LocalStack) -> None:
    stats = stack.ses.stats()
    _check(stats["duplicates"] == 0, f"{stats['duplicates']} emails were sent twice")
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(stats["outcomes"].items()))
    print(f"\n{stats['calls']} calls of SES: {outcomes}. No email was sent twice.")
    if sys.stdin.isatty() and sys.stdout.isatty():
        with Gateway(stack.functions["aws", "http"].invoke) as gateway, suppress(EOFError, KeyboardInterrupt):
            print(f"Call the API: {gateway.url}/docs   (docs/http-api.md; the key is {API_KEY})")
            print(f"Look at the inbox: {stack.ses.endpoint}   (Enter ends the demo)")
            input()
        return
    print(f"{stats['accepted']} emails in the inbox:")
    for mail in stack.ses.inbox():
        print(f"  {mail.subject:<24}  {', '.join(mail.to)}")


def _show(stack: LocalStack, event: SampleEvent) -> None:
    """Run one sample event, print its rows and compare them with what is expected."""
    payload, lines = _invoke(stack, event.cloud, event.function, event.payload)
    told = [line for line in lines if "trigger" in line]
    emails = [line for line in told if "job" not in line]  # a job's own line says only what its emails do
    outcomes = emails or told or [_body(payload)]
    answer = _answer(event.function, len(outcomes), payload)
    left = [event.name, outcomes[0].get("trigger", "-"), answer]
    for outcome in outcomes:
        email, state = outcome.get("id", ""), outcome.get("state", "-")
        _print_row([*left, state, f"{email[:8]}…" if email else "-", outcome.get("code") or "-"])
        left = ["", "", ""]
        _check(state != "accepted" or stack.ses.acceptances(email) == 1, f"{email} is not in the inbox once")
    found = (answer, sorted(outcome.get("state", "-") for outcome in outcomes))
    expected = EXPECTED.get(event.name, ("200", ["accepted"]))
    _check(found == expected, f"{event.name} gave {found}, not {expected}")


def _same_event_twice(stack: LocalStack) -> None:
    event = sample_event("aws/http-api-gateway-v1.json")
    print(f"\nThe same event twice ({event.name})")
    answer, _ = _invoke(stack, event.cloud, event.function, event.payload)
    replayed, count = _replayed(answer), len(stack.ses.inbox(smtp_message_id=_body(answer)["id"]))
    print(f"  {answer['statusCode']}, Idempotent-Replayed: {replayed}; emails in the inbox: {count}")
    _check(replayed == "true" and count == 1, "the second event was not answered from the first")


def _answer_lost(stack: LocalStack) -> None:
    print("\nSES takes an email, but its answer is lost on the way")
    for attempt, expected in (("first", "false"), ("again", "true")):
        answer = _post(stack, "answer-lost", to="answer-lost@fault.example")
        body, replayed = _body(answer), _replayed(answer)
        calls = sum(call.smtp_message_id == f"<{body['id']}>" for call in stack.ses.calls())
        status = answer["statusCode"]
        print(
            f"  {attempt}: {status} {body['state']}, Idempotent-Replayed: {replayed}; calls of SES: {calls}"
        )
        _check(
            (status, body["state"], replayed, calls) == (202, "unknown", expected, 1),
            "an email whose outcome is unknown was not left alone",
        )


def _put_off(stack: LocalStack) -> None:
    print("\nEmails that cannot go out yet, and the sweep that sends them")
    due = datetime.now(timezone.utc) + timedelta(seconds=3)
    scheduled = _body(_post(stack, "later", to="ned@customer.example", send_at=due.isoformat()))
    print(f"  for later (send_at): {scheduled['state']}")
    deferred = _overload(stack)
    print(f"  while SES answers RequestLimitExceeded and the function's time is up: {deferred['state']}")
    _check(
        (scheduled["state"], deferred["state"]) == ("scheduled", "deferred"), "the ledger did not keep them"
    )
    emails = (scheduled["id"], deferred["id"])
    give_up = time.monotonic() + WAIT_TIMEOUT_SECONDS
    while not all(stack.ses.acceptances(email) for email in emails):
        _check(time.monotonic() < give_up, "the sweep did not send what was due")
        _invoke(stack, "tencent", "schedule", sample_event("tencent/schedule-timer.json").payload)
        time.sleep(0.2)
    states = [_body(_get(stack, email))["state"] for email in emails]
    print(f"  after the sweep: {', '.join(states)}")
    _check(states == ["accepted", "accepted"], "what the sweep sent was not recorded")
    (mail,) = stack.ses.inbox(smtp_message_id=scheduled["id"])
    _check(mail.received >= due.timestamp(), "the scheduled email was sent before its time")


def _overload(stack: LocalStack) -> dict[str, Any]:
    """Push a message to a function with SCF's short default timeout, while SES turns requests away."""
    event = deepcopy(sample_event("tencent/queue-tdmq.json").payload)
    event["data"]["msgId"] += ":1"
    event["data"]["msgBody"] = json.dumps({**EMAIL, "to": "RequestLimitExceeded+once@fault.example"})
    function = stack.functions["tencent", "queue"]
    usual, function.timeout = function.timeout, SCF_DEFAULT_TIMEOUT
    _, lines = _invoke(stack, "tencent", "queue", event)
    function.timeout = usual
    (outcome,) = (line for line in lines if "id" in line)
    return outcome


def _invoke(stack: LocalStack, cloud: str, function: str, event: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Return what the function answered, and what it logged beside metrics."""
    invocation, lines = stack.invoke(cloud, function, event)
    _check(not invocation.failed, f"{cloud}/{function} failed: {invocation.payload}")
    return invocation.payload, [line for line in lines if "_aws" not in line]


def _post(stack: LocalStack, key: str, **fields: Any) -> Any:
    event = deepcopy(sample_event("aws/http-api-gateway-v2.json").payload)
    event["headers"]["idempotency-key"] = key
    event["body"] = json.dumps({**EMAIL, **fields})
    return _invoke(stack, "aws", "http", event)[0]


def _get(stack: LocalStack, email: str) -> Any:
    event = deepcopy(sample_event("aws/http-api-gateway-v2-get-email.json").payload)
    event["rawPath"] = event["requestContext"]["http"]["path"] = f"/emails/{email}"
    return _invoke(stack, "aws", "http", event)[0]


def _answer(function: str, messages: int, payload: Any) -> str:
    """Say in a few words what the function answered to its platform."""
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
    """Return the JSON that answers; a page has none."""
    page = payload.get("headers", {}).get("Content-Type", "").startswith("text/html")
    body: dict[str, Any] = {} if page else json.loads(payload["body"])
    return body


def _replayed(answer: Any) -> str:
    return str(answer["headers"].get("Idempotent-Replayed", "false"))


def _print_row(cells: Iterable[str]) -> None:
    row = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))
    print(row.rstrip(), flush=True)


def _check(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as the statement that it checks
    if not holds:
        raise DemoCheckFailed(otherwise)


if __name__ == "__main__":
    sys.exit(main())
