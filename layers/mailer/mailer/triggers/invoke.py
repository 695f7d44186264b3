"""Direct invocation, on either cloud: the event is the email request, the response its receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailer.email.identity import fresh_key
from mailer.ledger import DeferPolicy

from .fields import as_object, message_key
from .messages import LEDGER_DLQ, Ack, BatchPolicy, Message, RedeliveryRequired, process

if TYPE_CHECKING:
    from mailer.config.file import Config
    from mailer.deadline import Deadline
    from mailer.runtime import Runtime

# Any of these keys identifies an email request, in its own form or SendEmail's, or an item of a digest.
_REQUEST_FIELDS = {
    "from", "to", "cc", "bcc", "template", "simple",
    "FromEmailAddress", "Destination", "Cc", "Bcc", "Template", "Simple",
    "digest",
}  # fmt: skip
_ORIGIN = {"source": "invoke"}
INVOKE = BatchPolicy("invoke", DeferPolicy.ALWAYS, LEDGER_DLQ)


def is_invocation(event: Any, config: Config) -> bool:
    """Return whether `event` is a request, or a payload that mailer.toml maps for `source = "invoke"`."""
    mapped = any(queue.matches(_ORIGIN) for queue in config.queues.values())
    return bool(_REQUEST_FIELDS & as_object(event).keys()) or (mapped and isinstance(event, dict))


def handle_invocation(
    event: dict[str, Any], context: Any, deadline: Deadline, runtime: Runtime
) -> dict[str, Any]:
    """Return the receipt, or the reason why the email will not be sent; raises RedeliveryRequired.

    An asynchronous invocation that failed is retried under the same request id, which is the email's key
    if the request has no `idempotency_key`. Asynchronous callers ignore the response, so refusals are
    dead-lettered as well.
    """
    message = Message(message_key("invoke", request_id(context)), event, _ORIGIN)
    (result,) = process(INVOKE, [message], deadline, runtime)
    if result.ack is Ack.NACK:
        raise RedeliveryRequired(f"not sent: {result.report['code']}")
    return result.report


def request_id(context: Any) -> Any:
    """Return the invocation's id from the context of Lambda (an object) or SCF (a dict), else a fresh one."""
    if isinstance(context, dict):
        return context.get("request_id") or fresh_key()
    return getattr(context, "aws_request_id", None) or fresh_key()
