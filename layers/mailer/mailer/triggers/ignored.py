"""The log line and the metric of a message or webhook that a `when` of mailer.toml leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailer.email.identity import id_for
from mailer.telemetry import logs, metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailer.runtime import Runtime


def report_ignored(runtime: Runtime, trigger: str, key: str | None, tables: Sequence[str]) -> None:
    """Log and count that no `when` of `tables` holds for a message, which is therefore not sent.

    The message is identified by the id that its email would have had under `key`.
    """
    logs.ignored(trigger, id_for(runtime.settings.account, key) if key else None, tables)
    metrics.emit(["Ignored"], trigger=trigger)
