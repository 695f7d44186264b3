"""The real `osls deploy` of the real serverless.yml into an emulator of AWS, and email through what it made.

It is an emulator: IAM is not enforced and no limit of AWS is met. What it does prove is that the template can
be created and removed, and that API Gateway, SQS and EventBridge reach the functions with what they send.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from background import wait_until
from factories import EMAIL

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_stack import Aws
    from local.ses_emulator import Emulator


pytestmark = [
    pytest.mark.lambda_runtime,
    pytest.mark.compatible("Platforms", "AWS, deployment of `serverless.yml`", package="osls"),
    pytest.mark.compatible(
        "Platforms", "AWS, deployment of `serverless.yml`", "emulator", package="ministack"
    ),
]

TICK_SECONDS = 90.0  # a rule that runs each minute, and a minute's half to spare


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
