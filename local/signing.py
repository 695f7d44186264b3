"""New signatures for sample webhooks, made as their senders make them: they expire after five minutes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable

# The secrets of the sources in mailer.toml; public, and used by local runs alone.
WEBHOOK_SECRETS = {
    "MAILER_WEBHOOK_BILLING": "whsec_bG9jYWwtYmlsbGluZy1zZWNyZXQtMDEyMzQ1Njc=",
    "MAILER_WEBHOOK_RELEASES": "local-releases-secret",
    "MAILER_WEBHOOK_PAYMENTS": "whsec_local_payments_secret",
    "MAILER_WEBHOOK_CONTACT": "local-contact-token",
    "MAILER_WEBHOOK_ORDERS": "local-orders-secret",
    "MAILER_WEBHOOK_COMMANDS": "local-commands-secret",
    "MAILER_WEBHOOK_TEXTS": "local-texts-auth-token",
    "MAILER_WEBHOOK_CONTACTS": "local-contacts-secret",
}
CALLBACK_TOKEN = "local-callback-token"  # noqa: S105 - the same


def standard_webhooks(
    secret: str, body: bytes, event: str, timestamp: float, _url: str = ""
) -> dict[str, str]:
    """Return the headers of Standard Webhooks; `secret` is `whsec_` and base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event}.{int(timestamp)}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": event,
        "webhook-timestamp": str(int(timestamp)),
        "webhook-signature": f"v1,{signature}",
    }


def github(secret: str, body: bytes, event: str, _timestamp: float, _url: str = "") -> dict[str, str]:
    """Return GitHub's headers."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Delivery": event}


def stripe(secret: str, body: bytes, _event: str, timestamp: float, _url: str = "") -> dict[str, str]:
    """Return Stripe's header; the event's id is in the body."""
    signed = f"{int(timestamp)}.".encode() + body
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={int(timestamp)},v1={signature}"}


def token(secret: str, _body: bytes, _event: str, _timestamp: float, _url: str = "") -> dict[str, str]:
    """Return the header of a shared token."""
    return {"X-Webhook-Token": secret}


def shopify(secret: str, body: bytes, _event: str, _timestamp: float, _url: str = "") -> dict[str, str]:
    """Return Shopify's header."""
    return {"X-Shopify-Hmac-SHA256": base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()}


def slack(secret: str, body: bytes, _event: str, timestamp: float, _url: str = "") -> dict[str, str]:
    """Return Slack's headers."""
    signed = f"v0:{int(timestamp)}:".encode() + body
    signature = hmac.digest(secret.encode(), signed, "sha256").hex()
    return {"X-Slack-Request-Timestamp": str(int(timestamp)), "X-Slack-Signature": f"v0={signature}"}


def twilio(secret: str, body: bytes, _event: str, _timestamp: float, url: str = "") -> dict[str, str]:
    """Return Twilio's header for a form that was sent to `url`."""
    fields = sorted(parse_qsl(body.decode(), keep_blank_values=True))
    signed = url + "".join(name + value for name, value in fields)
    signature = hmac.digest(secret.encode(), signed.encode(), "sha1")
    return {"X-Twilio-Signature": base64.b64encode(signature).decode()}


def hubspot(secret: str, body: bytes, _event: str, timestamp: float, url: str = "") -> dict[str, str]:
    """Return HubSpot's headers, version 3, for a body that was sent to `url`."""
    sent_at = str(int(timestamp * 1000))
    signature = hmac.digest(secret.encode(), f"POST{url}".encode() + body + sent_at.encode(), "sha256")
    return {
        "X-HubSpot-Request-Timestamp": sent_at,
        "X-HubSpot-Signature-v3": base64.b64encode(signature).decode(),
    }


SIGNERS: dict[str, Callable[..., dict[str, str]]] = {
    "MAILER_WEBHOOK_BILLING": standard_webhooks,
    "MAILER_WEBHOOK_RELEASES": github,
    "MAILER_WEBHOOK_PAYMENTS": stripe,
    "MAILER_WEBHOOK_CONTACT": token,
    "MAILER_WEBHOOK_ORDERS": shopify,
    "MAILER_WEBHOOK_COMMANDS": slack,
    "MAILER_WEBHOOK_TEXTS": twilio,
    "MAILER_WEBHOOK_CONTACTS": hubspot,
}
_EVENT_HEADERS = ("webhook-id", "x-github-delivery")


def signed_now(event: Any, timestamp: float | None = None) -> Any:
    """Return an HTTP event with a webhook's headers made anew; any other event comes back as it is.

    The event's path names the source; the exact bytes of the body are signed. `timestamp` is in Unix seconds.
    """
    path = (event.get("rawPath") or event.get("path") or "") if isinstance(event, dict) else ""
    _, marker, source = path.partition("/webhooks/")
    variable = f"MAILER_WEBHOOK_{source.upper()}"
    if not marker or variable not in SIGNERS:
        return event
    event = deepcopy(event)
    body = event["body"].encode()
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    headers = event["headers"]
    written = {name.lower(): name for name in headers}
    identity = next((headers[written[name]] for name in _EVENT_HEADERS if name in written), "")
    timestamp = time.time() if timestamp is None else timestamp
    url = f"https://{headers[written['host']]}{path}" if "host" in written else ""
    made = SIGNERS[variable](WEBHOOK_SECRETS[variable], body, identity, timestamp, url)
    headers |= {written.get(name.lower(), name): value for name, value in made.items()}
    if "multiValueHeaders" in event:
        event["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    return event
