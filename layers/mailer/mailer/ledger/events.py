"""What SES told of emails after it took them: deliveries, bounces, complaints, and whom they suppress."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailer.actions import rule_for
from mailer.callbacks import KINDS
from mailer.identity import ID_CHARACTERS

from .admission import SECOND
from .emails import RETENTION

if TYPE_CHECKING:
    from mailer.callbacks import SesEvent

    from .store import Store

MAX_EVENTS = 400  # of one email, which has up to 90 recipients


class EventLedger:
    """The events of one account's emails; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._event = store.script("event", "flags=allow-oom")

    def tell(self, event: SesEvent) -> tuple[str | None, str]:
        """Write one event down and return the email's id, or None, and what the event did.

        That is `settled` (the email was in doubt or waiting and is accepted now), `noted`, `repeated` or
        `absent` (no email is known; its recipient is suppressed all the same). The email is the one that the
        Message-ID names, else the one that owns SES's MessageId. Raises StoreUnavailable.
        """
        kind = event.kind
        told: dict[str, Any] = {
            "event": event.name,
            "proves": kind.proves,
            "at": event.at or 0,
            "retention": RETENTION,
            "most": MAX_EVENTS,
        }
        if event.bulk_id:
            told["message_id"] = event.bulk_id
        if event.code:
            told |= {"code": event.code, "delay": (rule_for(event.code).delay or 0) * SECOND}
        key = self._store.key
        with self._store.reaching():
            email = self._email_of(event)
            record = key("email", email or "")
            owner = key("message", event.bulk_id) if event.bulk_id else record
            reply = json.loads(
                self._event(
                    keys=[
                        record,
                        key("due"),
                        key("open"),
                        key("events", email or event.bulk_id or event.message_id),
                        owner,
                        self._suppression(event) or record,
                    ],
                    args=[json.dumps(told), event.identity, json.dumps(event.note()) if kind.kept else ""],
                )
            )
        return email, str(reply["verdict"])

    def of(self, email: str) -> list[dict[str, Any]]:
        """Return the events of an email, oldest first; raises StoreUnavailable."""
        with self._store.reaching():
            notes = [json.loads(note) for note in self._store.client.hvals(self._store.key("events", email))]
        order = list(KINDS)
        return sorted(notes, key=lambda note: (note.get("at", 0), order.index(note["event"])))

    def _email_of(self, event: SesEvent) -> str | None:
        client, key = self._store.client, self._store.key
        identity = event.message_id.strip("<>").partition("@")[0]
        if len(identity) == ID_CHARACTERS and client.exists(key("email", identity)):
            return identity
        owner: str | None = client.get(key("message", event.bulk_id)) if event.bulk_id else None
        return owner

    def _suppression(self, event: SesEvent) -> str | None:
        if not event.code:
            return None
        if event.kind.of_domain:
            return self._store.key("unsubscribed", event.recipient, event.sender_domain)
        return self._store.key("suppressed", event.recipient)
