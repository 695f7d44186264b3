"""`POST /ses/events/{token}`: SES's callback events."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from mailer.config.settings import Settings
from mailer.email.limits import MAX_EVENTS
from mailer.email.strict_json import read_json
from mailer.errors import InvalidRequest
from mailer.ledger.ses_events import FOREIGN
from mailer.ses.events import SesEvent
from mailer.telemetry import logs, metrics
from mailer.telemetry.refused_callers import refused_caller

from .problems import problem

if TYPE_CHECKING:
    from .context import RequestContext


def post_events(context: RequestContext) -> Response[str]:
    """Record one event or a list of them, idempotently; raises InvalidRequest and StoreUnavailable.

    SES does not sign callbacks: the token in the path authenticates them. Events that are unrecognised, or
    about nobody whom we mailed, are ignored, not rejected, because SES would retry them.
    """
    given = context.path["token"].encode(errors="surrogatepass")
    if not sum(hmac.compare_digest(token.encode(), given) for token in Settings.current().callback_tokens):
        refused_caller(context.trigger, "callback_token")
        return problem(404, "NotFound", "there is no such path")
    document = read_json(context.request.body)
    documents = document if isinstance(document, list) else [document]
    if len(documents) > MAX_EVENTS:
        raise InvalidRequest.at("", f"at most {MAX_EVENTS} events in one call")
    hasher = context.runtime.ledger.store.addresses.hasher()
    ignored = foreign = 0
    for fields in documents:
        if context.deadline.remaining() <= 0:
            return problem(503, "TimeIsUp", "not every event was recorded", retryable=True, retry_after=1)
        try:
            event = SesEvent.parse(fields, hasher)
        except InvalidRequest as error:
            logs.refused(context.trigger, error)
            ignored += 1
            continue
        email_id, verdict = context.runtime.events.record(event)
        logs.ses_event(context.trigger, email_id, event, verdict)
        foreign += verdict == FOREIGN
    if foreign:
        metrics.emit(["ForeignEvent"], trigger=context.trigger, count=foreign)
    ignored += foreign
    counts = {"events": len(documents) - ignored, "ignored": ignored}
    return Response(200, "application/json", json.dumps(counts))
