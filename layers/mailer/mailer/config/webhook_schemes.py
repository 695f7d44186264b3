"""Webhook signature schemes, one line of `SCHEMES` for each.

A verifier gets headers from anyone: it returns True or False and never raises. Every comparison takes
constant time.

Sources: the Standard Webhooks specification 1.0; GitHub, "Validating webhook deliveries"; Stripe, "Verify
webhook signatures manually".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

TOLERANCE = 300  # seconds between the sender's clock and ours, both ways
_SECONDS = re.compile(r"[0-9]{1,12}")

Headers = Mapping[str, str]


class Scheme(NamedTuple):
    """One scheme; header names are in lower case.

    `secret` parses a configured secret and raises ValueError if it is malformed. `verifies` takes headers,
    body, secrets and the time in Unix seconds. `event` finds the webhook's own id, as far as the signature
    covers it. A `signed` scheme needs the exact bytes that were sent. `old_event` finds the id by which
    version 0.1.0 knew a webhook, where it was another.
    """

    secret: Callable[[str], bytes]
    verifies: Callable[[Headers, bytes, Sequence[bytes], float], bool]
    event: Callable[[Headers, Mapping[str, Any]], object]
    signed: bool = True
    old_event: Callable[[Headers, Mapping[str, Any]], object] = lambda *_: None


def _standard_secret(text: str) -> bytes:
    encoded = text.removeprefix("whsec_")
    secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    if not secret:
        raise ValueError("the secret is empty")
    return secret


def _standard(headers: Headers, body: bytes, secrets: Sequence[bytes], now: float) -> bool:
    event, sent_at, signatures = (
        _standard_header(headers, name) for name in ("id", "timestamp", "signature")
    )
    signed = _bytes(f"{event}.{sent_at}.") + body
    versions = (signature.partition(",") for signature in signatures.split(" "))
    given = [signature for version, _, signature in versions if version == "v1"]
    made = [base64.b64encode(_hmac(secret, signed)).decode() for secret in secrets]
    return bool(event) and _fresh(sent_at, now) and _any_same(made, given)


def _standard_header(headers: Headers, name: str) -> str:
    return headers.get(f"webhook-{name}") or headers.get(f"svix-{name}") or ""


def _github(headers: Headers, body: bytes, secrets: Sequence[bytes], _now: float) -> bool:
    made = [f"sha256={_hmac(secret, body).hex()}" for secret in secrets]
    return _any_same(made, [headers.get("x-hub-signature-256", "")])


def _stripe(headers: Headers, body: bytes, secrets: Sequence[bytes], now: float) -> bool:
    parts = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
    sent_at = next((value for name, _, value in parts if name == "t"), "")
    given = [value for name, _, value in parts if name == "v1"]
    made = [_hmac(secret, _bytes(f"{sent_at}.") + body).hex() for secret in secrets]
    return _fresh(sent_at, now) and _any_same(made, given)


def _token(headers: Headers, _body: bytes, secrets: Sequence[bytes], _now: float) -> bool:
    made = [_hmac(b"", secret).hex() for secret in secrets]  # of one length, whatever the token's
    return _any_same(made, [_hmac(b"", _bytes(headers.get("x-webhook-token", ""))).hex()])


def _fresh(sent_at: str, now: float) -> bool:
    return bool(_SECONDS.fullmatch(sent_at)) and abs(now - int(sent_at)) <= TOLERANCE


def _any_same(made: Sequence[str], given: Sequence[str]) -> bool:
    pairs = [(_bytes(one), _bytes(other)) for one in made for other in given]
    return sum(hmac.compare_digest(one, other) for one, other in pairs) > 0


def _hmac(secret: bytes, message: bytes) -> bytes:
    return hmac.new(secret, message, hashlib.sha256).digest()


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


SCHEMES = {
    "standard-webhooks": Scheme(
        _standard_secret, _standard, lambda headers, _: _standard_header(headers, "id")
    ),
    "github": Scheme(  # X-GitHub-Delivery is not signed
        str.encode, _github, lambda *_: None, old_event=lambda headers, _: headers.get("x-github-delivery")
    ),
    "stripe": Scheme(str.encode, _stripe, lambda _, payload: payload.get("id")),
    "token": Scheme(str.encode, _token, lambda *_: None, signed=False),
}
