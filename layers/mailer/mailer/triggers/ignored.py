"""The log line and the metric of a message or webhook that a `when` of mailer.toml leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailer.email.identity import Key, KeyKind
from mailer.telemetry import logs, metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailer.runtime import Runtime


def report_ignored(runtime: Runtime, trigger: str, key: str | None, tables: Sequence[str]) -> None:
    """Log and count that no `when` of `tables` holds for a message, which is therefore not sent.

    The message is identified by the id that its email would have had under `key`.
    """
    email_id = Key(key, KeyKind.PLATFORM).email_id(runtime.settings.account) if key else None
    logs.ignored(trigger, email_id, tables)
    metrics.emit(["Ignored"], trigger=trigger)
