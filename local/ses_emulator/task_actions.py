"""The actions on batches: BatchSendEmail and ListSendTasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import send_email
from .addresses import parse_sender
from .days import parse_time, time_text
from .errors import ApiError
from .paging import page_of
from .parameters import json_object
from .receivers import UPLOADED
from .tasks import IMMEDIATE, RECURRING, TIMED, Task
from .templates import APPROVED, variables_in

if TYPE_CHECKING:
    from .receivers import ReceiverList
    from .resources import Resources
    from .settings import Settings
    from .tasks import Tasks

SUBJECT_MAX = 100
# The mark of advertising, by ADLocation.
_SUBJECT_FORMS = {0: "{}", 1: "(AD) {}", 2: "{} (AD)"}
_SHARED = ("FromEmailAddress", "ReplyToAddresses", "Template", "Simple", "Unsubscribe")


class TaskActions:
    """The actions on the batches of one account."""

    def __init__(self, settings: Settings, resources: Resources, tasks: Tasks) -> None:
        self._settings = settings
        self._templates = resources.templates
        self._identities = resources.identities
        self._receivers = resources.receivers
        self._tasks = tasks

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        """Store a task after every check, and send at once what is due; SES ignores attachments."""
        if not params["FromEmailAddress"] or not params["ReceiverId"]:
            raise ApiError("MissingParameter.SendParamNecessary")
        form = _SUBJECT_FORMS.get(params.get("ADLocation", 0))
        if form is None:
            raise ApiError("InvalidParameterValue", "ADLocation must be 0, 1 or 2.")
        if not 1 <= len(params["Subject"]) <= SUBJECT_MAX:
            raise ApiError("InvalidParameterValue.SubjectLengthError")
        due = self._due(params)
        sender = parse_sender(params["FromEmailAddress"])
        if sender is None or not self._identities.may_send(sender.address):
            raise ApiError("OperationDenied.SendAddressStatusError")
        receivers = self._receivers.get(params["ReceiverId"])
        if receivers.status != UPLOADED or not receivers.valid:
            raise ApiError("OperationDenied.ReceiverStatusError")
        self._check_content(params, receivers)
        email = {name: params[name] for name in _SHARED if name in params}
        email["Subject"] = form.format(params["Subject"])
        now = self._settings.now()
        cycle = params.get("CycleParam") if params["TaskType"] == RECURRING else None
        task = Task(
            id=0,
            email=email,
            task_type=params["TaskType"],
            receivers=receivers,
            created=now,
            updated=now,
            due=due,
            interval=cycle["IntervalTime"] if cycle else 0,
            timed=params.get("TimedParam") if params["TaskType"] == TIMED else None,
            cycle={"TermCycle": 0, **cycle} if cycle else None,
        )
        return {"TaskId": self._tasks.add(task)}

    def _due(self, params: dict[str, Any]) -> float:
        """Return when the task begins; raises `ApiError` for a parameter that its type lacks."""
        now = self._settings.now()
        if params["TaskType"] == IMMEDIATE:
            return now
        if params["TaskType"] == TIMED:
            timing, code = params.get("TimedParam"), "MissingParameter.TimedParamNecessary"
        elif params["TaskType"] == RECURRING:
            timing, code = params.get("CycleParam"), "MissingParameter.CycleParamNecessary"
        else:
            raise ApiError("InvalidParameterValue", "TaskType must be 1, 2 or 3.")
        if not timing or not timing["BeginTime"] or not timing.get("IntervalTime", 1):
            raise ApiError(code)
        begin = parse_time(timing["BeginTime"])
        if begin is None:
            raise ApiError("InvalidParameterValue", "BeginTime must have the form YYYY-MM-DD HH:MM:SS.")
        if begin < now:
            raise ApiError("InvalidParameterValue.BeginTimeBeforeNow")
        return begin

    def _check_content(self, params: dict[str, Any], receivers: ReceiverList) -> None:
        if "Template" not in params:
            if "Simple" not in params:
                raise ApiError("MissingParameter.SendParamNecessary")
            send_email.content_of(params, self._settings, self._templates)
            return
        template = self._templates.get(params["Template"]["TemplateID"])
        if template is None or template.status != APPROVED:
            raise ApiError("OperationDenied.TemplateStatusError")
        if receivers.variables:
            used = variables_in((params["Subject"], template.html, template.text))
            if set(used) != receivers.variables:
                raise ApiError("InvalidParameterValue.TemplateNotMatchData")
            return
        data = json_object(params["Template"]["TemplateData"])
        if data is None or not all(map(send_email.is_plain, data.values())):
            raise ApiError("InvalidParameterValue.TemplateDataError")

    def list(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return a page of the tasks, newest first, by status, list and type."""
        listed = [_shown(task) for task in self._tasks.all()]
        filters = (("Status", "TaskStatus"), ("ReceiverId", "ReceiverId"), ("TaskType", "TaskType"))
        found = [
            row
            for row in listed
            if all(params.get(name, row[shown]) == row[shown] for name, shown in filters)
        ]
        return {"TotalCount": len(found), "Data": page_of(found, params)}


def _shown(task: Task) -> dict[str, Any]:
    return {
        "TaskId": task.id,
        "FromEmailAddress": task.email["FromEmailAddress"],
        "ReceiverId": task.receivers.id,
        "TaskStatus": task.status,
        "TaskType": task.task_type,
        "RequestCount": task.requested,
        "SendCount": task.sent,
        "CacheCount": len(task.pending),
        "CreateTime": time_text(task.created),
        "UpdateTime": time_text(task.updated),
        "Subject": task.email["Subject"],
        "Template": task.email.get("Template", {"TemplateID": 0, "TemplateData": ""}),
        "CycleParam": task.cycle,
        "TimedParam": task.timed,
        "ErrMsg": task.error,
        "ReceiversName": task.receivers.name,
    }
