"""What the keys of an email give it: its id, the first attempt to send it, its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mailer.email.identity import Key, KeyKind, PlatformKey, fresh_key, id_for
from mailer.email.request import EmailRequest
from mailer.ledger import Attempt

if TYPE_CHECKING:
    from mailer.ledger.record import Record
    from mailer.ledger.records import StoredRequest
    from mailer.runtime import Runtime


class EmailKeys(NamedTuple):
    """What may identify an email; a caller's key, which counts within `namespace`, comes first."""

    callers_key: str | None = None
    platform_key: PlatformKey | str | None = None
    namespace: str = ""

    def identity(self) -> tuple[Key, str]:
        """Return the key that identifies the email, a fresh one if it has none, and its text in 0.1.0."""
        if self.platform_key and not self.callers_key:
            platform_key = PlatformKey.of(self.platform_key)
            return Key(platform_key.text, KeyKind.PLATFORM), platform_key.old_text or platform_key.text
        text = self.callers_key or fresh_key()
        return Key(text, namespace=self.namespace), text


def first_attempt(request: EmailRequest, keys: EmailKeys, trigger: str, account: str) -> Attempt:
    """Return the first attempt of a delivery: content is compared under a caller's key alone."""
    key, old_text = keys.identity()
    message = PlatformKey.of(keys.platform_key or "")
    email_id, old_id = key.email_id(account), id_for(account, old_text)
    return Attempt(
        email_id,
        request,
        trigger,
        fingerprint=request.content_fingerprint() if keys.callers_key else None,
        namespace=key.namespace,
        old_id=None if old_id == email_id else old_id,
        first_receive=message.first_receive,
        received_before=message.received_before,
    )


def next_attempt(attempt: Attempt, *, stored: bool) -> Attempt:
    """Return another attempt to send the same email; `stored` says that the ledger has the request."""
    return Attempt(
        attempt.id,
        attempt.request,
        attempt.trigger,
        attempt.fingerprint,
        stored,
        attempt.namespace,
        attempt.old_id,
        attempt.stored_by or (attempt.token if stored and not attempt.stored else None),
        attempt.first_receive,
    )


def stored_attempt(email_id: str, stored: StoredRequest, trigger: str) -> Attempt:
    """Return an attempt to send what the ledger stores; raises InvalidRequest where it cannot be read."""
    return Attempt(
        email_id,
        EmailRequest.parse(stored.body, stored=True),
        trigger,
        stored.fingerprint,
        stored=True,
        namespace=stored.namespace,
        stored_by=stored.stored_by,
    )


def record_of(platform_key: str, runtime: Runtime) -> Record | None:
    """Return the record of the email under a platform's key, also one of version 0.1.0, or None.

    Raises StoreUnavailable.
    """
    account = runtime.settings.account
    record = runtime.ledger.get(Key(platform_key, KeyKind.PLATFORM).email_id(account))
    if record:
        return record
    old = runtime.ledger.get(id_for(account, platform_key))
    return old if old and old.namespace is None else None
