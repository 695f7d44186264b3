"""Batches: tasks that send one email to every recipient of a list, at once, later, or again and again."""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import send_email
from .days import next_day
from .errors import ApiError

if TYPE_CHECKING:
    from .mailbox import Mailbox
    from .outgoing import Outgoing
    from .receivers import Receiver, ReceiverList
    from .resources import Resources
    from .settings import Settings

IMMEDIATE, TIMED, RECURRING = 1, 2, 3
WAITING, SENDING, PAUSED, FAILED, SENT = 1, 5, 6, 7, 10
TASKS_MAX = 1_000
HOUR = 3600
# What GetSendEmailStatus shows of a recipient to whom a batch could not send.
SEND_STATUS = {
    "FailedOperation.FrequencyLimit": 1006,
    "FailedOperation.EmailAddrInBlacklist": 1007,
}


@dataclass
class Task:
    """A batch; times are Unix seconds, `email` has the parameters of SendEmail that all its emails share.

    `due` is when it sends next, None when nothing is left to do.
    """

    id: int
    email: dict[str, Any]
    task_type: int
    receivers: ReceiverList
    created: float
    updated: float
    due: float | None
    interval: int = 0
    timed: dict[str, Any] | None = None
    cycle: dict[str, Any] | None = None
    status: int = WAITING
    requested: int = 0
    sent: int = 0
    error: str = ""
    pending: deque[Receiver] = field(default_factory=deque)


class Tasks:
    """The batches of one account."""

    def __init__(
        self, settings: Settings, resources: Resources, mailbox: Mailbox, outgoing: Outgoing
    ) -> None:
        self._settings = settings
        self._resources = resources
        self._mailbox = mailbox
        self._outgoing = outgoing
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget every task, those that wait included."""
        with self._lock:
            self._tasks: deque[Task] = deque(maxlen=TASKS_MAX)
            self._last_id = 0

    def all(self) -> list[Task]:
        """Return the newest tasks, newest first."""
        self.run_due()
        with self._lock:
            return list(reversed(self._tasks))

    def add(self, task: Task) -> int:
        """Store a task under a new id, which is returned, and send at once what is due."""
        with self._lock:
            self._last_id += 1
            task.id = self._last_id
            self._tasks.append(task)
        self.run_due()
        return task.id

    def run_due(self) -> None:
        """Send what is due by SES's clock."""
        with self._lock:
            for task in self._tasks:
                while task.due is not None and task.due <= self._settings.now():
                    self._run(task)

    def _run(self, task: Task) -> None:
        if not task.pending:
            task.pending.extend(task.receivers.valid)
            task.requested += len(task.pending)
        task.status, task.updated = SENDING, self._settings.now()
        while task.pending:
            try:
                self._send(task, task.pending[0])
            except ApiError as error:
                if error.code == "FailedOperation.ExceedSendLimit":
                    task.status, task.due = PAUSED, next_day(task.updated)
                else:
                    task.status, task.due, task.error = FAILED, None, str(error)
                return
            task.pending.popleft()
        if task.interval:
            last = task.due or task.updated
            missed = int((task.updated - last) // (task.interval * HOUR))
            task.due = last + (missed + 1) * task.interval * HOUR
        else:
            task.status, task.due = SENT, None

    def _send(self, task: Task, receiver: Receiver) -> None:
        """Send to one recipient; raises `ApiError` for what stops the task."""
        parameters = {**task.email, "Destination": [receiver.address]}
        if receiver.data and "Template" in parameters:
            parameters["Template"] = {**parameters["Template"], "TemplateData": receiver.data}
        size = len(json.dumps(parameters))
        draft = send_email.check(parameters, size, self._settings, self._resources)
        try:
            self._outgoing.accept(draft, parameters, size, str(uuid.uuid4()), str(task.id))
        except ApiError as error:
            if error.code not in SEND_STATUS:
                raise
            self._mailbox.refuse(task.email["FromEmailAddress"], receiver.address, SEND_STATUS[error.code])
        else:
            task.sent += 1
