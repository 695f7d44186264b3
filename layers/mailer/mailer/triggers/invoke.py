"""Direct invocation, on either cloud: the event itself is the email request, the answer its receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailer.email.identity import fresh_key
from mailer.ledger import DeferPolicy

from .fields import identity, table
from .messages import LEDGER_DLQ, Ack, BatchPolicy, Message, RedeliveryRequired, process

if TYPE_CHECKING:
    from mailer.config.file import Config
    from mailer.deadline import Deadline
    from mailer.runtime import Runtime

# Any of them tells an email request, in its own form or SendEmail's, or an item of a digest.
_REQUEST_FIELDS = {
    "from", "to", "cc", "bcc", "template", "simple",
    "FromEmailAddress", "Destination", "Cc", "Bcc", "Template", "Simple",
    "digest",
}  # fmt: skip
_ORIGIN = {"source": "invoke"}
INVOKE = BatchPolicy("invoke", DeferPolicy.ALWAYS, LEDGER_DLQ)


def is_invocation(event: Any, config: Config) -> bool:
    """Tell whether `event` is a request, or a payload that mailer.toml maps for `source = "invoke"`."""
    mapped = any(queue.matches(_ORIGIN) for queue in config.queues.values())
    return bool(_REQUEST_FIELDS & table(event).keys()) or (mapped and isinstance(event, dict))


def handle_invocation(
    event: dict[str, Any], context: Any, deadline: Deadline, runtime: Runtime
) -> dict[str, Any]:
    """Return the receipt, or the reason for which the email will not be sent; raises RedeliveryRequired.

    An asynchronous invocation that failed comes again under the same request id, which names the email
    where the request has no `idempotency_key`. Nobody may read the answer, so what is refused is buried too.
    """
    message = Message(identity("invoke", request_id(context)), event, _ORIGIN)
    (result,) = process(INVOKE, [message], deadline, runtime)
    if result.ack is Ack.NACK:
        raise RedeliveryRequired(f"not sent: {result.report['code']}")
    return result.report


def request_id(context: Any) -> Any:
    """Return the invocation's id from the context of Lambda (an object) or SCF (a dict), else a fresh one."""
    if isinstance(context, dict):
        return context.get("request_id") or fresh_key()
    return getattr(context, "aws_request_id", None) or fresh_key()
