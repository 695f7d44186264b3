"""The queue function: which message source is this, and how does it want to be answered?"""

from __future__ import annotations

import json
from typing import Any

from mailer import logs
from mailer.deadline import Deadline
from mailer.errors import ConfigurationError, UnknownEvent
from mailer.identity import fresh_key
from mailer.runtime import Runtime

from .ckafka import handle_ckafka, is_ckafka
from .sqs import fail_all, handle_sqs, is_sqs

SOURCES = ((is_sqs, handle_sqs), (is_ckafka, handle_ckafka))


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Answer one batch; raises only where the platform must bring it again."""
    deadline = Deadline.of(context)
    try:
        runtime = Runtime.current()
    except ConfigurationError as error:
        logs.refused("queue", error, setting=error.setting, rule=error.rule)
        if is_sqs(event):
            return fail_all(event)
        raise
    for matches, answer in SOURCES:
        if matches(event):
            return answer(event, deadline, runtime)
    return _unknown(event, context, runtime)


def _unknown(event: Any, context: Any, runtime: Runtime) -> dict[str, Any]:
    """Keep an event of no known source as a dead letter, so that nothing in it is lost."""
    error = UnknownEvent.at("/Records", "must be a batch of SQS or CKafka records")
    logs.refused("queue", error)
    if isinstance(context, dict):
        invocation = context.get("request_id")
    else:
        invocation = getattr(context, "aws_request_id", None)
    body = json.dumps(event, default=str)
    runtime.ledger.bury(
        f"invocation:{invocation or fresh_key()}", {"code": error.code, "detail": str(error)}, body
    )
    return {"code": error.code, "errors": [vars(one) for one in error.errors]}
