"""The actions on sender domains and sender addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .addresses import has_control, is_address, is_domain
from .errors import ApiError
from .identities import Sender
from .paging import page_of

if TYPE_CHECKING:
    from .identities import Identities, Identity
    from .settings import Settings

MAX_REPUTATION_LEVEL = 20
MAX_DAILY_QUOTA = 1_000_000
DKIM_OPTIONS = frozenset({0, 1, 2})


class IdentityActions:
    """The actions on the sender domains and addresses of one account."""

    def __init__(self, settings: Settings, identities: Identities) -> None:
        self._settings = settings
        self._identities = identities

    def create_domain(self, params: dict[str, Any]) -> dict[str, Any]:
        """Store a sender domain and return the DNS records to publish; raises InvalidEmailIdentity."""
        domain = _domain(params)
        if not is_domain(domain):
            raise ApiError("InvalidParameterValue.InvalidEmailIdentity")
        tags = params.get("TagList", [])
        return _shown(self._identities.create_domain(domain, _dkim_option(params) or 0, tags))

    def verify_domain(self, params: dict[str, Any]) -> dict[str, Any]:
        """Look for the domain's DNS records and return what was found."""
        return _shown(self._identities.verify_domain(_domain(params), _dkim_option(params)))

    def get_domain(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return a sender domain with its DNS records and tags."""
        identity = self._identities.domain(_domain(params))
        return {**_shown(identity), "TagList": identity.tags}

    def delete_domain(self, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a sender domain."""
        self._identities.delete_domain(_domain(params))
        return {}

    def list_domains(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return a page of the sender domains with their daily quotas; with TagList, those with all tags."""
        quota = self._settings.daily_quota or MAX_DAILY_QUOTA
        listed = [
            {
                "IdentityName": identity.domain,
                "IdentityType": "DOMAIN",
                "SendingEnabled": identity.verified,
                "CurrentReputationLevel": 1,
                "DailyQuota": quota,
                "SendIp": [],
                "TagList": identity.tags,
                "DKIMOption": identity.dkim_option,
            }
            for identity in self._identities.domains()
            if all(tag in identity.tags for tag in params.get("TagList", ()))
        ]
        return {
            "EmailIdentities": page_of(listed, params),
            "MaxReputationLevel": MAX_REPUTATION_LEVEL,
            "MaxDailyQuota": MAX_DAILY_QUOTA,
            "Total": len(listed),
        }

    def create_sender(self, params: dict[str, Any]) -> dict[str, Any]:
        """Store a sender address; raises IllegalEmailAddress or IllegalSenderName."""
        address, alias = params["EmailAddress"], params.get("EmailSenderName", "")
        if not is_address(address):
            raise ApiError("InvalidParameterValue.IllegalEmailAddress")
        if has_control(alias) or set(alias) & set(":<>"):
            raise ApiError("InvalidParameterValue.IllegalSenderName")
        self._identities.create_sender(Sender(address, alias, int(self._settings.now())))
        return {}

    def delete_sender(self, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a sender address."""
        self._identities.delete_sender(params["EmailAddress"])
        return {}

    def list_senders(self, _params: dict[str, Any]) -> dict[str, Any]:
        """Return all sender addresses; none has an SMTP password."""
        return {
            "EmailSenders": [
                {
                    "EmailAddress": sender.address,
                    "EmailSenderName": sender.alias,
                    "CreatedTimestamp": sender.created,
                    "SmtpPwdType": 0,
                }
                for sender in self._identities.senders()
            ]
        }


def _domain(params: dict[str, Any]) -> str:
    domain: str = params["EmailIdentity"]
    return domain.lower()


def _dkim_option(params: dict[str, Any]) -> int | None:
    option: int | None = params.get("DKIMOption")
    if option is not None and option not in DKIM_OPTIONS:
        raise ApiError("InvalidParameterValue", "DKIMOption must be 0, 1 or 2.")
    return option


def _shown(identity: Identity) -> dict[str, Any]:
    return {
        "IdentityType": "DOMAIN",
        "VerifiedForSendingStatus": identity.verified,
        "Attributes": identity.attributes(),
        "DKIMOption": identity.dkim_option,
    }
