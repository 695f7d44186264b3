"""SES callback events: deliveries, bounces, complaints, and the suppressions that follow from them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailer.email.identity import ID_CHARACTERS
from mailer.ses.error_table import rule_for
from mailer.ses.events import EVENT_TYPES

from .admission import SECOND
from .keys import email_keys

if TYPE_CHECKING:
    from mailer.ses.events import SesEvent

    from .store import Store

MAX_EVENTS = 400  # of one email, which has up to 90 recipients
FOREIGN = "foreign"


class EventLedger:
    """The events of one account's emails; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ses_event = store.script("ses_event", in_full_store=True)

    def record(self, event: SesEvent) -> tuple[str | None, str]:
        """Record one event and return the email's id, or None, and the effect of the event.

        That is `settled` (the email was unknown or deferred and is accepted now), `recorded`, `repeated` or
        `absent` (no such email; its recipient, whom we mailed, is suppressed all the same); or `foreign`: the
        email is not to this recipient, or nobody mailed them within the retention, and nothing is recorded.
        The email is the one that the Message-ID names, else the one that owns SES's MessageId. Raises
        StoreUnavailable.
        """
        event_type = event.event_type
        params: dict[str, Any] = {
            "event": event.name,
            "recipients": event.recipients,
            "proves_accepted": event_type.proves_accepted,
            "at": event.at or 0,
            "retention": self._store.bounds.retention,
            "events_max": MAX_EVENTS,
        }
        if event.ses_message_id:
            params["ses_message_id"] = event.ses_message_id
        if event.code:
            params |= {"code": event.code, "delay": (rule_for(event.code).delay or 0) * SECOND}
        key = self._store.key
        with self._store.translate_errors():
            email_id = self._email_id_of(event)
            record = key("email", email_id or "")
            owner = key("message", event.ses_message_id) if event.ses_message_id else record
            identity, *earlier = event.identities
            stored = json.dumps(event.stored_fields()) if event_type.stored else ""
            reply = json.loads(
                self._ses_event(
                    keys=[
                        *email_keys(self._store, email_id or ""),
                        key("events", email_id or event.ses_message_id or event.smtp_message_id),
                        owner,
                        self._suppression(event) or record,
                        *(key("mailed", recipient) for recipient in event.recipients),
                    ],
                    args=[json.dumps(params), identity, stored, *earlier],
                )
            )
        return email_id, str(reply["verdict"])

    def events_of(self, email_id: str) -> list[dict[str, Any]]:
        """Return the events of an email, oldest first; raises StoreUnavailable."""
        with self._store.translate_errors():
            notes = [
                json.loads(note) for note in self._store.client.hvals(self._store.key("events", email_id))
            ]
        order = list(EVENT_TYPES)
        return sorted(notes, key=lambda note: (note.get("at", 0), order.index(note["event"])))

    def _email_id_of(self, event: SesEvent) -> str | None:
        client, key = self._store.client, self._store.key
        email_id = event.smtp_message_id.strip("<>").partition("@")[0]
        if len(email_id) == ID_CHARACTERS and client.exists(key("email", email_id)):
            return email_id
        owner: str | None = None
        if event.ses_message_id:
            owner = client.get(key("message", event.ses_message_id))
        return owner

    def _suppression(self, event: SesEvent) -> str | None:
        if not event.code:
            return None
        if event.event_type.per_sender_domain:
            return self._store.key("unsubscribed", event.recipient, event.sender_domain)
        return self._store.key("suppressed", event.recipient)
