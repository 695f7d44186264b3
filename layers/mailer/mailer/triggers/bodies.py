"""Parse a message's body: an email request in either form, a digest's item, or a payload of mailer.toml.

Each may be the `data` of a CloudEvent in structured mode (CloudEvents 1.0, JSON format).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mailer.email.request import EmailRequest
from mailer.email.strict_json import check_object, read_object
from mailer.errors import FieldError, InvalidRequest

from .fields import from_base64, message_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailer.config.file import Config

# The threads of a batch take turns, since each could hold the values of a large document; as only one of them
# computes at a time anyway, this costs no time.
_ONE_AT_A_TIME = threading.Lock()
_DIGEST_ITEM_FIELDS = {"digest", "recipient"}


@dataclass(frozen=True)
class ParsedEmail:
    """The email request of a message, and the platform's key of the message (None: it has none)."""

    request: EmailRequest
    platform_key: str | None


@dataclass(frozen=True)
class DigestItem:
    """The unchecked item of a digest (`digest`, `recipient`, `item` and more) and its message's key.

    `pointer` says where in the body the item is.
    """

    fields: dict[str, Any]
    platform_key: str | None
    pointer: str = ""


@dataclass(frozen=True)
class Ignored:
    """A message for which no `when` of the `tables` of mailer.toml for its origin holds."""

    tables: tuple[str, ...]
    platform_key: str | None


def read_body(
    body: Any, origin: Mapping[str, str], key: str | None, config: Config
) -> ParsedEmail | DigestItem | Ignored:
    """Return the email or item in `body` (JSON, or an object), or that mailer.toml leaves it out.

    Its platform's key is its CloudEvent's source and id, else `key`. Raises InvalidRequest with JSON pointers
    into the body.
    """
    with _ONE_AT_A_TIME:
        return _parsed(body, origin, key, config)


def is_cloud_event(document: Mapping[str, Any]) -> bool:
    """Return whether `document` is an event in the JSON format of CloudEvents."""
    return "specversion" in document


def _parsed(
    body: Any, origin: Mapping[str, str], key: str | None, config: Config
) -> ParsedEmail | DigestItem | Ignored:
    document = _document(body)
    event = is_cloud_event(document)
    if event:
        _check_cloud_event(document)
        key = message_key("cloudevent", document["source"], document["id"])
        origin = {**origin, "source": document["source"]}
    if queues := [queue for queue in config.queues.values() if queue.matches(origin)]:
        mapping = next((queue.mapping for queue in queues if queue.mapping.matches(document)), None)
        if mapping is None:
            return Ignored(tuple(queue.table for queue in queues), key)
        return ParsedEmail(mapping.request(document, config.defaults), key)
    if not event:
        return _read(document, key, config)
    try:
        parsed = _read(_data(document), key, config)
    except InvalidRequest as error:
        raise error.under("/data") from error
    return replace(parsed, pointer="/data") if isinstance(parsed, DigestItem) else parsed


def _read(document: dict[str, Any], key: str | None, config: Config) -> ParsedEmail | DigestItem:
    if document.keys() >= _DIGEST_ITEM_FIELDS:
        return DigestItem(document, key)
    return ParsedEmail(EmailRequest.parse(document, config.defaults, checked=True), key)


def _document(body: Any) -> dict[str, Any]:
    if isinstance(body, bytes):
        try:
            body = body.decode()  # `json` would accept UTF-16 and UTF-32 too
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
