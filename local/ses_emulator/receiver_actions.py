"""The actions on recipient lists and their recipients."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .addresses import ADDRESS_MAX, has_control, is_address
from .days import parse_time, time_text
from .errors import ApiError
from .paging import page_of
from .parameters import json_object
from .send_email import is_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .receivers import Receiver, Receivers
    from .settings import Settings

REQUEST_MAX = 20_000
DESCRIPTION_MAX = 300
DATA_MAX = 800
VALID, INVALID = 1, 2
MALFORMED = "The address is malformed."
_TAG = re.compile(r"<[a-zA-Z/!][^>]*>")


class ReceiverActions:
    """The actions on the recipient lists of one account."""

    def __init__(self, settings: Settings, receivers: Receivers) -> None:
        self._settings = settings
        self._receivers = receivers

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        """Store an empty list; raises ReceiverNameIllegal or ReceiverDescIllegal."""
        name, description = params["ReceiversName"], params.get("Desc")
        if not name or has_control(name):
            raise ApiError("InvalidParameterValue.ReceiverNameIllegal")
        if description is not None and (
            not 1 <= len(description) <= DESCRIPTION_MAX or has_control(description)
        ):
            raise ApiError("InvalidParameterValue.ReceiverDescIllegal")
        return {"ReceiverId": self._receivers.create(name, description or "", self._settings.now()).id}

    def delete(self, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a list with its recipients."""
        self._receivers.delete(_list_id(params))
        return {}

    def list(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return a page of the lists, by status and by a part of their names."""
        keyword = params.get("KeyWord", "")
        listed = [
            {
                "ReceiverId": found.id,
                "ReceiversName": found.name,
                "Count": len(found.receivers),
                "Desc": found.description,
                "ReceiversStatus": found.status,
                "CreateTime": time_text(found.created),
                "InvalidCount": len(found.receivers) - len(found.valid),
            }
            for found in self._receivers.all()
            if keyword in found.name and params.get("Status", found.status) == found.status
        ]
        return {"TotalCount": len(listed), "Data": page_of(listed, params)}

    def add(self, params: dict[str, Any]) -> dict[str, Any]:
        """Add addresses to a list, malformed ones as invalid, and return how many of each kind there were."""
        rows = [(email, "", "" if is_address(email) else MALFORMED) for email in params["Emails"]]
        return self._add(params, rows, frozenset())

    def add_with_data(self, params: dict[str, Any]) -> dict[str, Any]:
        """Add addresses with their TemplateData to a list; each brings the same variables."""
        rows = [(row["Email"], row["TemplateData"], "") for row in params["Datas"]]
        named = [_variables_of(data) for _, data, _ in rows]
        if len(set(named)) > 1:
            raise ApiError("InvalidParameterValue.TemplateDataInconsistent")
        if not all(is_address(address) for address, _, _ in rows if 0 < len(address) <= ADDRESS_MAX):
            raise ApiError("InvalidParameterValue.ReceiverEmailInvalid")
        return self._add(params, rows, named[0] if named else frozenset())

    def _add(
        self, params: dict[str, Any], rows: Sequence[tuple[str, str, str]], variables: frozenset[str]
    ) -> dict[str, Any]:
        list_id = _list_id(params)
        if not rows:
            raise ApiError("MissingParameter.EmailsNecessary")
        if len(rows) > REQUEST_MAX:
            raise ApiError("LimitExceeded.ReceiverDetailRequestLimit")
        usable = [row for row in rows if 0 < len(row[0]) <= ADDRESS_MAX]
        added = self._receivers.add(list_id, usable, variables=variables, now=self._settings.now())
        empty = sum(not address for address, _, _ in rows)
        return {
            "TotalCount": len(rows),
            "ValidCount": added,
            "TooLongCount": len(rows) - len(usable) - empty,
            "EmptyEmailCount": empty,
            "RepeatCount": len(usable) - added,
        }

    def list_details(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return a page of a list's recipients, by a part of the address, time of creation and status."""
        found = self._receivers.get(params["ReceiverId"])
        begin, end = (_time(params, name) for name in ("CreateTimeBegin", "CreateTimeEnd"))
        address = params.get("Email", "").lower()
        listed = [
            {
                "Email": receiver.address,
                "CreateTime": time_text(receiver.created),
                "TemplateData": receiver.data,
                "Reason": receiver.reason,
                "Status": _status(receiver),
                "EmailId": receiver.id,
            }
            for receiver in found.receivers
            if address in receiver.address.lower()
            and params.get("Status", _status(receiver)) == _status(receiver)
            and (begin is None or begin <= receiver.created)
            and (end is None or receiver.created <= end)
        ]
        return {
            "TotalCount": len(listed),
            "Data": page_of(listed, params),
            "ValidCount": len(found.valid),
            "InvalidCount": len(found.receivers) - len(found.valid),
        }


def _list_id(params: dict[str, Any]) -> int:
    list_id: int = params["ReceiverId"]
    if not list_id:
        raise ApiError("MissingParameter.ReceiverIdNecessary")
    return list_id


def _variables_of(data: str) -> frozenset[str]:
    """Return the variables in a recipient's TemplateData; raises `ApiError` unless it is as SES takes it."""
    if len(data.encode()) > DATA_MAX:
        raise ApiError("InvalidParameterValue.TemplateDataLenLimit")
    values = json_object(data)
    if values is None or not all(map(is_plain, values.values())):
        raise ApiError("InvalidParameterValue.TemplateDataError")
    if any(isinstance(value, str) and _TAG.search(value) for value in values.values()):
        raise ApiError("InvalidParameterValue.InValidTemplateData")
    return frozenset(values)


def _time(params: dict[str, Any], name: str) -> float | None:
    text = params.get(name, "")
    found = parse_time(text) if text else None
    if text and found is None:
        raise ApiError("InvalidParameterValue", f"{name} must have the form YYYY-MM-DD HH:MM:SS.")
    return found


def _status(receiver: Receiver) -> int:
    return INVALID if receiver.reason else VALID
