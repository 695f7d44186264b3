"""`EmailRequest`: one email as a caller asks for it, checked against every rule of SendEmail."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from . import limits
from .addresses import check_address, check_header_name, check_header_text, check_sender
from .documents import check_object, pointer_token, read_object
from .errors import FieldError, InvalidRequest
from .native import from_native, is_native, native_pointer, to_native

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_OWN_HEADERS = {
    "from": "from", "to": "to", "cc": "cc", "bcc": "bcc", "subject": "subject", "reply-to": "reply_to",
    "message-id": "idempotency_key",
}  # fmt: skip


def _one_or_list(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        moment = value
    else:
        if not isinstance(value, str) or not _RFC3339.fullmatch(value):
            raise ValueError("must be an RFC 3339 date and time with an offset, such as 2026-05-01T09:00:00Z")
        text = re.sub(r"\.(\d+)", lambda match: "." + match[1][:6].ljust(6, "0"), value.upper())
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError("must have an offset")
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError("must be between the years 1 and 9999") from error


def _unsubscribe(value: Any) -> Any:
    if isinstance(value, bool):
        value = None
    text = str(value).lower().replace(" ", "_").replace("-", "_") if isinstance(value, (str, int)) else ""
    number = limits.UNSUBSCRIBE_LANGUAGES.get(text, text)
    if number not in limits.UNSUBSCRIBE_LANGUAGES.values():
        raise ValueError(
            f"must be one of {', '.join(limits.UNSUBSCRIBE_LANGUAGES)}, or the API's number from 0 to 11"
        )
    return number


def _trigger_type(value: Any) -> Any:
    number = limits.TRIGGER_TYPES.get(value, value) if isinstance(value, str) else value
    if isinstance(number, bool) or number not in limits.TRIGGER_TYPES.values():
        raise ValueError("must be `marketing` (0) or `transactional` (1)")
    return number


def _filename(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    check_header_text(value)
    if not 0 < len(value) <= limits.MAX_FILENAME_CHARACTERS:
        raise ValueError(f"must have 1 to {limits.MAX_FILENAME_CHARACTERS} characters")
    if set(value) & set(limits.FILENAME_FORBIDS):
        raise ValueError('must hold no space and none of ? \\ * | " < > : /')
    stem, dot, extension = value.rpartition(".")
    if not (stem and dot and extension.lower() in limits.SUPPORTED_FILE_TYPES):
        raise ValueError("must end in a file type that SES supports, such as .pdf or .csv")
    return value


def _base64(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("must be base64") from error
    return value


def _key(value: Any) -> Any:
    if isinstance(value, str):
        check_header_text(value)
    return value


def _header_text(value: Any) -> Any:
    return check_header_text(value) if isinstance(value, str) else value


def _address(value: Any) -> Any:
    return check_address(value) if isinstance(value, str) else value


def _sender(value: Any) -> Any:
    return check_sender(value) if isinstance(value, str) else value


Address = Annotated[str, BeforeValidator(_address)]
Sender = Annotated[str, BeforeValidator(_sender)]
Instant = Annotated[datetime, BeforeValidator(_instant)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Template(_Part):
    """A reviewed template and the values of its variables."""

    id: int = Field(gt=0, lt=2**64)
    data: dict[str, Any] = Field(default_factory=dict)


class Simple(_Part):
    """Content without a template, as plain text; the account needs a permission for it."""

    html: str | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _something(self) -> Simple:
        if not (self.html or self.text):
            raise ValueError("give html, text or both")
        return self


class Attachment(_Part):
    """A file: its name, and its bytes as base64."""

    filename: Annotated[str, BeforeValidator(_filename)]
    content: Annotated[str, BeforeValidator(_base64)]

    @property
    def size(self) -> int:
        """The number of bytes that the base64 text stands for."""
        return len(self.content) * 3 // 4 - self.content.count("=", -2)


class EmailRequest(BaseModel):
    """One email to send: immutable, complete and valid by the rules of SES API 2020-10-02 SendEmail.

    `sender` is the field `from` of the JSON form.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sender: Sender = Field(alias="from")
    to: Annotated[tuple[Address, ...], BeforeValidator(_one_or_list)] = Field((), max_length=limits.MAX_TO)
    cc: Annotated[tuple[Address, ...], BeforeValidator(_one_or_list)] = Field((), max_length=limits.MAX_CC)
    bcc: Annotated[tuple[Address, ...], BeforeValidator(_one_or_list)] = Field((), max_length=limits.MAX_BCC)
    reply_to: Address | None = None
    subject: Annotated[str, BeforeValidator(_header_text)] = Field(
        min_length=1, max_length=limits.MAX_SUBJECT_CHARACTERS
    )
    header_from: Sender | None = None
    template: Template | None = None
    simple: Simple | None = None
    attachments: Annotated[tuple[Attachment, ...], BeforeValidator(_one_or_list)] = Field(
        (), max_length=limits.MAX_ATTACHMENTS
    )
    unsubscribe: Annotated[str, BeforeValidator(_unsubscribe)] | None = None
    trigger_type: Annotated[int, BeforeValidator(_trigger_type)] | None = None
    headers: dict[str, Annotated[str, BeforeValidator(_header_text)]] = Field(default_factory=dict)
    idempotency_key: Annotated[str, BeforeValidator(_key)] | None = Field(
        None, min_length=1, max_length=limits.MAX_KEY_CHARACTERS
    )
    send_at: Instant | None = None
    expires_at: Instant | None = None
    on_unknown: Literal["resend", "hold"] = "resend"

    @classmethod
    def parse(
        cls, body: str | bytes | dict[str, Any], defaults: dict[str, Any] | None = None
    ) -> EmailRequest:
        """Return the request that `body` asks for, in its own form or in SendEmail's native JSON.

        `defaults` fill the fields that the body leaves out. Raises InvalidRequest with a JSON pointer into
        `body` for every broken rule.
        """
        document = check_object(body) if isinstance(body, dict) else read_object(body)
        native = is_native(document)
        fields = from_native(document) if native else document
        content = {"template", "simple"}
        chosen = content if content & fields.keys() else set()
        filled = {name: value for name, value in (defaults or {}).items() if name not in chosen}
        try:
            return cls.model_validate({**filled, **fields})
        except ValidationError as error:
            locate = native_pointer if native else _pointer
            raise InvalidRequest(_field_error(detail, locate) for detail in error.errors()) from None

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every address that the email goes to: to, cc and bcc."""
        return self.to + self.cc + self.bcc

    def document(self) -> dict[str, Any]:
        """Return the request as JSON values, which `parse` reads back as an equal request."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @model_validator(mode="after")
    def _together(self) -> EmailRequest:
        for field, detail in self._conflicts():
            raise PydanticCustomError("conflict", "{detail}", {"detail": detail, "field": field})
        return self

    def _conflicts(self) -> list[tuple[str, str]]:
        found = []
        if not self.recipients:
            found.append(("to", "at least one address is needed over to, cc and bcc"))
        visible = {address.lower() for address in self.to}
        found += [
            (f"bcc/{index}", "this address is also in `to`")
            for index, address in enumerate(self.bcc)
            if address.lower() in visible
        ]
        if (self.template is None) == (self.simple is None):
            found.append(("template", "give either template or simple"))
        if sum(attachment.size for attachment in self.attachments) > limits.MAX_ATTACHMENTS_BYTES:
            found.append(("attachments", "all attachments together have at most 4 MB"))
        found += _header_conflicts(self.headers)
        if self.send_at and self.expires_at and self.send_at >= self.expires_at:
            found.append(("expires_at", "must be later than send_at"))
        if not found and len(json.dumps(to_native(self, "<>"))) > limits.MAX_REQUEST_BYTES:
            found.append(("", "the whole request has at most 8 MB once it is encoded for the API"))
        return found


def _header_conflicts(headers: dict[str, str]) -> list[tuple[str, str]]:
    found = []
    for name in headers:
        field = f"headers/{pointer_token(name)}"
        if own := _OWN_HEADERS.get(name.lower()):
            found.append((field, f"is set through the field `{own}`"))
        try:
            check_header_name(name)
        except ValueError as error:
            found.append((field, str(error)))
    return found


def _pointer(location: tuple[Any, ...]) -> str:
    return "".join(f"/{pointer_token(part)}" for part in location)


def _field_error(detail: Any, locate: Any) -> FieldError:
    location = detail["loc"]
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "conflict":
        location = tuple(detail["ctx"]["field"].split("/")) if detail["ctx"]["field"] else ()
    return FieldError(locate(location), message)
