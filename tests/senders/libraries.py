"""Sign and verify webhooks with the libraries that their senders publish.

A program for the Python of `.venv-senders`: it reads JSON, `[{"task": "verify", "sender": …, "secret": …,
"method": …, "url": …, "headers": {…}, "body": …}]`, and prints the answers as a list: whether the library
takes the delivery. With the task `sign` and a `time` in Unix seconds it prints the signature of the body.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from hubspot.utils.signature import Signature
from mailgun.security import SecurityGuard
from paddle_billing.Notifications import Secret, Verifier
from paddle_billing.Notifications.PaddleSignature import PaddleSignature
from shopify_app import ShopifyApp
from slack_sdk.signature import SignatureVerifier
from standardwebhooks.webhooks import Webhook
from stripe import WebhookSignature
from twilio.request_validator import (
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TOLERANCE = 300  # seconds, where the library lets its caller say
_FORM = "application/x-www-form-urlencoded"


class _Form(dict[str, list[str]]):
    """A form as the frameworks that Twilio's library knows have it."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def _parameters(task: dict[str, Any]) -> Any:
    if task["headers"].get("content-type") == _FORM:
        return _Form(parse_qs(task["body"], keep_blank_values=True))
    return task["body"]


def _hubspot(task: dict[str, Any]) -> bool:
    headers = task["headers"]
    return bool(
        Signature.is_valid(
            headers.get("x-hubspot-signature-v3", ""),
            task["secret"],
            task["body"],
            task["url"],
            task["method"],
            "v3",
            headers.get("x-hubspot-request-timestamp"),
        )
    )


def _mailgun(task: dict[str, Any]) -> bool:
    if task["headers"].get("content-type") == _FORM:
        signed = {name: values[0] for name, values in parse_qs(task["body"]).items()}
    else:
        signed = json.loads(task["body"])["signature"]
    return bool(
        SecurityGuard.verify_webhook(
            task["secret"], signed["token"], signed["timestamp"], signed["signature"], TOLERANCE
        )
    )


def _paddle(task: dict[str, Any]) -> bool:
    headers = {"Paddle-Signature": task["headers"].get("paddle-signature")}
    request = SimpleNamespace(headers=headers, body=task["body"].encode())
    return bool(Verifier(TOLERANCE).verify(request, Secret(task["secret"])))


def _shopify(task: dict[str, Any]) -> bool:
    request = {name: task[name] for name in ("method", "headers", "url", "body")}
    return bool(ShopifyApp("client", task["secret"]).verify_webhook_req(request).ok)


def _slack(task: dict[str, Any]) -> bool:
    return bool(SignatureVerifier(task["secret"]).is_valid_request(task["body"], task["headers"]))


def _standard(task: dict[str, Any]) -> bool:
    Webhook(task["secret"]).verify(task["body"], task["headers"], json_parse=False)
    return True


def _stripe(task: dict[str, Any]) -> bool:
    header = task["headers"].get("stripe-signature")
    return bool(WebhookSignature.verify_header(task["body"], header, task["secret"], TOLERANCE))


def _twilio(task: dict[str, Any]) -> bool:
    headers = task["headers"]
    algorithm = get_signature_algorithm(headers.get(SIGNATURE_SETTINGS_HEADER.lower()))
    signature = headers.get(SIGNATURE_HEADER.lower(), "")
    return bool(
        RequestValidator(task["secret"]).validate(task["url"], _parameters(task), signature, algorithm)
    )


def _paddle_header(task: dict[str, Any]) -> str:
    signed = f"{task['time']}:{task['body']}".encode()
    return f"ts={task['time']};h1={PaddleSignature.calculate_hmac(task['secret'], signed).hexdigest()}"


VERIFIERS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "hubspot": _hubspot,
    "mailgun": _mailgun,
    "paddle": _paddle,
    "shopify": _shopify,
    "slack": _slack,
    "standard-webhooks": _standard,
    "stripe": _stripe,
    "twilio": _twilio,
}
SIGNERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "hubspot": lambda task: Signature.get_signature(
        task["secret"], task["body"], "v3", task["url"], task["method"], str(task["time"] * 1000)
    ),
    "paddle": _paddle_header,
    "slack": lambda task: str(
        SignatureVerifier(task["secret"]).generate_signature(timestamp=str(task["time"]), body=task["body"])
    ),
    "standard-webhooks": lambda task: Webhook(task["secret"]).sign(
        "msg_1", datetime.fromtimestamp(task["time"], tz=timezone.utc), task["body"]
    ),
    "stripe": lambda task: WebhookSignature.generate_signature_header(
        task["body"], task["secret"], task["time"]
    ),
    "twilio": lambda task: RequestValidator(task["secret"]).compute_signature(
        task["url"], _parameters(task), task.get("algorithm")
    ),
}


def answer(task: dict[str, Any]) -> Any:
    """Return the answer of a library; what it raises of a delivery is its refusal, with the reason."""
    if task["task"] == "sign":
        return SIGNERS[task["sender"]](task)
    try:
        return VERIFIERS[task["sender"]](task)
    except Exception as error:  # noqa: BLE001 - each library has errors of its own
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    logging.disable()
    json.dump([answer(task) for task in json.load(sys.stdin)], sys.stdout)
