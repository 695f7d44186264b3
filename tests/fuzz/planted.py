"""What is planted in the settings and the events, so that it is found wherever it does not belong."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Any

from fuzz.nesting import Nested
from local.signing import CALLBACK_TOKEN, WEBHOOK_SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator

API_KEY = "planted-key-7Zr2"
OTHER_API_KEY = "planted-key-of-another-9Qd4"
SES_SECRET = ("AKIDplanted", "planted-secret-of-ses-4Kw8")
STORE_PASSWORD = "planted-password-of-the-store-3Vx6"
SECRETS = (API_KEY, OTHER_API_KEY, SES_SECRET[1], STORE_PASSWORD, CALLBACK_TOKEN, *WEBHOOK_SECRETS.values())
MARK = re.compile(r"(?<![a-z2-7])zqp(\d+)q(?![a-z2-7])")  # an id of an email has it by chance within
_ID = re.compile(r"\b[a-z2-7]{32}@customer\.example")  # of an email whose sender is of this domain
_ADDRESS = re.compile(r"([A-Za-z]+)@customer\.example")
_BASE64_OF_AN_ADDRESS = tuple(
    base64.b64encode(b" " * shift + b"@customer.example").decode()[shift and 4 : -4] for shift in range(3)
)
_CONTENT = frozenset({"subject", "name", "message", "data", "TemplateData", "item", "title", "code", "text"})
_IDENTITIES = frozenset({"idempotency_key", "idempotency-key", "messageid", "msgid", "webhook-id", "id"})


def api_keys() -> str:
    """Return `MAILER_API_KEYS`: the key of the events, and one of somebody else."""
    hashes = {"planted": API_KEY, "other": OTHER_API_KEY}
    return ",".join(f"{name}:{hashlib.sha256(key.encode()).hexdigest()}" for name, key in hashes.items())


def plant(tree: Any, number: int, identity: str, *, name: str = "", content: bool = False) -> Any:
    """Return an event with the mark of its number in addresses, subjects and template data.

    `identity` is added to its keys; they are as in the sample if it is empty.
    """
    if isinstance(tree, dict):
        return {
            key: plant(
                value, number, identity, name=key, content=key in _CONTENT or (content and name != "template")
            )
            for key, value in tree.items()
        }
    if isinstance(tree, list):
        return [plant(item, number, identity, name=name, content=content) for item in tree]
    if isinstance(tree, Nested):
        tree.document = plant(tree.document, number, identity, name=name, content=content)
        return tree
    if name == "offset" and identity and isinstance(tree, int):
        return tree + 1000 * number
    return _plant_in_text(tree, number, identity, name, content) if isinstance(tree, str) else tree


def _plant_in_text(text: str, number: int, identity: str, name: str, content: bool) -> str:  # noqa: FBT001
    if name.lower() in _IDENTITIES:
        return text.strip('"') + identity
    text = text.replace("demo-key", API_KEY)
    planted = _ADDRESS.sub(rf"\1.zqp{number}q@customer.example", text)
    return f"{text} zqp{number}q" if content and planted == text and text else planted


def leaks_in_log(text: str) -> Iterator[str]:
    """Yield what of the planted is in a log, where nothing of it belongs."""
    yield from (f"the secret {secret}" for secret in SECRETS if secret in text)
    yield from (f"content or address of event {number}" for number in sorted(set(MARK.findall(text))))
    if "@customer.example" in _ID.sub("", text) or any(part in text for part in _BASE64_OF_AN_ADDRESS):
        yield "an address"


def leaks_in_answer(text: str, number: int, event: str) -> Iterator[str]:
    """Yield what of the planted is in the answer to an event that has not brought it itself."""
    yield from (f"the secret {secret}" for secret in SECRETS if secret in text and secret not in event)
    yield from (f"content of event {other}" for other in sorted(set(MARK.findall(text)) - {str(number)}))
