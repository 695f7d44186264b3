"""`EmailRequest`: the public request model, checked against every rule of SendEmail."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mailer import clock
from mailer.errors import FieldError, InvalidRequest, SizeRule

from . import limits
from .addresses import check_header_name, domain_of
from .field_errors import TOO_MANY_FIELDS, errors_at, field_errors
from .field_types import (
    Address,
    AsTuple,
    Base64,
    Bcc,
    Cc,
    Filename,
    Headers,
    HeaderText,
    Instant,
    Key,
    Sender,
    Text,
    To,
    TriggerType,
    Unsubscribe,
    at_most,
)
from .identity import ID_CHARACTERS, smtp_message_id_for
from .json_pointer import pointer_token
from .native import from_native, is_native, native_location, to_native
from .strict_json import canonical, check_object, read_object

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from .field_errors import Location

_DAY_SECONDS = 86_400
_KEY_FIELDS = frozenset({"idempotency_key", "SmtpMessageId"})

_RESERVED_HEADERS = {
    "from": "from", "to": "to", "cc": "cc", "bcc": "bcc", "subject": "subject", "reply-to": "reply_to",
    "message-id": "idempotency_key",
}  # fmt: skip


def _without_nulls(fields: Any) -> Any:
    """Return `fields` without what is null, which says the same as leaving it out."""
    if not isinstance(fields, dict):
        return fields
    if len(fields) > limits.MAX_MEMBERS:
        raise ValueError(TOO_MANY_FIELDS)
    return {name: value for name, value in fields.items() if value is not None}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    _drop_nulls = model_validator(mode="before")(_without_nulls)


class Template(_Part):
    """A reviewed template and the values of its variables."""

    id: int = Field(gt=0, lt=2**64)
    data: dict[str, Any] = Field(default_factory=dict, description="the values of its variables")


class Simple(_Part):
    """Content without a template: html, text or both; the account needs a permission for it."""

    html: Text = Field(None, description="not encoded")
    text: Text = Field(None, description="not encoded")

    @model_validator(mode="after")
    def _require_content(self) -> Simple:
        if not (self.html or self.text):
            raise ValueError("give html, text or both")
        return self


class Attachment(_Part):
    """A file: its name, and its bytes as base64."""

    filename: Filename = Field(
        max_length=limits.MAX_FILENAME_CHARACTERS, description="ends in a file type that SES supports"
    )
    content: Base64

    @property
    def size(self) -> int:
        """The number of bytes that the base64 text stands for."""
        return len(self.content) * 3 // 4 - self.content.count("=", -2)


class EmailRequest(_Part):
    """One email to send, by the rules of SendEmail (SES API 2020-10-02).

    It is immutable and valid; `sender` is the field `from` of the JSON form.
    """

    sender: Sender = Field(alias="from", description="default: `[defaults]` of mailer.toml")
    to: To = Field((), max_length=limits.MAX_TO, description="main recipients")
    cc: Cc = Field((), max_length=limits.MAX_CC, description="copies")
    bcc: Bcc = Field(
        (), max_length=limits.MAX_BCC, description="hidden copies, none of them to a main recipient"
    )
    reply_to: Address | None = None
    subject: HeaderText = Field(
        min_length=1, max_length=limits.MAX_SUBJECT_CHARACTERS, description="not encoded"
    )
    header_from: Sender | None = Field(
        None, description="the header From, where it is not the sender; of the sender's own domain"
    )
    template: Template | None = None
    simple: Simple | None = None
    attachments: Annotated[tuple[Attachment, ...], AsTuple, at_most(limits.MAX_ATTACHMENTS)] = Field(
        (), max_length=limits.MAX_ATTACHMENTS, description="at most 4 MB in all"
    )
    unsubscribe: Unsubscribe | None = Field(
        None, description="language of the unsubscribe link, or its number"
    )
    trigger_type: TriggerType | None = None
    headers: Headers = Field(
        default_factory=dict, max_length=limits.MAX_SMTP_HEADERS, description="further SMTP headers"
    )
    idempotency_key: Key | None = Field(
        None, description="identifies the email: one key is one email, through any trigger"
    )
    send_at: Instant | None = Field(
        None, description=f"not sent before (RFC 3339); at most {limits.MAX_DAYS_AHEAD} days ahead"
    )
    expires_at: Instant | None = Field(
        None,
        description="not sent after (RFC 3339); later than `send_at`, and "
        f"at most {limits.MAX_DAYS_AHEAD} days ahead",
    )
    on_unknown: Literal["resend", "hold"] = Field(
        "resend",
        description="what is done when it is unknown whether the email was sent: `resend` sends it again "
        "under the same Message-ID once SES shows no trace of it, `hold` waits for an operator",
    )
    on_suppressed: Literal["refuse", "drop"] = Field(
        "refuse",
        description="what is done when a recipient is suppressed: `refuse` sends the email to nobody, `drop` "
        "sends it to the others",
    )

    @classmethod
    def parse(
        cls,
        body: str | bytes | dict[str, Any],
        defaults: dict[str, Any] | None = None,
        *,
        stored: bool = False,
        checked: bool = False,
    ) -> EmailRequest:
        """Return the request that `body` asks for, in its own form or in SendEmail's native JSON.

        `defaults` fill the fields that the body leaves out. A `stored` body is one that was a request before:
        the rules of new requests alone are not checked again. A `checked` one came from `read_object` or
        `check_object`. Raises InvalidRequest with a JSON pointer into `body` for every broken rule; rules
        over several fields are checked once each field is right.
        """
        if isinstance(body, (str, bytes)):
            document = read_object(body)
        else:
            document = body if checked else check_object(body)
        if len(document) > limits.MAX_MEMBERS:
            raise InvalidRequest.at("", TOO_MANY_FIELDS)
        errors: list[FieldError] = []
        fields = _without_nulls(document)
        native = is_native(document)
        if native:
            fields = from_native(fields, errors)
        content = {"template", "simple"}
        chosen = content if content & fields.keys() else set()
        filled = {name: value for name, value in (defaults or {}).items() if name not in chosen}
        try:
            request = cls.model_validate({**filled, **fields})
            found = [] if stored else list(request.conflicts_if_new())
        except ValidationError as error:
            found = list(field_errors(error))
        errors += (
            FieldError(_pointer(native_location(location) if native else location, document), detail)
            for location, detail in found
        )
        if errors:
            raise InvalidRequest(errors)
        return request.written_as(document)

    def written_as(self, document: dict[str, Any]) -> EmailRequest:
        """Return the request, which was made of `document`."""
        self.__dict__["written"] = document
        return self

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every address that the email goes to: to, cc and bcc."""
        return self.to + self.cc + self.bcc

    def without(self, dropped: Collection[int]) -> EmailRequest:
        """Return the request without the recipients at these indexes of `recipients`."""
        if not dropped:
            return self
        index = count()
        lists = {name: getattr(self, name) for name in ("to", "cc", "bcc")}
        kept = {name: tuple(one for one in lists[name] if next(index) not in dropped) for name in lists}
        return self.model_copy(update=kept)

    def as_written(self, recipients: Iterable[int]) -> tuple[str, ...]:
        """Return those of the recipients at these indexes whom the sender wrote, and not mailer.toml."""
        text = json.dumps(self.written)
        return tuple(address for index in recipients if f'"{(address := self.recipients[index])}"' in text)

    def document(self) -> dict[str, Any]:
        """Return the request as JSON values, which `parse` reads back as an equal request."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @cached_property
    def written(self) -> dict[str, Any]:
        """The JSON values that the request was made of, as its sender wrote them."""
        return self.document()

    def content_fingerprint(self) -> str:
        """Return a hash of the request as it was written, but for its idempotency key.

        Defaults and mappings may change between two deliveries of one email; what was written does not.
        """
        written = {name: value for name, value in self.written.items() if name not in _KEY_FIELDS}
        return f"written:{hashlib.sha256(canonical(written)).hexdigest()}"

    @model_validator(mode="after")
    def _check_cross_field_rules(self) -> EmailRequest:
        if conflicts := list(self._cross_field_errors()) or list(self._size_errors()):
            raise errors_at(conflicts)
        return self

    def _cross_field_errors(self) -> Iterator[tuple[Location, str]]:
        if not self.recipients:
            yield ("to",), "at least one address is needed over to, cc and bcc"
        visible = {address.lower() for address in self.to}
        for index, address in enumerate(self.bcc):
            if address.lower() in visible:
                yield ("bcc", index), "this address is also in `to`"
        if (self.template is None) == (self.simple is None):
            yield ("template",), "give either template or simple"
        if sum(attachment.size for attachment in self.attachments) > limits.MAX_ATTACHMENTS_BYTES:
            yield ("attachments",), SizeRule("all attachments together have at most 4 MB")
        yield from _header_errors(self.headers)
        if self.send_at and self.expires_at and self.send_at >= self.expires_at:
            yield ("expires_at",), "must be later than send_at"

    def conflicts_if_new(self) -> Iterator[tuple[Location, str]]:
        """Yield the broken rules of new requests: their locations below the request, and the rules."""
        if self.header_from and domain_of(self.header_from) != domain_of(self.sender):
            yield ("header_from",), "must be of the sender's own domain"
        latest = clock.now() + limits.MAX_DAYS_AHEAD * _DAY_SECONDS
        for name, moment in (("send_at", self.send_at), ("expires_at", self.expires_at)):
            if moment and moment.timestamp() > latest:
                yield (name,), f"must be at most {limits.MAX_DAYS_AHEAD} days ahead"

    def _size_errors(self) -> Iterator[tuple[Location, str]]:
        smtp_message_id = smtp_message_id_for("-" * ID_CHARACTERS, self.sender)
        if len(json.dumps(to_native(self.document(), smtp_message_id))) > limits.MAX_REQUEST_BYTES:
            yield (), SizeRule("the whole request has at most 8 MB once it is encoded for the API")


def _header_errors(headers: dict[str, str]) -> Iterator[tuple[Location, str]]:
    seen: set[str] = set()
    for name in headers:
        if own := _RESERVED_HEADERS.get(name.lower()):
            yield ("headers", name), f"is set through the field `{own}`"
        if name.lower() in seen:
            yield ("headers", name), "is given twice: case makes no difference in a header's name"
        seen.add(name.lower())
        try:
            check_header_name(name)
        except ValueError as error:
            yield ("headers", name), str(error)


def _pointer(location: Location, document: Any) -> str:
    """Return the JSON pointer to `location`, as far as the body goes: a string has nothing below it."""
    pointer = ""
    for part in location:
        if not isinstance(document, (dict, list)):
            break
        pointer += f"/{pointer_token(part)}"
        document = document.get(part) if isinstance(document, dict) else document[part]
    return pointer
