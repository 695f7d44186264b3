"""What may be around a body: a CloudEvent in JSON, an event of Amazon EventBridge, a DynamoDB change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.errors import FieldError, InvalidRequest

from .fields import from_base64, message_key

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Envelope:
    """Where a message comes from by what its envelope says, its identity, and the body in it.

    Tables of mailer.toml for any of the `origins` are for the message. `field` is the envelope's field with
    the body, empty without an envelope; `has_body` says whether it is one that brings a body.
    """

    origins: tuple[Mapping[str, str], ...]
    key: str | None
    field: str = ""
    body: Any = None
    has_body: bool = True


def is_cloud_event(document: Mapping[str, Any]) -> bool:
    """Return whether `document` is an event in the JSON format of CloudEvents."""
    return "specversion" in document


def is_rule_event(document: Mapping[str, Any]) -> bool:
    """Return whether `document` is an event as a rule of Amazon EventBridge passes it on."""
    names = ("id", "source", "detail-type")
    return "detail" in document and all(_is_filled_text(document.get(name)) for name in names)


def read_envelope(document: Mapping[str, Any], origin: Mapping[str, str], key: str | None) -> Envelope:
    """Return the envelope that `document` is, or one without a field; raises InvalidRequest.

    `origin` and `key` are those of the message that holds it.
    """
    if is_cloud_event(document):
        _check_cloud_event(document)
        key = message_key("cloudevent", document["source"], document["id"])
        data = from_base64(document["data_base64"]) if "data_base64" in document else document.get("data")
        return Envelope(({**origin, "source": document["source"]},), key, "data", data)
    if is_rule_event(document):
        key = message_key("eventbridge", document["source"], document["id"])
        return Envelope(({**origin, "source": document["source"]}, origin), key, "detail", document["detail"])
    if origin.get("source") == "dynamodb":
        inserted = document["eventName"] == "INSERT"
        return Envelope((origin,), key, "NewImage", document["NewImage"], has_body=inserted)
    return Envelope((origin,), key)


def _check_cloud_event(event: Mapping[str, Any]) -> None:
    errors = [
        FieldError(f"/{name}", "must be a text that is not empty")
        for name in ("id", "source", "type")
        if not _is_filled_text(event.get(name))
    ]
    if event["specversion"] != "1.0":
        errors.append(FieldError("/specversion", "must be 1.0"))
    if errors:
        raise InvalidRequest(errors)


def _is_filled_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
