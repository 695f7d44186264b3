"""The sender domains of an account and the sender addresses at them: state alone."""

from __future__ import annotations

import base64
import hashlib
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .addresses import domain_of
from .errors import ApiError

if TYPE_CHECKING:
    from .settings import Settings

DOMAINS_MAX = SENDERS_MAX = 10
_SPF = "v=spf1 include:qcloudmail.com ~all"
_KEY_BYTES = {0: 162, 1: 294}  # of a public key of 1024 and of 2048 bits


@dataclass(frozen=True)
class Identity:
    """A sender domain; `published` says whether its DNS records are found, `verified` whether SES looked."""

    domain: str
    published: bool
    verified: bool
    dkim_option: int = 0
    tags: list[dict[str, str]] = field(default_factory=list)

    def attributes(self) -> list[dict[str, Any]]:
        """Return the DNS records that SES asks for, as the API's `DNSAttributes` objects."""
        options = (0, 1) if self.dkim_option == 2 else (self.dkim_option,)  # noqa: PLR2004 -- both keys
        selectors = {0: "qcloud", 1: "qcloud2048"} if len(options) > 1 else {self.dkim_option: "qcloud"}
        records = [
            ("MX", self.domain, "mxbiz1.qq.com"),
            ("TXT", self.domain, _SPF),
            *(
                ("TXT", f"{selectors[option]}._domainkey.{self.domain}", _dkim_record(self.domain, option))
                for option in options
            ),
            ("TXT", f"_dmarc.{self.domain}", "v=DMARC1; p=none"),
        ]
        return [
            {
                "Type": kind,
                "SendDomain": name,
                "ExpectedValue": value,
                "CurrentValue": value if self.published else "",
                "Status": self.published and self.verified,
            }
            for kind, name, value in records
        ]


def _dkim_record(domain: str, option: int) -> str:
    """Return a DKIM record of the right length that is the same each time; its key is not one."""
    key = hashlib.shake_256(f"{domain}/{option}".encode()).digest(_KEY_BYTES[option])
    return f"v=DKIM1; k=rsa; p={base64.b64encode(key).decode()}"


@dataclass(frozen=True)
class Sender:
    """A sender address with its alias; `created` is in Unix seconds."""

    address: str
    alias: str
    created: int


class Identities:
    """The sender domains and addresses of one account.

    It starts with the domains that the settings name. A domain that was never created is verified as the
    settings say; one that was deleted is not.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Return to the domains of the settings, without sender addresses."""
        named = {*self._settings.verified_domains, *self._settings.unverified_domains}
        with self._lock:
            self._domains = {
                domain: Identity(domain, known, known)
                for domain, known in ((domain, self._settings.verifies(domain)) for domain in sorted(named))
            }
            self._deleted: set[str] = set()
            self._senders: dict[str, Sender] = {}

    def verifies(self, domain: str) -> bool:
        """Return whether this account may send from `domain`."""
        identity = self._domains.get(domain)
        if identity is not None:
            return identity.verified
        return domain not in self._deleted and self._settings.verifies(domain)

    def domains(self) -> list[Identity]:
        """Return all sender domains in the order of their names."""
        with self._lock:
            return [self._domains[domain] for domain in sorted(self._domains)]

    def domain(self, domain: str) -> Identity:
        """Return a sender domain; raises NotExistDomain."""
        identity = self._domains.get(domain)
        if identity is None:
            raise ApiError("InvalidParameterValue.NotExistDomain")
        return identity

    def create_domain(self, domain: str, dkim_option: int, tags: list[dict[str, str]]) -> Identity:
        """Store a domain that is not verified yet; raises RepeatCreation or ExceedDomainLimit."""
        with self._lock:
            if domain in self._domains:
                raise ApiError("InvalidParameterValue.RepeatCreation")
            if len(self._domains) >= DOMAINS_MAX:
                raise ApiError("OperationDenied.ExceedDomainLimit")
            published = self._settings.verifies(domain)
            identity = Identity(domain, published, verified=False, dkim_option=dkim_option, tags=tags)
            self._domains[domain] = identity
            self._deleted.discard(domain)
            return identity

    def verify_domain(self, domain: str, dkim_option: int | None) -> Identity:
        """Look for the domain's DNS records and return it; raises NotExistDomain."""
        identity = self.domain(domain)
        changed = identity.dkim_option if dkim_option is None else dkim_option
        return self.store_domain(replace(identity, verified=identity.published, dkim_option=changed))

    def store_domain(self, identity: Identity) -> Identity:
        """Store a domain, in place of one with the same name."""
        with self._lock:
            self._domains[identity.domain] = identity
            self._deleted.discard(identity.domain)
        return identity

    def delete_domain(self, domain: str) -> None:
        """Delete a domain, for which nothing can be sent any more.

        Raises NotExistDomain's general code, or SenderWithDomainIsNotEmpty while it has sender addresses.
        """
        with self._lock:
            if domain not in self._domains:
                raise ApiError("InvalidParameterValue", "The account has no such domain.")
            if self._senders_at(domain):
                raise ApiError("OperationDenied.SenderWithDomainIsNotEmpty")
            del self._domains[domain]
            self._deleted.add(domain)

    def senders(self) -> list[Sender]:
        """Return all sender addresses in the order of their creation."""
        with self._lock:
            return list(self._senders.values())

    def may_send(self, address: str) -> bool:
        """Return whether `address` is a sender address at a domain that is verified."""
        return address.lower() in self._senders and self.verifies(domain_of(address))

    def create_sender(self, sender: Sender) -> None:
        """Store a sender address; raises DomainNotVerified, RepeatEmailAddress or ExceedSenderLimit."""
        if not self.verifies(domain_of(sender.address)):
            raise ApiError("OperationDenied.DomainNotVerified")
        with self._lock:
            if sender.address.lower() in self._senders:
                raise ApiError("InvalidParameterValue.RepeatEmailAddress")
            if self._senders_at(domain_of(sender.address)) >= SENDERS_MAX:
                raise ApiError("OperationDenied.ExceedSenderLimit")
            self._senders[sender.address.lower()] = sender

    def delete_sender(self, address: str) -> None:
        """Delete a sender address; raises NoSuchSender."""
        with self._lock:
            if self._senders.pop(address.lower(), None) is None:
                raise ApiError("InvalidParameterValue.NoSuchSender")

    def _senders_at(self, domain: str) -> int:
        return sum(domain_of(address) == domain for address in self._senders)
