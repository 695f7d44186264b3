"""Parse a message's body: an email request in either form, a digest's item, or a payload of mailer.toml.

Each may be in an envelope.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mailer.email.request import EmailRequest
from mailer.email.strict_json import check_object, read_object
from mailer.errors import InvalidRequest

from .envelopes import read_envelope
from .foreign_formats import foreign_format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailer.config.file import Config

# The threads of a batch take turns, since each could hold the values of a large document; as only one of them
# computes at a time anyway, this costs no time.
_ONE_AT_A_TIME = threading.Lock()
# A record without a value deletes the earlier ones of its key from a compacted topic: it carries no message.
_TOMBSTONES = frozenset({"kafka", "ckafka"})
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
    """A message that brings no body, or for which no `when` of the `tables` for its origin holds."""

    tables: tuple[str, ...]
    platform_key: str | None


def read_body(
    body: Any, origin: Mapping[str, str], key: str | None, config: Config
) -> ParsedEmail | DigestItem | Ignored:
    """Return the email or item in `body` (JSON, or an object), or that it is left out.

    Its platform's key is the source and id of the event that it is, else `key`. Raises InvalidRequest with
    JSON pointers into the body.
    """
    with _ONE_AT_A_TIME:
        return _parsed(body, origin, key, config)


def _parsed(
    body: Any, origin: Mapping[str, str], key: str | None, config: Config
) -> ParsedEmail | DigestItem | Ignored:
    if body is None and origin.get("source") in _TOMBSTONES:
        return Ignored((), key)
    document = _document(body)
    envelope = read_envelope(document, origin, key)
    if queues := [queue for queue in config.queues.values() if any(map(queue.matches, envelope.origins))]:
        mapping = next((queue.mapping for queue in queues if queue.mapping.matches(document)), None)
        if mapping is None:
            return Ignored(tuple(queue.table for queue in queues), envelope.key)
        return ParsedEmail(mapping.request(document, config.defaults), envelope.key)
    if not envelope.has_body:
        return Ignored((), envelope.key)
    if not envelope.field:
        return _read(document, key, config)
    pointer = f"/{envelope.field}"
    try:
        parsed = _read(_document(envelope.body), envelope.key, config)
    except InvalidRequest as error:
        raise error.under(pointer) from error
    return replace(parsed, pointer=pointer) if isinstance(parsed, DigestItem) else parsed


def _read(document: dict[str, Any], key: str | None, config: Config) -> ParsedEmail | DigestItem:
    if document.keys() >= _DIGEST_ITEM_FIELDS:
        return DigestItem(document, key)
    return ParsedEmail(EmailRequest.parse(document, config.defaults, checked=True), key)


def _document(body: Any) -> dict[str, Any]:
    if isinstance(body, (str, bytes)) and (found := foreign_format(body)):
        raise InvalidRequest.at("", f"must be JSON, but is {found}")
    if isinstance(body, bytes):
        try:
            body = body.decode()  # `json` would accept UTF-16 and UTF-32 too
        except UnicodeDecodeError as error:
            raise InvalidRequest.at("", "the body is not UTF-8") from error
    return read_object(body) if isinstance(body, str) else check_object(body)
