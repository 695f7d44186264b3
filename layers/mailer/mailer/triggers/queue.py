"""The queue function: dispatch an event to its message source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailer.deadline import Deadline
from mailer.errors import ConfigurationError, UnknownEvent
from mailer.runtime import Runtime
from mailer.telemetry import logs

from .amazon_mq import ACTIVEMQ, RABBITMQ
from .ckafka import CKAFKA
from .cmq import CMQ
from .dead_letters import add_dead_letter
from .dynamodb import DYNAMODB
from .eventbridge import EVENTBRIDGE
from .invoke import handle_invocation, is_invocation, request_id
from .kafka import KAFKA
from .kinesis import KINESIS
from .messages import Ack, BatchTooLarge, RedeliveryRequired, process
from .pipes import PIPES_OTHER, PIPES_SQS, PIPES_STREAM
from .sns import SNS
from .sqs import SQS

if TYPE_CHECKING:
    from .messages import MessageSource

SOURCES = (
    SQS, SNS, KAFKA, KINESIS, DYNAMODB, ACTIVEMQ, RABBITMQ, CKAFKA, CMQ, EVENTBRIDGE,
    PIPES_SQS, PIPES_STREAM, PIPES_OTHER,
)  # fmt: skip


def handle(event: Any, context: Any) -> dict[str, Any]:
    """Return the platform's response to a batch, or to a directly invoked email request.

    Raises RedeliveryRequired, StoreUnavailable or ConfigurationError if the event must be redelivered, and
    BatchTooLarge for one that no platform delivers.
    """
    deadline = Deadline.of(context)
    source = next((source for source in SOURCES if source.matches(event)), None)
    try:
        runtime = Runtime.current()
    except ConfigurationError as error:
        logs.refused("queue", error)
        if source and source.partial_response:
            return source.partial_response(source.batch(event))
        raise
    if source:
        return _handle_batch(source, event, deadline, runtime)
    if is_invocation(event, runtime.config):
        return handle_invocation(event, context, deadline, runtime)
    return _dead_letter_unknown(event, context, runtime)


def _handle_batch(source: MessageSource, event: Any, deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    try:
        messages = source.batch(event)
    except BatchTooLarge as error:
        logs.refused(source.trigger, error)
        raise
    results = process(source, messages, deadline, runtime)
    nacked = [result.message for result in results if result.ack is Ack.NACK]
    if source.partial_response:
        return source.partial_response(nacked)
    if nacked:
        raise RedeliveryRequired(f"{len(nacked)} of {len(messages)} messages must be redelivered")
    return {"records": len(messages)}


def _dead_letter_unknown(event: Any, context: Any, runtime: Runtime) -> dict[str, Any]:
    """Dead-letter an event of no known source."""
    error = UnknownEvent.at("", "must be messages of a known source, or an email request")
    logs.refused("queue", error)
    reason = {"code": error.code, "detail": str(error)}
    add_dead_letter(runtime, "queue", f"invocation:{request_id(context)}", reason, event)
    return {"code": error.code, **error.report()}
