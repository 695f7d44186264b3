"""The actions on the addresses that SES does not send to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .addresses import ADDRESS_MAX, is_address
from .days import day_of, parse_day, parse_period, time_text
from .errors import ApiError
from .paging import page_of

if TYPE_CHECKING:
    from datetime import date

    from .blocklists import Blocklists

REQUEST_MAX = 20_000
EXPIRED, ACTIVE, ALL = 0, 1, 2


class BlocklistActions:
    """The actions on the blocklists of one account."""

    def __init__(self, blocklists: Blocklists) -> None:
        self._blocklists = blocklists

    def list_bounced(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return a page of the addresses that bounced on the days from StartDate to EndDate."""
        start, end = parse_period(params)
        address = params.get("EmailAddress", "").lower()
        listed = [
            {
                "BounceTime": time_text(entry.since),
                "EmailAddress": entry.address,
                "IspDesc": entry.reason,
            }
            for entry in self._blocklists.bounced()
            if start <= day_of(entry.since) <= end and address in ("", entry.address.lower())
        ]
        return {"BlackList": page_of(listed, params), "TotalCount": len(listed)}

    def delete_bounced(self, params: dict[str, Any]) -> dict[str, Any]:
        """Allow addresses again; raises InvalidParameterValue for an empty list."""
        if not params["EmailAddressList"]:
            raise ApiError("InvalidParameterValue", "EmailAddressList needs at least one address.")
        self._blocklists.remove_bounced(params["EmailAddressList"])
        return {}

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        """Put addresses on the account's own list and return how many of each kind there were."""
        emails, expires = params["Emails"], _expires(params)
        if not emails:
            raise ApiError("MissingParameter.EmailsNecessary")
        if len(emails) > REQUEST_MAX:
            raise ApiError("LimitExceeded.ReceiverDetailRequestLimit")
        long = [email for email in emails if len(email) > ADDRESS_MAX]
        invalid = [email for email in emails if len(email) <= ADDRESS_MAX and not is_address(email)]
        added = [self._blocklists.add(email, expires) for email in emails if is_address(email)]
        return {
            "TotalCount": len(emails),
            "ValidCount": sum(added),
            "TooLongCount": len(long),
            "RepeatCount": len(added) - sum(added),
            "InvalidCount": len(invalid),
        }

    def list(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return a page of the account's own list, newest first."""
        status, address = params["Status"], params.get("Email", "").lower()
        if status not in (EXPIRED, ACTIVE, ALL):
            raise ApiError("InvalidParameterValue", "Status must be 0, 1 or 2.")
        listed = [
            {
                "Id": entry.id,
                "Email": entry.address,
                "CreateTime": time_text(entry.created),
                "ExpireDate": entry.expires.isoformat() if entry.expires else "",
                "Status": ACTIVE if self._blocklists.is_active(entry) else EXPIRED,
            }
            for entry in self._blocklists.listed()
            if address in ("", entry.address.lower())
        ]
        found = [entry for entry in listed if status in (ALL, entry["Status"])]
        return {"TotalCount": len(found), "Data": page_of(found, params)}

    def update(self, params: dict[str, Any]) -> dict[str, Any]:
        """Change an entry of the account's own list; without ExpireDate it does not expire."""
        if not is_address(params["Email"]):
            raise ApiError("InvalidParameterValue.IllegalEmailAddress")
        if not self._blocklists.change(params["Id"], params["Email"], _expires(params)):
            raise ApiError("InvalidParameterValue", "The list has no entry with this Id.")
        return {}

    def delete(self, params: dict[str, Any]) -> dict[str, Any]:
        """Take addresses off the account's own list."""
        self._blocklists.remove(params["Emails"])
        return {}


def _expires(params: dict[str, Any]) -> date | None:
    text = params.get("ExpireDate", "")
    return parse_day(text, "ExpireDate") if text else None
