"""What gathers for digests: items per recipient, the window that they were frozen into, unfinished runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailer.email.identity import address_hash

from .admission import DAY
from .records import RETENTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailer.config.digests import DigestConfig

    from .store import Store

SEEN_MAX = 5000  # item ids remembered for each recipient
MAX_RUN_AGE_SECONDS = (
    86_400  # seconds after which an unfinished run is given up; its items wait for the next one
)


@dataclass(frozen=True)
class Item:
    """One thing to tell one recipient; `content` is the item's JSON text."""

    recipient: str
    item_id: str
    content: str
    time_zone: str | None = None


@dataclass(frozen=True)
class PendingRecipient:
    """A recipient with something to say to: `key` stands for the address in the ledger.

    `window` is one that was frozen and is not over yet, `last_window` the last that is. The address is ""
    where everything has faded.
    """

    key: str
    address: str
    time_zone: str | None
    items: int
    window: str | None
    last_window: str | None
    suppressed: bool = False


@dataclass(frozen=True)
class FrozenBatch:
    """The items of one recipient and window: as many as are shown, and how many there are in all."""

    window: str
    address: str
    total: int
    tries: int
    items: list[dict[str, Any]] = field(default_factory=list)


class DigestLedger:
    """The digests of one account; safe to share between threads. Every method raises StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._add = store.script("digest_add")
        self._freeze = store.script("digest_freeze")
        self._close = store.script("digest_close", in_full_store=True)

    def add(self, digest: DigestConfig, items: Sequence[Item]) -> list[bool]:
        """Keep the items for the next digest; False stands for one whose item_id was there already."""
        with self._store.translate_errors():
            pipeline = self._store.client.pipeline(transaction=False)
            for item in items:
                self._add_one(digest, item, pipeline)
            return [bool(new) for new in pipeline.execute()]

    def page(self, digest: str, after: str, most: int, sender_domain: str = "") -> list[PendingRecipient]:
        """Return up to `most` recipients whose key comes after `after`, in the order of their keys.

        `suppressed` is looked up for mail from `sender_domain`.
        """
        client, key = self._store.client, self._store.key
        low = f"({after}" if after else "-"
        with self._store.translate_errors():
            found = client.zrange(self._key(digest, "recipients"), low, "+", bylex=True, offset=0, num=most)
            pipeline = client.pipeline(transaction=False)
            for one in found:
                pipeline.hmget(
                    self._key(digest, "recipient", one), "address", "time_zone", "window", "last_window"
                )
                pipeline.llen(self._key(digest, "items", one))
                pipeline.llen(self._key(digest, "frozen", one))
                pipeline.exists(key("suppressed", one), key("unsubscribed", one, sender_domain))
            replies = iter(pipeline.execute())
        return [
            PendingRecipient(one, address or "", zone, fresh + frozen, window, last, bool(stopped))
            for one, ((address, zone, window, last), fresh, frozen, stopped) in zip(
                found, zip(*[replies] * 4, strict=True), strict=True
            )
        ]

    def freeze(
        self, digest: DigestConfig, recipient: str, window: str | None, tick: str
    ) -> FrozenBatch | str:
        """Return the items of a recipient's digest, or why there is none: `nothing`, `already_sent`.

        They are those of an earlier window that is not over yet, else all that is there now, which nothing
        joins any more. `tick` names the run: how many have tried a window is counted.
        """
        ask = {
            "recipient": recipient,
            "tick": tick,
            "ttl": digest.ttl_days * DAY,
            "shown": digest.max_items,
            "newest": digest.newest_first,
        }
        if window:
            ask["window"] = window
        with self._store.translate_errors():
            reply = json.loads(self._freeze(keys=self._keys(digest.name, recipient), args=[json.dumps(ask)]))
        verdict = reply.pop("verdict")
        if verdict != "frozen":
            return str(verdict)
        items = [json.loads(item) for item in reply.pop("items")]
        return FrozenBatch(**reply, items=items[::-1] if digest.newest_first else items)

    def frozen_items(self, digest: str, recipient: str) -> list[Any]:
        """Return every item of the window that is not over yet."""
        with self._store.translate_errors():
            entries = self._store.client.lrange(self._key(digest, "frozen", recipient), 0, -1)
        return [json.loads(attempt.partition(" ")[2]) for attempt in entries]

    def close(self, digest: str, recipient: str, window: str) -> bool:
        """Drop the items of a window: its email was accepted, or is a dead letter. False: it was over."""
        with self._store.translate_errors():
            return bool(self._close(keys=self._keys(digest, recipient), args=[window, recipient, RETENTION]))

    def begin_run(self, digest: str, tick: str, at: float) -> list[tuple[str, str]]:
        """Enter a run and return all that are not finished, oldest first: each tick with its cursor.

        `at` is the tick's time in Unix seconds; what is more than a day older is given up.
        """
        runs, cursors = self._key(digest, "runs"), self._key(digest, "cursors")
        with self._store.translate_errors():
            client = self._store.client
            client.zadd(runs, {tick: at}, nx=True)
            if old := client.zrange(runs, "-inf", f"({at - MAX_RUN_AGE_SECONDS}", byscore=True):
                client.zrem(runs, *old)
                client.hdel(cursors, *old)
            ticks = client.zrange(runs, "-inf", at, byscore=True)
            return list(zip(ticks, (cursor or "" for cursor in client.hmget(cursors, ticks)), strict=True))

    def reach(self, digest: str, tick: str, cursor: str) -> None:
        """Note that a run is done with every recipient up to `cursor`."""
        with self._store.translate_errors():
            self._store.client.hset(self._key(digest, "cursors"), tick, cursor)

    def finish_run(self, digest: str, tick: str) -> None:
        """Note that a run is done with every recipient."""
        with self._store.translate_errors():
            self._store.client.zrem(self._key(digest, "runs"), tick)
            self._store.client.hdel(self._key(digest, "cursors"), tick)

    def _add_one(self, digest: DigestConfig, item: Item, pipeline: Any) -> None:
        recipient = address_hash(item.recipient)
        given = {
            "item_id": item.item_id,
            "item": item.content,
            "address": item.recipient,
            "recipient": recipient,
            "keep": digest.keep,
            "newest": digest.newest_first,
            "ttl": digest.ttl_days * DAY,
            "retention": RETENTION,
            "seen_max": SEEN_MAX,
        }
        if item.time_zone:
            given["time_zone"] = item.time_zone
        names = ("items", "seen", "recipient")
        keys = [
            self._key(digest.name, "recipients"),
            *(self._key(digest.name, name, recipient) for name in names),
        ]
        self._add(keys=keys, args=[json.dumps(given)], client=pipeline)

    def _keys(self, digest: str, recipient: str) -> list[str]:
        names = ("items", "frozen", "recipient")
        return [self._key(digest, "recipients"), *(self._key(digest, name, recipient) for name in names)]

    def _key(self, digest: str, *parts: str) -> str:
        return self._store.key("digest", digest, *parts)
