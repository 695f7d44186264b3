"""`Delivery`: one webhook as its sender sent it, and the payload in its body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mailer.email.forms import is_form, read_form
from mailer.email.strict_json import check_object, read_json, read_object
from mailer.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROOFS = frozenset({"authorization", "proxy-authorization", "cookie", "x-webhook-token"})


@dataclass(frozen=True)
class Delivery:
    """One webhook; header names are in lower case.

    `full_path` is the path with its query, as the sender wrote it; `verbatim` says that `body` has the exact
    bytes that were sent; `lists` that the payload may be a list.
    """

    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    full_path: str = "/"
    verbatim: bool = True
    lists: bool = False

    @property
    def url(self) -> str:
        """The URL that the sender called."""
        return f"https://{self.headers.get('host', '')}{self.full_path}"

    @property
    def content_type(self) -> str:
        """The type of the body."""
        return self.headers.get("content-type", "application/json")

    @cached_property
    def payload(self) -> Any:
        """The body as an object: that of its JSON, or the fields of its form; raises InvalidRequest."""
        if is_form(self.content_type):
            return check_object(read_form(self.content_type, self.body))
        if not self.lists:
            return read_object(self.body)
        document = read_json(self.body)
        if not isinstance(document, list):
            return check_object(document)
        try:
            check_object({"": document})
        except InvalidRequest as error:
            raise error.relative_to("/") from None
        return document

    @cached_property
    def public_headers(self) -> dict[str, str]:
        """The headers that mailer.toml may use: all but those that hold a secret."""
        return {name: value for name, value in self.headers.items() if name not in _PROOFS}
