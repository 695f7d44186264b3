"""Why messages were refused before they became emails, for platforms whose own queue keeps the message."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .keys import email_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .store import Store

MAX_DETAIL_CHARACTERS = 1000  # of a refusal, as whoever adds it cuts it
_PAGE = 500  # of one pipeline


class Refusal(NamedTuple):
    """A message that is no email request: the id that its email would have (None: it has none), and why."""

    email_id: str | None
    code: str
    detail: str


class Refusals:
    """The refusals of one account; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._refuse = store.script("refuse")

    def add(self, trigger: str, refusals: Sequence[Refusal]) -> None:
        """Write a `refused` record for each id that has no record; raises StoreUnavailable."""
        retention = self._store.bounds.retention
        named = [(one.email_id, one.code, one.detail) for one in refusals if one.email_id]
        for first in range(0, len(named), _PAGE):
            with self._store.translate_errors():
                pipeline = self._store.client.pipeline(transaction=False)
                for email_id, code, detail in named[first : first + _PAGE]:
                    self._refuse(
                        keys=email_keys(self._store, email_id),
                        args=[email_id, trigger, code, detail, retention],
                        client=pipeline,
                    )
                pipeline.execute()
