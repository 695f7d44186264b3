"""The senders whose signatures are known, as data: each is the table `[webhooks.NAME.hmac]` of one sender.

Sources: GitHub, "Validating webhook deliveries"; Stripe, "Verify webhook signatures manually"; Shopify,
"Verify the webhook"; Paddle, "Verify webhook signatures"; Lemon Squeezy, "Signing requests"; Slack,
"Verifying requests from Slack"; Mailgun, "Securing webhooks"; HubSpot, "Validating requests" (v3); Twilio,
"Webhooks security" and "Sign webhooks with shared keys".
"""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "github": {"header": "X-Hub-Signature-256", "prefix": "sha256="},
    "stripe": {
        "header": "Stripe-Signature",
        "part": "v1",
        "timestamp": "part:t",
        "signed": "{timestamp}.{body}",
        "id": "id",
    },
    "shopify": {"header": "X-Shopify-Hmac-SHA256", "encoding": "base64"},
    "paddle": {
        "header": "Paddle-Signature",
        "separator": ";",
        "part": "h1",
        "timestamp": "part:ts",
        "signed": "{timestamp}:{body}",
        "id": "event_id",
    },
    "lemon-squeezy": {"header": "X-Signature"},
    "slack": {
        "header": "X-Slack-Signature",
        "prefix": "v0=",
        "timestamp": "header:X-Slack-Request-Timestamp",
        "signed": "v0:{timestamp}:{body}",
        "id": "event_id",
        "handshake": "type == 'url_verification' && challenge",
    },
    "mailgun": {  # an object in JSON, fields of their own in a form
        "payload": "signature.signature || signature",
        "timestamp": "payload:signature.timestamp || timestamp",
        "signed": "{timestamp}{payload:signature.token || token}",
    },
    "hubspot": {
        "header": "X-HubSpot-Signature-v3",
        "encoding": "base64",
        "timestamp": "header:X-HubSpot-Request-Timestamp",
        "unit": "ms",
        "signed": "{method}{url}{body}{timestamp}",
        "unquoted": ":/?@!$'()*,;",
    },
    "twilio": {
        "header": "X-Twilio-Signature",
        "algorithm": ["sha1", "sha256"],  # with the Auth Token, or with a shared key
        "encoding": "base64",
        "signed": "{url}{form}",
        "any_port": True,
        "body_digest": "bodySHA256",
    },
}
