"""The log line and the metrics of how full the store is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import metrics
from .logs import logger

if TYPE_CHECKING:
    from mailer.ledger.health import StoreUsage


def report_usage(usage: StoreUsage, trigger: str) -> None:
    """Log and count how full the store is; from 80 % on it is a warning.

    `StoreUsed` and `DeadLettersUsed` are in percent; the first is left out where the store has no limit.
    """
    fields = {
        "trigger": trigger,
        "store_used": usage.memory,
        "dead_letters": usage.dead_letters,
        "dead_letters_used": usage.dead_letters_used,
    }
    log = logger()
    (log.warning if usage.nearly_full else log.info)("store", extra=fields)
    percents = {"DeadLettersUsed": usage.dead_letters_used, "StoreUsed": usage.memory}
    metrics.emit_levels(
        {"DeadLetters": usage.dead_letters},
        {name: percent for name, percent in percents.items() if percent is not None},
        trigger=trigger,
    )
