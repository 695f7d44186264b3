"""Why messages were refused before they became emails, for platforms whose own queue keeps the message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .store import Store

MAX_DETAIL_CHARACTERS = 1000  # of a refusal, as whoever adds it cuts it
_PAGE = 100  # of one call: for so long the store does nothing else


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
        named = [(one.email_id, one.code, one.detail) for one in refusals if one.email_id]
        params = {"trigger": trigger, "retention": self._store.bounds.retention}
        for first in range(0, len(named), _PAGE):
            page = named[first : first + _PAGE]
            keys = [self._store.key("email", email_id) for email_id, _, _ in page]
            with self._store.translate_errors():
                self._refuse(keys=keys, args=[json.dumps({**params, "refusals": page})])
