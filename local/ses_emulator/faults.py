"""Faults on demand: which exist, and which calls fail.

The local part of a recipient at `fault.example` names its fault (`+once` or `+3` after it limits the fault to
the first one or three attempts of each Message-ID). A rule of the admin API applies to the calls it matches.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from .addresses import domain_of
from .errors import MESSAGES, ApiError
from .response import Ending, Response
from .send_email import recipients_of

FAULT_DOMAIN = "fault.example"
REDIRECT_PATH = "/redirected"
ATTEMPT_COUNTERS_MAX = 100_000
_DOTTED_CODE = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+)+")
_HTML_PAGE = b"<!doctype html><html><head><title>%s</title></head><body><h1>%s</h1></body></html>"
_CHARSET = "application/json; charset=utf-8"


def _unchanged(response: Response) -> Response:
    return response


def _page(title: bytes, status: int) -> Callable[[Response], Response]:
    return partial(
        replace, body=_HTML_PAGE % (title, title), status=status, content_type="text/html; charset=utf-8"
    )


def _cut_json(response: Response) -> Response:
    return replace(response, body=response.body[: len(response.body) // 2])


def _without_message_id(response: Response) -> Response:
    return replace(response, body=re.sub(rb'"MessageId": "[^"]*", ', b"", response.body))


@dataclass(frozen=True)
class Fault:
    """One way to fail: whether the request is executed first, and how its response is altered.

    A fault that does not accept the request alters the error response with its `code`.
    """

    name: str
    accepts: bool
    alter: Callable[[Response], Response] = _unchanged
    code: str = ""
    message: str = ""


TRANSPORT_FAULTS = {
    fault.name: fault
    for fault in (
        Fault("answer-lost", True, partial(replace, ending=Ending.CLOSE)),
        Fault("reset-before", False, partial(replace, ending=Ending.RESET)),
        Fault("reset-after", True, partial(replace, ending=Ending.RESET)),
        Fault("slow", True, partial(replace, ending=Ending.HANG)),
        Fault("slow-before", False, partial(replace, ending=Ending.HANG)),
        Fault("http-500", True, _page(b"500 Internal Server Error", 500)),
        Fault("http-502", False, _page(b"502 Bad Gateway", 502)),
        Fault("cut-body", True, partial(replace, ending=Ending.CUT)),
        Fault("bad-json", True, _cut_json),
        Fault("html", True, _page(b"Welcome to the network", 200)),
        Fault("no-message-id", True, _without_message_id),
        Fault("charset", False, partial(replace, content_type=_CHARSET), code="RequestLimitExceeded"),
        Fault("charset-accepted", True, partial(replace, content_type=_CHARSET)),
        Fault("no-content-type", True, partial(replace, content_type=None)),
        Fault(
            "redirect-307",
            False,
            partial(replace, status=307, body=b"", headers=(("Location", REDIRECT_PATH),)),
        ),
    )
}


def _code_names() -> dict[str, str]:
    """Return codes by lower-case name: the whole code, and its last part unless that is another code."""
    names: dict[str, str] = {}
    for code in MESSAGES:
        names.setdefault(code.rpartition(".")[2].lower(), code)
    return names | {code.lower(): code for code in MESSAGES}


_CODE_NAMES = _code_names()


def find(name: str) -> Fault | None:
    """Return the fault with that name, in any case: a transport fault, a code, its last part, a new code."""
    transport_fault = TRANSPORT_FAULTS.get(name.lower())
    if transport_fault is not None:
        return transport_fault
    code = _CODE_NAMES.get(name.lower()) or (name if _DOTTED_CODE.fullmatch(name) else None)
    return None if code is None else Fault(code, accepts=False, code=code)


@dataclass
class Rule:
    """A fault set through the admin API; without `remaining` it applies until it is deleted.

    `match` holds glob patterns, in any case, for `recipient`, `subject`, `smtp_message_id` and `action`;
    without one for `action`, it applies to SendEmail alone.
    """

    id: int
    fault: Fault
    remaining: int | None
    match: Mapping[str, str] = field(default_factory=dict)

    def matches(self, action: str, parameters: Mapping[str, Any]) -> bool:
        """Return whether the rule applies to this call."""
        candidates = {
            "action": [action],
            "recipient": recipients_of(parameters) or [parameters.get("ToEmailAddress", "")],
            "subject": [parameters.get("Subject", "")],
            "smtp_message_id": [parameters.get("SmtpMessageId", "")],
        }
        patterns = {"action": "SendEmail", **self.match}
        return all(
            any(fnmatchcase(candidate.lower(), pattern.lower()) for candidate in candidates[name])
            for name, pattern in patterns.items()
        )

    def as_json(self) -> dict[str, Any]:
        """Return the rule as the admin API lists it."""
        return {"id": self.id, "fault": self.fault.name, "times": self.remaining, "match": dict(self.match)}


MATCHABLE = frozenset({"action", "recipient", "subject", "smtp_message_id"})


class Faults:
    """The rules of one account and the attempts counted so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Drop all rules and attempt counts."""
        with self._lock:
            self._rules: list[Rule] = []
            self._added = 0
            self._attempts: OrderedDict[tuple[str, str], int] = OrderedDict()

    def clear(self) -> None:
        """Drop all rules."""
        with self._lock:
            self._rules = []

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules as JSON, in the order in which they are matched."""
        with self._lock:
            return [rule.as_json() for rule in self._rules]

    def add(self, name: str, *, times: int | None = 1, message: str = "", **match: str) -> dict[str, Any]:
        """Add a rule for the next `times` matching calls (None: all) and return it; raises ValueError."""
        fault = find(name)
        if fault is None:
            raise ValueError(f"no such fault: {name}")
        if unknown := set(match) - MATCHABLE:
            raise ValueError(f"match accepts {sorted(MATCHABLE)}, not {sorted(unknown)}")
        if times is not None and times < 1:
            raise ValueError("times must be a positive number, or null for every call")
        with self._lock:
            self._added += 1
            rule = Rule(self._added, replace(fault, message=message), times, match)
            self._rules.append(rule)
            return rule.as_json()

    def match(self, action: str, parameters: Mapping[str, Any], *, redirected: bool) -> Fault | None:
        """Return the fault for this call, and count the call against its rule.

        A call that followed a redirect is not redirected again. Raises `ApiError` for an address at
        fault.example that does not name a fault.
        """
        with self._lock:
            for rule in self._rules:
                if rule.matches(action, parameters) and not (
                    redirected and rule.fault.name == "redirect-307"
                ):
                    if rule.remaining is not None:
                        rule.remaining -= 1
                        if rule.remaining == 0:
                            self._rules.remove(rule)
                    return rule.fault
            for recipient in recipients_of(parameters):
                if domain_of(recipient) == FAULT_DOMAIN:
                    fault = self._fault_of_recipient(recipient, parameters.get("SmtpMessageId", ""))
                    if fault is not None and not (redirected and fault.name == "redirect-307"):
                        return fault
        return None

    def _fault_of_recipient(self, recipient: str, smtp_message_id: str) -> Fault | None:
        name, _, suffix = recipient.rpartition("@")[0].partition("+")
        fault = find(name)
        limit = 1 if suffix.lower() == "once" else int(suffix) if suffix.isdecimal() else None
        if fault is None or (suffix and limit is None):
            raise ApiError(
                "InvalidParameterValue",
                f"The emulator has no fault named {name}{'+' * bool(suffix)}{suffix}.",
            )
        if limit is None:
            return fault
        key = (recipient.lower(), smtp_message_id)
        attempts = self._attempts.pop(key, 0) + 1
        self._attempts[key] = attempts
        if len(self._attempts) > ATTEMPT_COUNTERS_MAX:
            self._attempts.popitem(last=False)
        return fault if attempts <= limit else None
