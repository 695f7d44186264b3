"""`HmacTable`: what a sender signs with HMAC, and where it puts the signature, as data."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qs

from jmespath.exceptions import JMESPathError
from pydantic import Field, model_validator

from mailer.email.field_errors import Rule, errors_at
from mailer.email.forms import is_form
from mailer.errors import InvalidRequest

from .expressions import Expression, compile_expression
from .table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Self

    from .webhook_delivery import Delivery

TOLERANCE = 300  # seconds between the sender's clock and ours, both ways
_MOMENT = re.compile(r"[0-9]{1,15}")
_PLACE = re.compile(r"header:.+|part:.+|payload:.+")
_FIELD = re.compile(r"\{(body|form|url|method|timestamp|header:[^{}]+|payload:[^{}]+)\}")
_MAX_PARAMETERS = 100
_PER_SECOND = {"s": 1, "ms": 1000}
_ALGORITHMS = ("sha1", "sha256", "sha384", "sha512")
_HTTPS_PORT = "443"


def _are_algorithms(value: str | list[str]) -> bool:
    algorithms = {value} if isinstance(value, str) else {*value}
    return bool(algorithms) and algorithms <= {*_ALGORITHMS}


def _is_signed_text(text: str) -> bool:
    for kind, _, expression in (field.partition(":") for field in _FIELD.findall(text)):
        if kind == "payload":
            compile_expression(expression)  # whose ValueError breaks the rule
    return bool(_FIELD.search(text)) and not set("{}") & set(_FIELD.sub("", text))


def _is_place(text: str) -> bool:
    kind, _, name = text.partition(":")
    if kind == "payload":
        compile_expression(name)  # whose ValueError breaks the rule
    return bool(_PLACE.fullmatch(text))


_Place = Annotated[str, Rule("must be `header:NAME`, `part:NAME` or `payload:EXPRESSION`", _is_place)]


class HmacTable(Table):
    """How one sender signs; the keys are those of `[webhooks.NAME.hmac]`.

    The signature is in `header` (whole, or each `part` named so among `name=value` pairs between
    `separator`s) or at `payload`, a JMESPath expression; `prefix` comes before it. `signed` is the text that
    is signed, with `{body}`, `{form}` (its names and values, sorted by name), `{url}`, `{method}`,
    `{timestamp}`, `{header:NAME}` and `{payload:EXPRESSION}`; `timestamp` says where its time is, in `unit`.
    Of several values of `algorithm` the sender uses one. In the signed URL the characters of `unquoted` are
    not percent-encoded; with `any_port` it has a port or has none, whatever the header Host says. A body that
    is no form is covered by its SHA-256 in the URL's parameter `body_digest`. `id` finds the event's own id
    in what is signed, and `handshake` the text with which a sender wants a first request answered.
    """

    UNKNOWN_KEY: ClassVar[str] = "unknown key of a signature"

    header: Annotated[str, Field(min_length=1)] | None = None
    separator: Annotated[str, Field(min_length=1)] = ","
    part: Annotated[str, Field(min_length=1)] | None = None
    payload: Annotated[Expression, Rule("must be a JMESPath expression")] | None = None
    prefix: str = ""
    algorithm: Annotated[
        str | list[str], Rule(f"must be one of {', '.join(_ALGORITHMS)}, or a list of them", _are_algorithms)
    ] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    timestamp: _Place | None = None
    unit: Literal["s", "ms"] = "s"
    signed: Annotated[
        str, Rule("must be a text with {body} or other fields of what is signed", _is_signed_text)
    ] = "{body}"
    unquoted: str = ""
    any_port: bool = False
    body_digest: str | None = None
    id: Annotated[Expression, Rule("must be a JMESPath expression")] | None = None
    handshake: Annotated[Expression, Rule("must be a JMESPath expression")] | None = None

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        """Require one place of the signature, and that what counts is signed."""
        if (self.header is None) == (self.payload is None):
            raise errors_at([(("header",), "or `payload` must say where the signature is, one of them")])
        if self.timestamp and self.timestamp.startswith("part:") and not self.header:
            raise errors_at([(("timestamp",), "has a part of a header that is not given")])
        if bool(self.timestamp) != ("timestamp" in self._fields):
            raise errors_at([(("timestamp",), "and {timestamp} in `signed` need each other")])
        if self.id and not {"body", "form"} & set(self._fields):
            raise errors_at([(("id",), "must be in what is signed: {body} or {form}")])
        return self

    @cached_property
    def _fields(self) -> list[str]:
        return _FIELD.findall(self.signed)

    @property
    def needs_bytes(self) -> bool:
        """Whether the signature is over the exact bytes of the body."""
        return "body" in self._fields

    def verifies(self, delivery: Delivery, secrets: Sequence[bytes], now: float) -> bool:
        """Return whether a signature of one of `secrets` comes with the delivery, at Unix time `now`."""
        try:
            given, sent_at = self._given(delivery), self._sent_at(delivery)
            messages = [self._message(delivery, sent_at, url) for url in self._urls(delivery)]
        except (InvalidRequest, JMESPathError):
            return False
        algorithms = [self.algorithm] if isinstance(self.algorithm, str) else self.algorithm
        made = [
            self.prefix + self._signature(secret, message, algorithm)
            for secret in secrets
            for message in messages
            for algorithm in algorithms
        ]
        return (
            (self.timestamp is None or is_fresh(sent_at, now, _PER_SECOND[self.unit]))
            and self._covers_body(delivery)
            and any_same(made, given)
        )

    def event(self, delivery: Delivery) -> object:
        """Return the event's own id; else the hash of what is signed if that is not the body, or None."""
        try:
            if self.id and (found := self.id.search(delivery.payload)):
                return found
            if self.needs_bytes:
                return None
            message = self._message(delivery, self._sent_at(delivery), delivery.url)
            return hashlib.sha256(message).hexdigest()
        except (InvalidRequest, JMESPathError):
            return None

    def answer(self, delivery: Delivery) -> str:
        """Return the text that the handshake of a sender asks for; empty where the delivery is none."""
        try:
            return _text(self.handshake.search(delivery.payload)) if self.handshake else ""
        except (InvalidRequest, JMESPathError):
            return ""

    def _signature(self, secret: bytes, message: bytes, algorithm: str) -> str:
        made = hmac.digest(secret, message, algorithm)
        return made.hex() if self.encoding == "hex" else base64.b64encode(made).decode()

    def _given(self, delivery: Delivery) -> list[str]:
        if self.payload is not None:
            return [_text(self.payload.search(delivery.payload))]
        if self.part is not None:
            return list(self._parts(delivery, self.part))
        return [delivery.headers.get((self.header or "").lower(), "")]

    def _parts(self, delivery: Delivery, name: str) -> Iterable[str]:
        header = delivery.headers.get((self.header or "").lower(), "")
        pairs = (part.strip().partition("=") for part in header.split(self.separator))
        return (value for found, _, value in pairs if found == name)

    def _sent_at(self, delivery: Delivery) -> str:
        return self._at(delivery, self.timestamp) if self.timestamp else ""

    def _at(self, delivery: Delivery, place: str) -> str:
        kind, _, name = place.partition(":")
        if kind == "part":
            return next(iter(self._parts(delivery, name)), "")
        if kind == "header":
            return delivery.headers.get(name.lower(), "")
        return _text(compile_expression(name).search(delivery.payload))

    def _message(self, delivery: Delivery, sent_at: str, url: str) -> bytes:
        """Return the signed bytes; raises InvalidRequest and JMESPathError."""
        makers: dict[str, Callable[[], bytes]] = {
            "body": lambda: delivery.body,
            "form": lambda: _form(delivery),
            "url": lambda: utf8(self._unquoted(url)),
            "method": lambda: utf8(delivery.method),
            "timestamp": lambda: utf8(sent_at),
        }
        pieces = _FIELD.split(self.signed)  # texts and, at the odd places, fields
        return b"".join(
            utf8(piece)
            if index % 2 == 0
            else makers[piece]()
            if piece in makers
            else utf8(self._at(delivery, piece))
            for index, piece in enumerate(pieces)
        )

    def _urls(self, delivery: Delivery) -> list[str]:
        """Return the URLs that the sender can have signed: that which it called comes first."""
        if not self.any_port:
            return [delivery.url]
        host, _, port = delivery.headers.get("host", "").partition(":")
        other = host if port else f"{host}:{_HTTPS_PORT}"
        return [delivery.url, replace(delivery, headers={"host": other}).url]

    def _unquoted(self, url: str) -> str:
        for character in self.unquoted:
            url = re.sub(f"%{ord(character):02X}", character.replace("\\", r"\\"), url, flags=re.IGNORECASE)
        return url

    def _covers_body(self, delivery: Delivery) -> bool:
        """Return whether what is signed says what the body is, as far as the sender signs that at all."""
        if self.body_digest is None or is_form(delivery.content_type):
            return True
        try:
            query = parse_qs(delivery.full_path.partition("?")[2], max_num_fields=_MAX_PARAMETERS)
        except ValueError:
            return False
        return any_same([hashlib.sha256(delivery.body).hexdigest()], query.get(self.body_digest, []))


def is_fresh(sent_at: str, now: float, per_second: int = 1) -> bool:
    """Return whether a time in Unix seconds, or in parts of them, is at most 5 minutes from `now`."""
    return bool(_MOMENT.fullmatch(sent_at)) and abs(now - int(sent_at) / per_second) <= TOLERANCE


def any_same(made: Sequence[str], given: Sequence[str]) -> bool:
    """Return whether a text is in both lists; each comparison takes constant time."""
    pairs = [(utf8(one), utf8(other)) for one in made for other in given]
    return sum(hmac.compare_digest(one, other) for one, other in pairs) > 0


def utf8(text: str) -> bytes:
    """Return the bytes of a text that need not be valid, as headers are not."""
    return text.encode(errors="surrogatepass")


def _form(delivery: Delivery) -> bytes:
    """Return each name of a form with its values, in order and once each; empty for another body."""
    if not is_form(delivery.content_type):
        return b""
    fields = sorted(delivery.payload.items())
    return utf8(
        "".join(
            name + text
            for name, value in fields
            for text in sorted({value} if isinstance(value, str) else set(value))
        )
    )


def _text(value: Any) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
