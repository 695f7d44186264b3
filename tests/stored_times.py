"""Times in the store, moved to the past so that no test has to wait for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailer.runtime import Runtime


def make_due(runtime: Runtime, email_id: str) -> None:
    """Make a deferred email due."""
    store, past = runtime.ledger.store, int(time.time() * 1000) - 1
    store.client.hset(store.key("email", email_id), "due_at", past)
    store.client.zadd(store.key("due"), {email_id: past})


def end_halts(runtime: Runtime) -> None:
    """End the time of every halt; the next email is its probe."""
    store = runtime.ledger.store
    for key in store.client.keys(store.key("halt", "*")):
        store.client.hset(key, "until_at", 1)
