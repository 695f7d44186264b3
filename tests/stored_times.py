"""Times in the store, moved to the past so that no test has to wait for them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from factories import address_hash

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


def age_digest(runtime: Runtime, address: str, days: float, digest: str = "daily") -> None:
    """Let `days` pass for a recipient: its items, its open window, the next look of the sweep."""
    client, recipient = runtime.ledger.store.client, address_hash(address)
    milliseconds = int(days * 86_400_000)
    own = partial(runtime.ledger.store.key, "digest", digest)
    for name in ("items", "frozen"):
        for index, entry in enumerate(client.lrange(own(name, recipient), 0, -1)):
            moment, _, content = entry.partition(" ")
            client.lset(own(name, recipient), index, f"{int(moment) - milliseconds} {content}")
    if client.exists(own("seen", recipient)):
        for item_id in client.zrange(own("seen", recipient), 0, -1):
            client.zincrby(own("seen", recipient), -milliseconds, item_id)
    if client.hexists(own("recipient", recipient), "window_check_at"):
        client.hincrby(own("recipient", recipient), "window_check_at", -milliseconds)
    if client.zscore(runtime.ledger.store.key("digest_expiry"), f"{digest}:{recipient}"):
        client.zincrby(runtime.ledger.store.key("digest_expiry"), -milliseconds, f"{digest}:{recipient}")
