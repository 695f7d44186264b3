"""Error hierarchy: the type of an error says what a caller can do about it.

    MailerError
    ├── ConfigurationError     a setting is missing or wrong: names it
    ├── InvalidRequest         the input breaks rules: lists every field and rule
    │   ├── InvalidHeader      a header of the HTTP request is malformed: names it
    │   └── UnknownEvent       no trigger of this function has that shape
    ├── Forbidden              the caller is known, and may not do this
    ├── StoreUnavailable       the ledger did not answer: nothing is sent without it
    │   └── DeadLettersFull    the ledger has no room for what it does not hold yet
    └── SesFailure             a SendEmail call did not end in an acceptance

Each carries `code` (stable, for programs), `retryable` and `retry_after` (seconds, or None).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ERRORS = 20  # that a refusal lists
MAX_POINTER_CHARACTERS = 200


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


class SizeRule(str):
    """The text of a rule about a length, a number of values or bytes, or depth."""

    __slots__ = ()


@dataclass(frozen=True)
class FieldError:
    """One broken rule: `pointer` is an RFC 6901 JSON pointer into the input, `detail` the rule.

    A pointer of over 200 characters is cut there, and ends in `…`.
    """

    pointer: str
    detail: str

    def __post_init__(self) -> None:
        """Cut a pointer that is too long."""
        if len(self.pointer) > MAX_POINTER_CHARACTERS:
            object.__setattr__(self, "pointer", self.pointer[: MAX_POINTER_CHARACTERS - 1] + "…")

    def __str__(self) -> str:
        return f"{self.pointer}: {self.detail}" if self.pointer else self.detail


class InvalidRequest(MailerError):
    """The input breaks at least one rule; `errors` lists the first 20, `total` counts all that were found.

    It is `too_large` where one of these is a SizeRule.
    """

    code = "InvalidRequest"

    def __init__(self, errors: Iterable[FieldError], not_listed: int = 0) -> None:
        remaining = iter(errors)
        self.errors = tuple(islice(remaining, MAX_ERRORS))
        self.total = len(self.errors) + not_listed
        self.too_large = any(isinstance(error.detail, SizeRule) for error in self.errors)
        for error in remaining:
            self.total += 1
            self.too_large |= isinstance(error.detail, SizeRule)
        texts = [*map(str, self.errors)]
        if self.total > len(texts):
            texts.append(f"and {self.total - len(texts)} more")
        super().__init__("; ".join(texts))

    @classmethod
    def at(cls, pointer: str, detail: str) -> InvalidRequest:
        """Return the error for a single broken rule."""
        return cls([FieldError(pointer, detail)])

    @classmethod
    def merged(cls, refusals: Iterable[InvalidRequest]) -> InvalidRequest:
        """Return one error with the broken rules of several."""
        found = list(refusals)
        errors = [error for refusal in found for error in refusal.errors]
        merged = cls(errors, sum(refusal.total for refusal in found) - len(errors))
        merged.too_large = any(refusal.too_large for refusal in found)
        return merged

    def under(self, prefix: str) -> InvalidRequest:
        """Return the same error for a document that holds the checked one at the pointer `prefix`."""
        return self.with_errors(FieldError(prefix + error.pointer, error.detail) for error in self.errors)

    def relative_to(self, prefix: str) -> InvalidRequest:
        """Return the same error for the part of the checked document at `prefix`: the inverse of `under`."""
        return self.with_errors(
            FieldError(error.pointer.removeprefix(prefix), error.detail) for error in self.errors
        )

    def with_errors(self, errors: Iterable[FieldError]) -> InvalidRequest:
        """Return the same error with others in place of those that are listed, as many."""
        changed = type(self)(errors, self.total - len(self.errors))
        changed.too_large = self.too_large
        return changed

    def to_json(self) -> list[dict[str, str]]:
        """Return the listed rules as JSON values: objects with `pointer` and `detail`."""
        return [{"pointer": error.pointer, "detail": error.detail} for error in self.errors]

    def report(self) -> dict[str, Any]:
        """Return the members of an answer: `errors`, and `errors_total` where not all are listed."""
        more = {"errors_total": self.total} if self.total > len(self.errors) else {}
        return {"errors": self.to_json(), **more}


class InvalidHeader(InvalidRequest):
    """A header of the HTTP request is malformed; the rule names it."""

    code = "InvalidHeader"


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


class DeadLettersFull(StoreUnavailable):
    """The dead letters have all the bytes that they may, so the ledger takes nothing that may become one.

    Whoever has it still keeps it, as where the store does not answer; what can be sent at once still is.
    """

    code = "Ledger.DeadLettersFull"
    retry_after = 60

    def __init__(self) -> None:
        super().__init__("the ledger holds as many bytes of dead letters as MAILER_DEAD_LETTERS_MAX allows")


class SesFailure(MailerError):
    """A SendEmail call that did not end in an acceptance; `code` is the API's or one of `transport`'s.

    `request_id` is the API's RequestId if the response had one.
    """

    def __init__(self, code: str, request_id: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.request_id = request_id
