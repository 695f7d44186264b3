"""How long the store keeps what is over, and how many bytes of dead letters."""

from __future__ import annotations

from dataclasses import dataclass

from .admission import DAY

# SES lists an email for 30 days, and as long its row must have a known owner. No platform redelivers for
# longer than SQS, whose messages live for 14 days at most.
MIN_RECORD_DAYS = 30
DEFAULT_DAYS = 30
DEFAULT_DEAD_LETTERS_MAX = 64 * 1024 * 1024


@dataclass(frozen=True)
class Bounds:
    """The life of dead letters and final records in days, and how many bytes all dead letters have at most.

    Bytes are those of source, reason and body; from there on the ledger promises nothing new.
    """

    retention_days: int = DEFAULT_DAYS
    dead_letters_max: int = DEFAULT_DEAD_LETTERS_MAX

    @property
    def dead_letter_life(self) -> int:
        """The life of a dead letter in milliseconds."""
        return self.retention_days * DAY

    @property
    def retention(self) -> int:
        """The life of a record from its final state on, and of what goes with it, in milliseconds."""
        return max(self.retention_days, MIN_RECORD_DAYS) * DAY


DEFAULTS = Bounds()
