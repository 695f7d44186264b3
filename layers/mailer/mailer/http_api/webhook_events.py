"""One event of a webhook: the email that it becomes, or its dead letter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.errors import InvalidRequest
from mailer.triggers.dead_letters import PERMANENT, add_dead_letter, invalid_reason
from mailer.triggers.ignored import report_ignored

from .emails import send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailer.config.webhooks import WebhookSource
    from mailer.delivery.outcome import Outcome
    from mailer.email.identity import PlatformKey

    from .context import RequestContext


@dataclass(frozen=True)
class WebhookEvent:
    """An event of `source`: its key, what expressions search, and what a dead letter of it holds."""

    source: WebhookSource
    key: PlatformKey
    payload: Any
    body: Any


def send_event(event: WebhookEvent, headers: Mapping[str, str], context: RequestContext) -> Outcome | None:
    """Deliver the email of an event; return None if the condition of its source is not met.

    What is refused is dead-lettered: many senders do not try again after a 422, and keep nothing. Raises
    InvalidRequest for a payload that cannot be mapped, and StoreUnavailable.
    """
    mapping = event.source.mapping
    try:
        if not mapping.matches(event.payload, headers):
            report_ignored(context.runtime, context.trigger, event.key.text, [event.source.table])
            return None
        request = mapping.request(event.payload, context.runtime.config.defaults, headers)
        outcome = send(request, context, platform_key=event.key, namespace=event.source.namespace)
    except InvalidRequest as error:
        refuse_event(event.key, event.body, error, context)
        raise
    if outcome.disposition in PERMANENT:
        add_dead_letter(context.runtime, context.trigger, event.key.text, outcome.reason(), event.body)
    return outcome


def refuse_event(key: PlatformKey, body: Any, error: InvalidRequest, context: RequestContext) -> None:
    """Store the dead letter of what became no email."""
    add_dead_letter(
        context.runtime, context.trigger, key.text, invalid_reason(error), body, too_large=error.too_large
    )
