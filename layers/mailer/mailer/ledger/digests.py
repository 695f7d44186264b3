"""Digest storage: items per recipient, frozen windows, unfinished runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailer.errors import DeadLettersFull

from .admission import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailer.config.digests import DigestConfig

    from .store import Store

SEEN_MAX = 5000  # item ids remembered for each recipient
MAX_RUN_AGE_SECONDS = 86_400  # an older unfinished run is dropped; the next run sends its items
SHARED = ("digest",)  # what the scripts of digests begin with
_FULL = -1  # the reply of `digest_add` where nothing is added any more


def digest_key(store: Store, digest: str, *parts: str) -> str:
    """Return the key of a digest that `parts` name."""
    return store.key("digest", digest, *parts)


def recipient_keys(store: Store, digest: str, recipient: str) -> list[str]:
    """Return the keys that every script about one recipient begins with, in the order of `digest.lua`."""
    names = ("items", "frozen", "recipient")
    return [
        digest_key(store, digest, "recipients"),
        *(digest_key(store, digest, name, recipient) for name in names),
        *map(store.key, ("digest_expiry", "dead", "dead_size")),
    ]


def recipient_params(store: Store, digest: str, recipient: str, **more: Any) -> str:
    """Return the parameters of a script about one recipient as JSON, without those that are None."""
    params = {"digest": digest, "recipient": recipient, "retention": store.bounds.retention, **more}
    return json.dumps({name: value for name, value in params.items() if value is not None})


def email_key(digest: str, window: str, recipient: str) -> str:
    """Return the key that names the email of a recipient's window."""
    return f"digest:{digest}:{window}:{recipient}"


@dataclass(frozen=True)
class Item:
    """One item for one recipient; `content` is its JSON text."""

    recipient: str
    item_id: str
    content: str
    time_zone: str | None = None


@dataclass(frozen=True)
class PendingRecipient:
    """A recipient with pending items; `key` is the address hash.

    `window` is the frozen window, until it is closed; `last_window` is the last closed one. The address is ""
    where the store has lost it.
    """

    key: str
    address: str
    time_zone: str | None
    items: int
    window: str | None
    last_window: str | None


@dataclass(frozen=True)
class FrozenBatch:
    """The items of one recipient and window: `items` are those to show, as JSON; `total` counts all of them.

    `attempts` counts the runs that have frozen or resumed the window. It is `expired` where all its items are
    older than the digest's `ttl_days`. The address is None where the store has lost it.
    """

    window: str
    total: int
    attempts: int
    expired: bool
    items: list[str]
    address: str | None = None


class DigestLedger:
    """The digests of one account; safe to share between threads. Every method raises StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._add = store.script("digest_add", shared=SHARED)
        self._freeze = store.script("digest_freeze", shared=SHARED)
        self._close = store.script("digest_close", shared=SHARED, in_full_store=True)

    def add(self, digest: DigestConfig, items: Sequence[Item]) -> list[bool]:
        """Store items for the next digest; return for each whether its item_id is new.

        Raises DeadLettersFull, with some items stored, where the others may become a dead letter too many.
        """
        with self._store.translate_errors():
            pipeline = self._store.client.pipeline(transaction=False)
            for item in items:
                self._add_one(digest, item, pipeline)
            replies = pipeline.execute()
        if _FULL in replies:
            raise DeadLettersFull
        return [bool(is_new) for is_new in replies]

    def page(self, digest: str, after: str, limit: int) -> list[PendingRecipient]:
        """Return up to `limit` recipients whose key is greater than `after`, in the order of their keys."""
        client = self._store.client
        low = f"({after}" if after else "-"
        with self._store.translate_errors():
            recipients = client.zrange(
                self._key(digest, "recipients"), low, "+", bylex=True, offset=0, num=limit
            )
            pipeline = client.pipeline(transaction=False)
            for one in recipients:
                pipeline.hmget(
                    self._key(digest, "recipient", one), "address", "time_zone", "window", "last_window"
                )
                pipeline.llen(self._key(digest, "items", one))
                pipeline.llen(self._key(digest, "frozen", one))
            replies = iter(pipeline.execute())
        return [
            PendingRecipient(one, address or "", zone, items + frozen, window, last)
            for one, ((address, zone, window, last), items, frozen) in zip(
                recipients, zip(*[replies] * 3, strict=True), strict=True
            )
        ]

    def suppressed(self, recipients: Sequence[PendingRecipient], sender_domain: str) -> list[bool]:
        """Return for each recipient whether they get no email from that domain."""
        all_of, key = self._store.addresses.hasher().all_of, self._store.key
        with self._store.translate_errors():
            pipeline = self._store.client.pipeline(transaction=False)
            for recipient in recipients:
                hashes = {recipient.key, *all_of(recipient.address)}
                pipeline.exists(
                    *(key("suppressed", one) for one in hashes),
                    *(key("unsubscribed", one, sender_domain) for one in hashes),
                )
            return [bool(found) for found in pipeline.execute()]

    def freeze(
        self, digest: DigestConfig, recipient: str, window: str | None, scheduled_at: str
    ) -> FrozenBatch | str:
        """Return the items of a recipient's digest, or why there is none.

        That is `nothing`, `already_sent`, or `dead_lettered` where all that waited was too old or had no
        address. The items are those of an earlier window that is not closed, else all pending ones; later
        items wait for the next window. `scheduled_at` identifies the run: each run counts as one attempt.
        """
        params = recipient_params(
            self._store,
            digest.name,
            recipient,
            scheduled_at=scheduled_at,
            ttl=digest.ttl_days * DAY,
            max_items=digest.max_items,
            newest_first=digest.newest_first,
            window=window,
        )
        with self._store.translate_errors():
            reply = json.loads(
                self._freeze(keys=recipient_keys(self._store, digest.name, recipient), args=[params])
            )
        verdict = reply.pop("verdict")
        if verdict != "frozen":
            return str(verdict)
        items = reply.pop("items")
        return FrozenBatch(**reply, items=items[::-1] if digest.newest_first else items)

    def close(self, digest: str, recipient: str, window: str, reason: dict[str, Any] | None = None) -> bool:
        """End a window once its email is accepted; return False if it is not open.

        With a `reason` its items become dead letters, in the same step.
        """
        text = json.dumps(reason) if reason else None
        params = recipient_params(self._store, digest, recipient, window=window, reason=text)
        with self._store.translate_errors():
            return bool(self._close(keys=recipient_keys(self._store, digest, recipient), args=[params]))

    def begin_run(self, digest: str, scheduled_at: str, timestamp: float) -> list[tuple[str, str]]:
        """Add a run and return the unfinished ones, oldest first: the scheduled time and the cursor of each.

        `timestamp` is the scheduled time in Unix seconds; runs that are more than a day older, or later, are
        dropped.
        """
        runs, cursors = self._key(digest, "runs"), self._key(digest, "cursors")
        with self._store.translate_errors():
            client = self._store.client
            client.zadd(runs, {scheduled_at: timestamp}, nx=True)
            client.expire(runs, 2 * MAX_RUN_AGE_SECONDS)
            dropped = [
                *client.zrange(runs, "-inf", f"({timestamp - MAX_RUN_AGE_SECONDS}", byscore=True),
                *client.zrange(runs, f"({timestamp + MAX_RUN_AGE_SECONDS}", "+inf", byscore=True),
            ]
            if dropped:
                client.zrem(runs, *dropped)
                client.hdel(cursors, *dropped)
            unfinished = client.zrange(runs, "-inf", timestamp, byscore=True)
            if not unfinished:  # a run of the same scheduled time has just finished
                return []
            saved = client.hmget(cursors, unfinished)
            return list(zip(unfinished, (cursor or "" for cursor in saved), strict=True))

    def save_cursor(self, digest: str, scheduled_at: str, cursor: str) -> None:
        """Store that a run has processed every recipient up to `cursor`."""
        cursors = self._key(digest, "cursors")
        with self._store.translate_errors():
            self._store.client.hset(cursors, scheduled_at, cursor)
            self._store.client.expire(cursors, 2 * MAX_RUN_AGE_SECONDS)

    def finish_run(self, digest: str, scheduled_at: str) -> None:
        """Remove a run that has processed every recipient."""
        with self._store.translate_errors():
            self._store.client.zrem(self._key(digest, "runs"), scheduled_at)
            self._store.client.hdel(self._key(digest, "cursors"), scheduled_at)

    def _add_one(self, digest: DigestConfig, item: Item, pipeline: Any) -> None:
        recipient, *earlier = self._store.addresses.hasher().all_of(item.recipient)
        params = recipient_params(
            self._store,
            digest.name,
            recipient,
            item_id=item.item_id,
            item=item.content,
            address=item.recipient,
            max_stored_items=digest.max_stored_items,
            newest_first=digest.newest_first,
            ttl=digest.ttl_days * DAY,
            seen_max=SEEN_MAX,
            dead_letters_max=self._store.bounds.dead_letters_max,
            time_zone=item.time_zone,
            earlier=earlier,
        )
        names = ("items", "frozen", "recipient", "seen")
        keys = [
            *recipient_keys(self._store, digest.name, recipient),
            self._key(digest.name, "seen", recipient),
            self._key(digest.name, "runs"),
            *(self._key(digest.name, name, one) for one in earlier for name in names),
        ]
        self._add(keys=keys, args=[params], client=pipeline)

    def _key(self, digest: str, *parts: str) -> str:
        return digest_key(self._store, digest, *parts)
