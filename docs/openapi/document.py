"""The OpenAPI document of the HTTP API."""

from __future__ import annotations

import json
from typing import Any

import mailer
from mailer.config.webhook_presets import PRESETS
from mailer.email.limits import MAX_KEY_CHARACTERS

from .operations import OPERATIONS, operation_object
from .schemas import SCHEMAS

_QUOTABLE = r'[!#-\[\]-~]|\\["\\]'
_KEY = rf'^(?:[!#-~](?:[ -~]*[!-~])?|"(?:{_QUOTABLE})(?:(?: |{_QUOTABLE})*(?:{_QUOTABLE}))?")$'
_SECURITY = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "a key whose SHA-256 is in MAILER_API_KEYS, with the permission of the operation",
    },
    "standardWebhooks": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks: webhook-id, webhook-timestamp and webhook-signature, or svix-*",
    },
    "gitHub": {"type": "apiKey", "in": "header", "name": "X-Hub-Signature-256"},
    "stripe": {"type": "apiKey", "in": "header", "name": "Stripe-Signature"},
    "webhookToken": {"type": "apiKey", "in": "header", "name": "X-Webhook-Token"},
    "webhookBasic": {"type": "http", "scheme": "basic"},
    "webhookBearer": {"type": "http", "scheme": "bearer"},
    **{
        sender: {"type": "apiKey", "in": "header", "name": PRESETS[preset]["header"]}
        for sender, preset in {
            "shopify": "shopify",
            "paddle": "paddle",
            "lemonSqueezy": "lemon-squeezy",
            "slack": "slack",
            "hubSpot": "hubspot",
            "twilio": "twilio",
        }.items()
    },
}


def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the HTTP API."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = operation_object(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mailer",
            "version": mailer.__version__,
            "description": "Email through Tencent Cloud SES: none lost, none sent twice.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "the host of this document, with its base path"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "parameters": {
                "Idempotency-Key": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "names the request, plain or quoted (IETF Idempotency-Key draft); "
                    "kept for 30 days after the email's end",
                    "schema": {"type": "string", "maxLength": MAX_KEY_CHARACTERS, "pattern": _KEY},
                    "example": "order-1001",
                }
            },
            "securitySchemes": _SECURITY,
        },
    }


def document_text() -> str:
    """Return the document indented, for reading."""
    return json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n"


def served_text() -> str:
    """Return the document as it is served: without spaces."""
    return json.dumps(openapi(), separators=(",", ":"))
