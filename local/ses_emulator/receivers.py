"""Recipient lists, which a batch is sent to: state alone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

TO_UPLOAD, UPLOADED = 1, 3
DETAILS_MAX = 50_000


@dataclass(frozen=True)
class Receiver:
    """A recipient: `data` is its TemplateData ("" for none), `reason` says what is wrong with the address."""

    id: int
    address: str
    data: str
    created: float
    reason: str = ""


@dataclass
class ReceiverList:
    """A recipient list; `variables` are those that all its recipients bring, None before the first."""

    id: int
    name: str
    description: str
    created: float
    receivers: list[Receiver] = field(default_factory=list)
    variables: frozenset[str] | None = None

    @property
    def status(self) -> int:
        """1 while the list is empty, 3 when addresses are uploaded; an upload takes no time here."""
        return UPLOADED if self.receivers else TO_UPLOAD

    @property
    def valid(self) -> list[Receiver]:
        """The recipients whose address is well formed."""
        return [receiver for receiver in self.receivers if not receiver.reason]


class Receivers:
    """The recipient lists of one account."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Delete every list."""
        with self._lock:
            self._lists: dict[int, ReceiverList] = {}
            self._last_list = self._last_receiver = 0

    def all(self) -> list[ReceiverList]:
        """Return every list, oldest first."""
        with self._lock:
            return list(self._lists.values())

    def get(self, list_id: int) -> ReceiverList:
        """Return a list; raises ReceiverNotExist."""
        found = self._lists.get(list_id)
        if found is None:
            raise ApiError("OperationDenied.ReceiverNotExist")
        return found

    def create(self, name: str, description: str, now: float) -> ReceiverList:
        """Store an empty list under a new id; raises RepeatReceiverName."""
        with self._lock:
            if any(other.name == name for other in self._lists.values()):
                raise ApiError("InvalidParameterValue.RepeatReceiverName")
            self._last_list += 1
            created = ReceiverList(self._last_list, name, description, now)
            self._lists[created.id] = created
            return created

    def delete(self, list_id: int) -> None:
        """Delete a list with its recipients; raises ReceiverNotExist."""
        with self._lock:
            if self._lists.pop(list_id, None) is None:
                raise ApiError("OperationDenied.ReceiverNotExist")

    def add(
        self,
        list_id: int,
        rows: Sequence[tuple[str, str, str]],
        *,
        variables: frozenset[str],
        now: float,
    ) -> int:
        """Add rows of (address, data, reason) and return how many were not in the list yet.

        Raises ReceiverNotExist, TemplateDataInconsistent where the recipients of the list bring other
        variables, or ReceiverDetailCountLimit over 50,000 recipients.
        """
        target = self.get(list_id)
        with self._lock:
            if target.variables not in (None, variables):
                raise ApiError("InvalidParameterValue.TemplateDataInconsistent")
            known = {receiver.address.lower() for receiver in target.receivers}
            fresh = {row[0].lower(): row for row in reversed(rows) if row[0].lower() not in known}
            if len(known) + len(fresh) > DETAILS_MAX:
                raise ApiError("LimitExceeded.ReceiverDetailCountLimit")
            added = []
            for address, data, reason in reversed(fresh.values()):
                self._last_receiver += 1
                added.append(Receiver(self._last_receiver, address, data, now, reason))
            if added:
                target.receivers, target.variables = [*target.receivers, *added], variables
            return len(added)
