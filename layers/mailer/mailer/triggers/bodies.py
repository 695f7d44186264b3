"""What a message's body asks for: an email in either form, a digest's item, or what mailer.toml maps.

Any of them may be the `data` of a CloudEvent in structured mode (CloudEvents 1.0, JSON format).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.email.request import EmailRequest
from mailer.email.strict_json import check_object, read_object
from mailer.errors import FieldError, InvalidRequest

from .fields import from_base64, identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailer.config.file import Config

_ITEM = {"digest", "recipient"}


@dataclass(frozen=True)
class Asked:
    """An email that a message asks for, and the key that names it (None: the message has none)."""

    request: EmailRequest
    key: str | None


@dataclass(frozen=True)
class DigestItem:
    """An item for a digest, as it came: `digest`, `recipient`, `item` and more; `key` names the message."""

    fields: dict[str, Any]
    key: str | None


def read_body(
    body: Any, origin: Mapping[str, str], key: str | None, config: Config
) -> Asked | DigestItem | None:
    """Return what `body` (JSON, or an object) asks for, or None where a mapping's `when` leaves it out.

    The email's name is its own `idempotency_key`, else its CloudEvent's source and id, else `key`. Raises
    InvalidRequest with JSON pointers into the body.
    """
    document = _document(body)
    event = is_cloud_event(document)
    if event:
        _check_cloud_event(document)
        key = identity("cloudevent", document["source"], document["id"])
        origin = {**origin, "source": document["source"]}
    if mappings := [queue.mapping for queue in config.queues.values() if queue.matches(origin)]:
        wanted = next((mapping for mapping in mappings if mapping.matches(document)), None)
        return _asked(wanted.request(document, config.defaults), key) if wanted else None
    if not event:
        return _read(document, key, config)
    try:
        return _read(_data(document), key, config)
    except InvalidRequest as error:
        raise InvalidRequest(FieldError(f"/data{one.pointer}", one.detail) for one in error.errors) from error


def is_cloud_event(document: Mapping[str, Any]) -> bool:
    """Tell whether `document` is an event in the JSON format of CloudEvents."""
    return "specversion" in document


def _read(document: dict[str, Any], key: str | None, config: Config) -> Asked | DigestItem:
    if document.keys() >= _ITEM:
        return DigestItem(document, key)
    return _asked(EmailRequest.parse(document, config.defaults), key)


def _asked(request: EmailRequest, key: str | None) -> Asked:
    return Asked(request, request.idempotency_key or key)


def _document(body: Any) -> dict[str, Any]:
    if isinstance(body, bytes):
        try:
            body = body.decode()  # `json` would take UTF-16 and UTF-32 as well
        except UnicodeDecodeError as error:
            raise InvalidRequest.at("", "the body is not UTF-8") from error
    return read_object(body) if isinstance(body, str) else check_object(body)


def _check_cloud_event(event: dict[str, Any]) -> None:
    errors = [
        FieldError(f"/{name}", "must be a text that is not empty")
        for name in ("id", "source", "type")
        if not (isinstance(event.get(name), str) and event[name])
    ]
    if event["specversion"] != "1.0":
        errors.append(FieldError("/specversion", "must be 1.0"))
    if errors:
        raise InvalidRequest(errors)


def _data(event: dict[str, Any]) -> dict[str, Any]:
    return _document(from_base64(event["data_base64"]) if "data_base64" in event else event.get("data"))
