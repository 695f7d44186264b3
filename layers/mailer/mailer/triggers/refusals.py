"""The messages of a batch that are no email requests: their log lines, and their records in the ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from mailer.email.identity import Key, KeyKind
from mailer.errors import StoreUnavailable
from mailer.ledger.refusals import MAX_DETAIL_CHARACTERS, Refusal, Refusals
from mailer.telemetry import logs

if TYPE_CHECKING:
    from mailer.errors import InvalidRequest
    from mailer.runtime import Runtime

MAX_LINES = 100  # a batch has up to 10,000 messages, and what is in them is the sender's choice


@dataclass(frozen=True)
class BatchRefusals:
    """The refusals of one batch; safe to share between threads."""

    trigger: str
    runtime: Runtime
    _refusals: list[Refusal] = field(default_factory=list)
    _adding: Lock = field(default_factory=Lock)

    def invalid(self, key: str | None, error: InvalidRequest) -> None:
        """Add a message that breaks a rule."""
        email_id, has_line = self._add(key, error.code, str(error))
        if has_line:
            logs.refused(self.trigger, error, key=key, id=email_id)

    def unexpected(self, key: str | None, error: Exception) -> None:
        """Add a message whose processing raised an error that nobody expected."""
        detail = "an unexpected error: the log has its type and where it was raised"
        email_id, has_line = self._add(key, "InternalError", detail)
        if has_line:
            logs.unexpected(self.trigger, error, id=email_id)

    def _add(self, key: str | None, code: str, detail: str) -> tuple[str | None, bool]:
        """Return the id that the message's email would have, and whether it has a log line of its own."""
        email_id = Key(key, KeyKind.PLATFORM).email_id(self.runtime.settings.account) if key else None
        refusal = Refusal(email_id, code, detail[:MAX_DETAIL_CHARACTERS])
        with self._adding:
            self._refusals.append(refusal)
            return email_id, len(self._refusals) <= MAX_LINES

    def log_the_rest(self) -> None:
        """Log how many refusals beyond the first 100 have no line of their own, by code."""
        if rest := Counter(refusal.code for refusal in self._refusals[MAX_LINES:]):
            logs.more_refused(self.trigger, dict(rest))

    def store(self) -> None:
        """Write the reasons under the messages' ids; that the store is down is only logged.

        For a platform whose queue keeps the messages: it delivers them again, and then the reason is stored.
        """
        try:
            Refusals(self.runtime.ledger.store).add(self.trigger, self._refusals)
        except StoreUnavailable as error:
            logs.refused(self.trigger, error)
