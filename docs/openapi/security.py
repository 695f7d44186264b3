"""How callers are authenticated: the security schemes."""

from __future__ import annotations

from typing import Any

from mailer.config.webhook_presets import PRESETS

_SENDERS = {
    "shopify": ("shopify", "Shopify"),
    "paddle": ("paddle", "Paddle"),
    "lemonSqueezy": ("lemon-squeezy", "Lemon Squeezy"),
    "slack": ("slack", "Slack"),
    "hubSpot": ("hubspot", "HubSpot, version 3"),
    "twilio": ("twilio", "Twilio"),
}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"type": "apiKey", "in": "header", "name": name, "description": description}


SECURITY: dict[str, dict[str, Any]] = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "a key whose SHA-256 is in MAILER_API_KEYS; `[keys.NAME]` of mailer.toml must allow "
        "it the permission that the operation lists: `send`, `read` or `digest`",
    },
    "standardWebhooks": _header(
        "webhook-signature",
        "scheme `standard-webhooks`: webhook-id, webhook-timestamp and webhook-signature, or svix-*",
    ),
    "gitHub": _header("X-Hub-Signature-256", "scheme `github`: GitHub's signature"),
    "stripe": _header("Stripe-Signature", "scheme `stripe`: Stripe's signature"),
    "webhookToken": _header("X-Webhook-Token", "scheme `token`: the secret of the source itself"),
    "webhookBasic": {
        "type": "http",
        "scheme": "basic",
        "description": "scheme `basic`: the secret of the source is `user:password`",
    },
    "webhookBearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "scheme `bearer`: the secret of the source itself",
    },
    **{
        name: _header(PRESETS[preset]["header"], f"scheme `{preset}`: the signature of {sender}")
        for name, (preset, sender) in _SENDERS.items()
    },
}
# The schemes that authenticate a webhook: each source has one of them.
PROOFS = tuple(name for name in SECURITY if name != "apiKey")
