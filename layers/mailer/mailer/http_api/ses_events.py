"""`POST /ses/events/{token}`: what SES tells of emails that it took."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from mailer.config.settings import Settings
from mailer.email.strict_json import read_json
from mailer.errors import InvalidRequest
from mailer.ses.events import SesEvent
from mailer.telemetry import logs

from .problems import problem

if TYPE_CHECKING:
    from .context import Call


def post_events(call: Call) -> Response[str]:
    """Take one event, or a list of them, each as often as it comes; raises InvalidRequest, StoreUnavailable.

    The token in the path is all that SES can prove. An event that says nothing is ignored, not refused: SES
    would only send it again.
    """
    token = Settings.current().callback_token
    if not token or not hmac.compare_digest(
        token.encode(), call.path["token"].encode(errors="surrogatepass")
    ):
        return problem(404, "NotFound", "there is no such path")
    document = read_json(call.request.body)
    documents = document if isinstance(document, list) else [document]
    ignored = 0
    for one in documents:
        if call.deadline.remaining() <= 0:
            return problem(503, "TimeIsUp", "not every event was taken", retryable=True, retry_after=1)
        try:
            event = SesEvent.parse(one)
        except InvalidRequest as error:
            logs.refused(call.trigger, error)
            ignored += 1
            continue
        email_id, verdict = call.runtime.events.record(event)
        logs.ses_event(call.trigger, email_id, event, verdict)
    answer = {"events": len(documents) - ignored, "ignored": ignored}
    return Response(200, "application/json", json.dumps(answer))
