"""Store keys of a request, and which of them a failure blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mailer.email.addresses import address_of, domain_of
from mailer.ses.error_table import Action, Scope

from .admission import SECOND

if TYPE_CHECKING:
    from mailer.email.request import EmailRequest
    from mailer.ses.error_table import Rule

    from .store import Store


def email_keys(store: Store, email_id: str) -> list[str]:
    """Return the keys that every script about one email begins with, in the order of `record.lua`."""
    return [
        store.key("email", email_id),
        *map(store.key, ("due", "scheduled", "open", "unmatched", "dead", "dead_size")),
    ]


def _keys_of(store: Store, recipient: str, sender_domain: str) -> tuple[str, str, str]:
    """Return the keys of what is counted, and what is stopped, for a recipient."""
    return (
        store.key("suppressed", recipient),
        store.key("unsubscribed", recipient, sender_domain),
        store.key("sent", recipient),
    )


class Block(NamedTuple):
    """What a failure blocks beyond its own email: `kind` is suppression, domain, halt or account.

    `ttl_ms` is in milliseconds, 0 for good. `key` is the store key that is set; None for the account's rate.
    """

    kind: str
    ttl_ms: int
    key: str | None


class RequestKeys:
    """The keys of one request.

    `halts` are those of its account, its sender and, where it has one, its template. `recipients` has
    (suppressed, unsubscribed, sent, mailed, blocked) for each address, the last of its domain. `route` is
    what a status query can be matched by: hashes of the sender and of each recipient, of whom `known_as` has
    all hashes. `earlier` has the keys under each earlier hash: the sender's halt, and of each recipient
    (suppressed, unsubscribed, sent). Raises StoreUnavailable.
    """

    def __init__(self, store: Store, request: EmailRequest) -> None:
        hasher = store.addresses.hasher()
        (sender, *earlier_senders), *self.known_as = map(
            hasher.all_of, (address_of(request.sender), *request.recipients)
        )
        self.route = [sender, *(hashes[0] for hashes in self.known_as)]
        self.halts = [store.key("halt", "account"), store.key("halt", "sender", sender)]
        if request.template:
            self.halts.append(store.key("halt", "template", str(request.template.id)))
        sender_domain = domain_of(request.sender)
        self.recipients = [
            (
                *_keys_of(store, recipient, sender_domain),
                store.key("mailed", recipient),
                store.key("blocked", domain_of(address)),
            )
            for address, recipient in zip(request.recipients, self.route[1:], strict=True)
        ]
        self.earlier = [
            [
                store.key("halt", "sender", earlier_sender),
                *(key for hashes in self.known_as for key in _keys_of(store, hashes[index], sender_domain)),
            ]
            for index, earlier_sender in enumerate(earlier_senders, 1)
        ]

    def block_for(self, rule: Rule) -> Block | None:
        """Return what a failure by `rule` blocks, or None.

        A recipient or a domain is blocked only if the request names no other.
        """
        ttl_ms = (rule.delay or 0) * SECOND
        if rule.action is Action.SUPPRESS and len(self.recipients) == 1:
            suppressed, unsubscribed, *_ = self.recipients[0]
            return Block("suppression", ttl_ms, suppressed if ttl_ms else unsubscribed)
        if rule.action is Action.HALT:
            account, sender, *template = self.halts
            halted = {Scope.SENDER: [sender], Scope.TEMPLATE: template}.get(rule.scope, [account])
            return Block("halt", ttl_ms, halted[0]) if halted else None
        domains = {blocked for *_, blocked in self.recipients}
        if rule.scope is Scope.RECIPIENT_DOMAIN and len(domains) == 1:
            return Block("domain", ttl_ms, *domains)
        if rule.action is Action.RETRY and rule.scope is Scope.ACCOUNT:
            return Block("account", ttl_ms, None)
        return None
