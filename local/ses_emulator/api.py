"""The API behind `POST /`: from the headers of a call to the answer of its action."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import parameters, queries, send_email, signature
from .answer import Answer, api_answer
from .callbacks import Callbacks
from .errors import ApiError
from .faults import REDIRECT_PATH, Fault, Faults
from .limits import EmailLimits, RequestRate
from .mailbox import Mailbox
from .settings import Settings
from .templates import Templates

VERSION = "2020-10-02"
REGION = "ap-singapore"
GATEWAY_MAX = 10 * 1024 * 1024
QUERY_RATE = 20


class Request(NamedTuple):
    """An HTTP request that came in at `arrived` (Unix seconds); `headers` has lower-case names.

    `size` is the length of the body on the wire; one over the gateway's limit is dropped, and `body` empty.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    arrived: float


Work = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Action:
    """An action: its parameters, its request rate, and how a checked request becomes the work to do."""

    kind: parameters.Kind
    rate: RequestRate
    prepare: Callable[[dict[str, Any], Request, str], Work]


class Api:
    """All actions over one account's memory."""

    def __init__(self, settings: Settings, mailbox: Mailbox, faults: Faults, callbacks: Callbacks) -> None:
        self._settings = settings
        self._mailbox = mailbox
        self._faults = faults
        self._callbacks = callbacks
        self.templates = Templates(settings.templates)
        self._limits = EmailLimits(settings.recipient_hourly, settings.daily_quota)
        self.send_rate = RequestRate(settings.rate)
        self._actions = {
            "SendEmail": Action(parameters.SEND_EMAIL, self.send_rate, self._send_email),
            "GetSendEmailStatus": Action(
                parameters.GET_SEND_EMAIL_STATUS,
                RequestRate(settings.status_rate),
                lambda given, *_: lambda: queries.send_email_status(given, mailbox.records(), settings),
            ),
            "GetEmailTemplate": Action(
                parameters.GET_EMAIL_TEMPLATE,
                RequestRate(QUERY_RATE),
                lambda given, *_: lambda: queries.email_template(given, self.templates),
            ),
            "ListEmailTemplates": Action(
                parameters.LIST_EMAIL_TEMPLATES,
                RequestRate(QUERY_RATE),
                lambda given, *_: lambda: queries.email_templates(given, self.templates),
            ),
            "ListEmailIdentities": Action(
                parameters.LIST_EMAIL_IDENTITIES,
                RequestRate(QUERY_RATE),
                lambda given, *_: lambda: queries.email_identities(given, settings),
            ),
        }

    def reset(self) -> None:
        """Forget what was sent and counted; templates and settings stay."""
        self._limits.reset()
        for action in self._actions.values():
            action.rate.reset()

    def answer(self, request: Request) -> Answer:
        """The answer to a call, with the fault that it asked for, if any."""
        request_id = str(uuid.uuid4())
        call = _CallInProgress({})
        try:
            answer = self._carry_out(request, request_id, call)
        except ApiError as error:
            call.outcome = error.code
            answer = api_answer(error.as_response(), request_id)
        if request.headers.get("x-tc-action") == "SendEmail":
            self._mailbox.record_call(
                call.parameters,
                arrived=request.arrived,
                request_id=request_id,
                outcome=call.outcome,
                fault=call.fault,
                message_id=call.message_id,
            )
        return answer

    def _carry_out(self, request: Request, request_id: str, call: "_CallInProgress") -> Answer:
        action = self._admit(request)
        call.parameters = parameters.load(request.body)
        parameters.check(call.parameters, action.kind)
        work = action.prepare(call.parameters, request, request_id)
        name = request.headers["x-tc-action"]
        fault = self._faults.choose(name, call.parameters, redirected=request.path == REDIRECT_PATH)
        if fault is not None and not fault.accepts:
            call.fault, call.outcome = fault.name, fault.code or "not-accepted"
            return fault.alter(api_answer(_error_of(fault).as_response(), request_id))
        response = work()
        call.message_id = response.get("MessageId", "")
        answer = api_answer(response, request_id)
        if fault is None:
            return answer
        call.fault = fault.name
        return fault.alter(answer)

    def _admit(self, request: Request) -> Action:
        """The action, after the gateway's checks: size, action, version, region, signature, rate."""
        headers = request.headers
        if request.method != "POST":
            raise ApiError("UnsupportedProtocol", "This emulator takes POST.")
        if request.size > GATEWAY_MAX:
            raise ApiError("RequestSizeLimitExceeded")
        if "x-tc-action" not in headers:
            raise ApiError("MissingParameter", "X-TC-Action; requests are signed with TC3-HMAC-SHA256.")
        action = self._actions.get(headers["x-tc-action"])
        if action is None:
            raise ApiError("InvalidAction")
        for header, expected, code in (
            ("x-tc-version", VERSION, "NoSuchVersion"),
            ("x-tc-region", REGION, "UnsupportedRegion"),
        ):
            if header not in headers:
                raise ApiError("MissingParameter", f"{header.title()}.")
            if headers[header] != expected:
                raise ApiError(code, f"Use {expected}.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise ApiError("InvalidRequest", "The content type is not application/json.")
        signature.verify(
            headers,
            request.body,
            credentials=self._settings.credentials,
            tokens=self._settings.tokens,
            now=self._settings.clock(),
        )
        action.rate.admit(request.arrived)
        return action

    def _send_email(self, given: dict[str, Any], request: Request, request_id: str) -> Work:
        draft = send_email.check(given, request.size, self._settings, self.templates)

        def accept() -> dict[str, Any]:
            self._limits.admit(draft.sender_domain, draft.recipients, self._settings.clock())
            mail = self._mailbox.accept(draft, given, request.size, request_id)
            self._callbacks.follow(mail)
            return {"MessageId": mail.message_id}

        return accept


@dataclass
class _CallInProgress:
    """What is known of a call so far, for the record of calls."""

    parameters: dict[str, Any]
    outcome: str = "accepted"
    fault: str = ""
    message_id: str = ""


def _error_of(fault: Fault) -> ApiError:
    return ApiError(fault.code or "InternalError", fault.message)
