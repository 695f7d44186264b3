"""What may be around a body: a CloudEvent in structured mode (JSON format), or a record of DynamoDB."""

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

    `field` is the envelope's field with the body, empty without an envelope; `has_body` says whether it is
    one that brings a body.
    """

    origin: Mapping[str, str]
    key: str | None
    field: str = ""
    body: Any = None
    has_body: bool = True


def is_cloud_event(document: Mapping[str, Any]) -> bool:
    """Return whether `document` is an event in the JSON format of CloudEvents."""
    return "specversion" in document


def read_envelope(document: Mapping[str, Any], origin: Mapping[str, str], key: str | None) -> Envelope:
    """Return the envelope that `document` is, or one without a field; raises InvalidRequest.

    `origin` and `key` are those of the message that holds it.
    """
    if is_cloud_event(document):
        _check_cloud_event(document)
        key = message_key("cloudevent", document["source"], document["id"])
        data = from_base64(document["data_base64"]) if "data_base64" in document else document.get("data")
        return Envelope({**origin, "source": document["source"]}, key, "data", data)
    if origin.get("source") == "dynamodb":
        inserted = document["eventName"] == "INSERT"
        return Envelope(origin, key, "NewImage", document["NewImage"], has_body=inserted)
    return Envelope(origin, key)


def _check_cloud_event(event: Mapping[str, Any]) -> None:
    errors = [
        FieldError(f"/{name}", "must be a text that is not empty")
        for name in ("id", "source", "type")
        if not (isinstance(event.get(name), str) and event[name])
    ]
    if event["specversion"] != "1.0":
        errors.append(FieldError("/specversion", "must be 1.0"))
    if errors:
        raise InvalidRequest(errors)
