"""Which keys of the store one request touches, and which a failure closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailer.actions import Action, Scope
from mailer.addresses import address_of, domain_of
from mailer.identity import address_hash

from .admission import SECOND

if TYPE_CHECKING:
    from mailer.actions import Rule
    from mailer.request import EmailRequest

    from .store import Store


class RequestKeys:
    """The keys of one request.

    `halts` are those of its account, its sender and, where it has one, its template. `recipients` has
    (suppressed, unsubscribed, sent) for each address; `domains`, the pause of each recipient domain. `route`
    is what SES can be asked for later: hashes of the sender and of each recipient.
    """

    def __init__(self, store: Store, request: EmailRequest) -> None:
        sender = address_hash(address_of(request.sender))
        self.route = [sender, *map(address_hash, request.recipients)]
        self.halts = [store.key("halt", "account"), store.key("halt", "sender", sender)]
        if request.template:
            self.halts.append(store.key("halt", "template", str(request.template.id)))
        sender_domain = domain_of(request.sender)
        self.recipients = [
            (
                store.key("suppressed", known),
                store.key("unsubscribed", known, sender_domain),
                store.key("sent", known),
            )
            for known in map(address_hash, request.recipients)
        ]
        self.domains = sorted({store.key("blocked", domain_of(address)) for address in request.recipients})

    def closed_by(self, rule: Rule) -> tuple[str, int, str | None]:
        """Return what a failure closes beyond its own email: how, for how many milliseconds, which key.

        Nothing is ("pause", 0, None). A recipient or a domain is closed only if the request names no other.
        """
        delay = (rule.delay or 0) * SECOND
        if rule.action is Action.SUPPRESS and len(self.recipients) == 1:
            suppressed, unsubscribed, _ = self.recipients[0]
            return "suppress", delay, suppressed if delay else unsubscribed
        if rule.action is Action.HALT:
            account, sender, *template = self.halts
            halted = {Scope.SENDER: [sender], Scope.TEMPLATE: template}.get(rule.scope, [account])
            return ("halt", delay, halted[0]) if halted else ("pause", 0, None)
        if rule.scope is Scope.RECIPIENT_DOMAIN and len(self.domains) == 1:
            return "block", delay, self.domains[0]
        if rule.action is Action.RETRY and rule.scope is Scope.ACCOUNT:
            return "pause", delay, None
        return "pause", 0, None
