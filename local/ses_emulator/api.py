"""The API behind `POST /`: the gateway's checks, then the actions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from . import actions, parameters, send_email, signature
from .errors import ApiError
from .faults import REDIRECT_PATH, Fault, Faults
from .limits import RequestRate
from .response import Response, api_response

if TYPE_CHECKING:
    from .mailbox import Mailbox
    from .outgoing import Outgoing
    from .parameters import JsonType
    from .resources import Resources
    from .settings import Settings
    from .tasks import Tasks

VERSION = "2020-10-02"
GATEWAY_MAX = 10 * 1024 * 1024


class Request(NamedTuple):
    """An HTTP request received at `arrived` (Unix seconds); the names in `headers` are lower-case.

    `size` is the length of the body as sent; where it exceeds the gateway's limit, `body` is empty.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    arrived: float


Execute = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Action:
    """An action: the type of its parameters, its request rate, and what checks and executes a call."""

    parameters: JsonType
    rate: RequestRate
    prepare: Callable[[dict[str, Any], Request, str], Execute]


class Api:
    """All actions of one account."""

    def __init__(
        self,
        settings: Settings,
        resources: Resources,
        mailbox: Mailbox,
        faults: Faults,
        outgoing: Outgoing,
        tasks: Tasks,
    ) -> None:
        self._settings = settings
        self._resources = resources
        self._mailbox = mailbox
        self._faults = faults
        self._outgoing = outgoing
        self.send_rate = RequestRate(settings.rate)
        rates = {"GetSendEmailStatus": settings.status_rate}
        self._actions = {
            "SendEmail": Action(parameters.ACTIONS["SendEmail"], self.send_rate, self._send_email)
        }
        for name, handler in actions.handlers(settings, resources, mailbox, tasks).items():
            rate = RequestRate(rates.get(name, settings.other_rate))
            self._actions[name] = Action(parameters.ACTIONS[name], rate, _prepare_by(handler))

    def reset(self) -> None:
        """Reset the request rates."""
        for action in self._actions.values():
            action.rate.reset()

    def respond(self, request: Request) -> Response:
        """Return the response to a call, altered by the fault that applies to it, if any."""
        request_id = str(uuid.uuid4())
        call = _CallInProgress({})
        try:
            response = self._execute(request, request_id, call)
        except ApiError as error:
            call.outcome = error.code
            response = api_response(error.as_response(), request_id)
        if request.headers.get("x-tc-action") == "SendEmail":
            self._mailbox.record_call(
                call.parameters,
                arrived=request.arrived,
                request_id=request_id,
                outcome=call.outcome,
                fault=call.fault,
                ses_message_id=call.ses_message_id,
            )
        return response

    def _execute(self, request: Request, request_id: str, call: _CallInProgress) -> Response:
        action = self._admit(request)
        call.parameters = parameters.load(request.body)
        parameters.check(call.parameters, action.parameters)
        execute = action.prepare(call.parameters, request, request_id)
        name = request.headers["x-tc-action"]
        fault = self._faults.match(name, call.parameters, redirected=request.path == REDIRECT_PATH)
        if fault is not None and not fault.accepts:
            call.fault, call.outcome = fault.name, fault.code or "not-accepted"
            return fault.alter(api_response(_error_of(fault).as_response(), request_id))
        result = execute()
        call.ses_message_id = result.get("MessageId", "")
        response = api_response(result, request_id)
        if fault is None:
            return response
        call.fault = fault.name
        return fault.alter(response)

    def _admit(self, request: Request) -> Action:
        """Return the action after the gateway's checks: size, action, version, region, signature, rate."""
        headers = request.headers
        if request.method != "POST":
            raise ApiError("UnsupportedProtocol", "This emulator takes POST.")
        if request.size > GATEWAY_MAX:
            raise ApiError("RequestSizeLimitExceeded")
        if "x-tc-action" not in headers:
            raise ApiError("MissingParameter", "X-TC-Action; requests are signed with TC3-HMAC-SHA256.")
        name = headers["x-tc-action"]
        if name not in self._actions and name not in parameters.NOT_OFFERED:
            raise ApiError("InvalidAction")
        for header, expected, code in (
            ("x-tc-version", VERSION, "NoSuchVersion"),
            ("x-tc-region", self._settings.region, "UnsupportedRegion"),
        ):
            if header not in headers:
                raise ApiError("MissingParameter", f"{header.title()}: this is {expected}.")
            if headers[header] != expected:
                raise ApiError(code, f"{header.title()} is {headers[header]}, this is {expected}.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise ApiError("InvalidRequest", "The content type is not application/json.")
        signature.verify(
            headers,
            request.body,
            credentials=self._settings.credentials,
            tokens=self._settings.tokens,
            now=self._settings.now(),
        )
        action = self._actions.get(name)
        if action is None:
            raise ApiError("UnsupportedOperation", f"The emulator does not offer {name}.")
        action.rate.admit(request.arrived)
        return action

    def _send_email(self, params: dict[str, Any], request: Request, request_id: str) -> Execute:
        draft = send_email.check(params, request.size, self._settings, self._resources)

        def accept() -> dict[str, Any]:
            mail = self._outgoing.accept(draft, params, request.size, request_id)
            return {"MessageId": mail.ses_message_id}

        return accept


def _prepare_by(handler: actions.Handler) -> Callable[[dict[str, Any], Request, str], Execute]:
    """Return what prepares a call whose handler checks it too."""
    return lambda params, *_: lambda: handler(params)


@dataclass
class _CallInProgress:
    """The result of a call so far, for the log of calls."""

    parameters: dict[str, Any]
    outcome: str = "accepted"
    fault: str = ""
    ses_message_id: str = ""


def _error_of(fault: Fault) -> ApiError:
    return ApiError(fault.code or "InternalError", fault.message)
