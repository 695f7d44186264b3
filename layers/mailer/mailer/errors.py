"""Error hierarchy: the type of an error says what a caller can do about it.

    MailerError
    ├── ConfigurationError     a setting is missing or wrong: names it
    ├── InvalidRequest         the input breaks rules: lists every field and rule
    │   └── UnknownEvent       no trigger of this function has that shape
    ├── Forbidden              the caller is known, and may not do this
    ├── StoreUnavailable       the ledger did not answer: nothing is sent without it
    └── SesFailure             a SendEmail call did not end in an acceptance

Each carries `code` (stable, for programs), `retryable` and `retry_after` (seconds, or None).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class MailerError(Exception):
    """Base of every error that Mailer raises."""

    code = "MailerError"
    retryable = False
    retry_after: int | None = None


class ConfigurationError(MailerError):
    """A setting is missing or wrong; `setting` names the variable, or the table and key of mailer.toml."""

    code = "ConfigurationError"

    def __init__(self, setting: str, rule: str) -> None:
        super().__init__(f"{setting}: {rule}")
        self.setting = setting
        self.rule = rule


@dataclass(frozen=True)
class FieldError:
    """One broken rule: `pointer` is an RFC 6901 JSON pointer into the input, `detail` the rule."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.detail}" if self.pointer else self.detail


class InvalidRequest(MailerError):
    """The input breaks at least one rule; `errors` lists all that were found."""

    code = "InvalidRequest"

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(map(str, self.errors)))

    @classmethod
    def at(cls, pointer: str, detail: str) -> InvalidRequest:
        """Return the error for a single broken rule."""
        return cls([FieldError(pointer, detail)])

    def under(self, prefix: str) -> InvalidRequest:
        """Return the same error for a document that holds the checked one at the pointer `prefix`."""
        return type(self)(FieldError(prefix + error.pointer, error.detail) for error in self.errors)

    def relative_to(self, prefix: str) -> InvalidRequest:
        """Return the same error for the part of the checked document at `prefix`: the inverse of `under`."""
        return type(self)(
            FieldError(error.pointer.removeprefix(prefix), error.detail) for error in self.errors
        )

    def to_json(self) -> list[dict[str, str]]:
        """Return the broken rules as JSON values: objects with `pointer` and `detail`."""
        return [{"pointer": error.pointer, "detail": error.detail} for error in self.errors]


class UnknownEvent(InvalidRequest):
    """The event has the shape of no trigger that the function understands."""

    code = "UnknownEvent"


class Forbidden(MailerError):
    """The caller's key is known, and mailer.toml does not allow it what it asks for."""

    code = "Forbidden"


class StoreUnavailable(MailerError):
    """The ledger's store did not answer, so nothing may be sent."""

    code = "StoreUnavailable"
    retryable = True
    retry_after = 5


class SesFailure(MailerError):
    """A SendEmail call that did not end in an acceptance; `code` is the API's or one of `transport`'s.

    `request_id` is the API's RequestId if the response had one.
    """

    def __init__(self, code: str, request_id: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.request_id = request_id
