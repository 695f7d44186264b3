"""The queue function: which message source is this, and how does it want to be answered?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailer.deadline import Deadline
from mailer.errors import ConfigurationError, UnknownEvent
from mailer.runtime import Runtime
from mailer.telemetry import logs

from .amazon_mq import ACTIVEMQ, RABBITMQ
from .ckafka import CKAFKA
from .cmq import CMQ
from .eventbridge import EVENTBRIDGE
from .invoke import handle_invocation, is_invocation, request_id
from .kafka import KAFKA
from .messages import Ack, RedeliveryRequired, process
from .sns import SNS
from .sqs import SQS

if TYPE_CHECKING:
    from .messages import MessageSource

SOURCES = (SQS, SNS, KAFKA, ACTIVEMQ, RABBITMQ, CKAFKA, CMQ, EVENTBRIDGE)


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Answer one batch, or one email that is the event itself.

    Raises RedeliveryRequired, StoreUnavailable or ConfigurationError, where the event must be redelivered.
    """
    deadline = Deadline.of(context)
    source = next((source for source in SOURCES if source.matches(event)), None)
    try:
        runtime = Runtime.current()
    except ConfigurationError as error:
        logs.refused("queue", error, setting=error.setting, rule=error.rule)
        if source and source.partial:
            return source.partial(source.messages(event))
        raise
    if source:
        return _answer(source, event, deadline, runtime)
    if is_invocation(event, runtime.config):
        return handle_invocation(event, context, deadline, runtime)
    return _unknown(event, context, runtime)


def _answer(source: MessageSource, event: Any, deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    messages = source.messages(event)
    results = process(source, messages, deadline, runtime)
    returned = [result.message for result in results if result.ack is Ack.NACK]
    if source.partial:
        return source.partial(returned)
    if returned:
        raise RedeliveryRequired(f"{len(returned)} of {len(messages)} messages must come again")
    return {"records": len(messages)}


def _unknown(event: Any, context: Any, runtime: Runtime) -> dict[str, Any]:
    """Keep an event of no known source as a dead letter, so that nothing in it is lost."""
    error = UnknownEvent.at("", "must be messages of a known source, or an email request")
    logs.refused("queue", error)
    body = json.dumps(event, default=str)
    runtime.ledger.dead_letter(
        f"invocation:{request_id(context)}", {"code": error.code, "detail": str(error)}, body
    )
    return {"code": error.code, "errors": [vars(one) for one in error.errors]}
