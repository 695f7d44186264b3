"""Webhook signature schemes, one line of `SCHEMES` for each; what HMAC can say is data (`webhook_presets`).

A verifier gets headers from anyone: it returns True or False and never raises. Every comparison takes
constant time.

Sources: the Standard Webhooks specification 1.0; RFC 7617 (Basic) and RFC 6750 (Bearer).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .webhook_hmac import HmacTable, any_same, is_fresh, utf8
from .webhook_presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .webhook_delivery import Delivery


@dataclass(frozen=True)
class Scheme:
    """One scheme.

    `verifies` takes the delivery, the secrets and the time in Unix seconds. `secret` parses a configured
    secret and raises ValueError if it breaks the `rule`. `event` finds the webhook's own id, as far as the
    signature covers it. Where it `needs_bytes`, the signature is over the exact bytes that were sent.
    `old_event` finds the id by which version 0.1.0 knew a webhook, where it was another. `handshake`
    finds the text with which a delivery that brings no event wants to be answered. `challenge` is how a
    refusal says what is missing (RFC 9110 §11.6.1).
    """

    verifies: Callable[[Delivery, Sequence[bytes], float], bool]
    event: Callable[[Delivery], object] = lambda _: None
    needs_bytes: bool = False
    secret: Callable[[str], bytes] = str.encode
    rule: str = "must hold texts"
    old_event: Callable[[Delivery], object] = lambda _: None
    handshake: Callable[[Delivery], str] = lambda _: ""
    challenge: str = 'Webhook realm="mailer"'


def hmac_scheme(table: HmacTable, old_id_header: str = "") -> Scheme:
    """Return the scheme of a sender that signs as `table` says."""
    return Scheme(
        table.verifies,
        table.event,
        table.needs_bytes,
        handshake=table.answer,
        old_event=lambda delivery: delivery.headers.get(old_id_header) if old_id_header else None,
    )


def _standard_secret(text: str) -> bytes:
    encoded = text.removeprefix("v1,").removeprefix("whsec_")  # as Supabase shows it
    secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    if not secret:
        raise ValueError("the secret is empty")
    return secret


def _standard(delivery: Delivery, secrets: Sequence[bytes], now: float) -> bool:
    event, sent_at, signatures = (
        _standard_header(delivery, name) for name in ("id", "timestamp", "signature")
    )
    signed = utf8(f"{event}.{sent_at}.") + delivery.body
    versions = (signature.partition(",") for signature in signatures.split(" "))
    given = [signature for version, _, signature in versions if version == "v1"]
    made = [base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets]
    return bool(event) and is_fresh(sent_at, now) and any_same(made, given)


def _standard_header(delivery: Delivery, name: str) -> str:
    return delivery.headers.get(f"webhook-{name}") or delivery.headers.get(f"svix-{name}") or ""


def _token(delivery: Delivery, secrets: Sequence[bytes], _now: float) -> bool:
    return _is_one_of(secrets, delivery.headers.get("x-webhook-token", ""))


def _basic(delivery: Delivery, secrets: Sequence[bytes], _now: float) -> bool:
    encoded = [base64.b64encode(secret) for secret in secrets]
    return _is_one_of(encoded, _credentials(delivery, "basic"))


def _bearer(delivery: Delivery, secrets: Sequence[bytes], _now: float) -> bool:
    return _is_one_of(secrets, _credentials(delivery, "bearer"))


def _credentials(delivery: Delivery, scheme: str) -> str:
    name, _, credentials = delivery.headers.get("authorization", "").partition(" ")
    return credentials.strip() if name.lower() == scheme else ""


def _is_one_of(secrets: Sequence[bytes], given: str) -> bool:
    made = [hashlib.sha256(secret).hexdigest() for secret in secrets]  # of one length, whatever the secret's
    return any_same(made, [hashlib.sha256(utf8(given)).hexdigest()])


def _user_and_password(text: str) -> bytes:
    if ":" not in text:
        raise ValueError("the secret has no user")
    return text.encode()


SCHEMES = {
    "standard-webhooks": Scheme(
        _standard,
        lambda delivery: _standard_header(delivery, "id"),
        needs_bytes=True,
        secret=_standard_secret,
        rule="must hold secrets such as whsec_… (base64)",
    ),
    "token": Scheme(_token),
    "basic": Scheme(
        _basic,
        secret=_user_and_password,
        rule="must hold secrets such as user:password",
        challenge='Basic realm="mailer"',
    ),
    "bearer": Scheme(_bearer, challenge='Bearer realm="mailer"'),
    **{
        name: hmac_scheme(
            HmacTable.parse((name,), preset), "x-github-delivery" if name == "github" else ""
        )  # X-GitHub-Delivery is not signed
        for name, preset in PRESETS.items()
    },
}
