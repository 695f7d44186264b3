"""Faults on demand: which exist, and who gets one.

A fault is chosen by a recipient at `fault.example`, whose local part is the fault's name (`+once` or `+3`
after it limits it to the first one or three attempts of each Message-ID), or by a rule of the admin API.
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
from .answer import Answer, Ending
from .errors import MESSAGES, ApiError
from .send_email import recipients_of

FAULT_DOMAIN = "fault.example"
REDIRECT_PATH = "/redirected"
ATTEMPTS_KEPT = 100_000
_DOTTED_CODE = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+)+")
_HTML_PAGE = b"<!doctype html><html><head><title>%s</title></head><body><h1>%s</h1></body></html>"
_CHARSET = "application/json; charset=utf-8"


def _unchanged(answer: Answer) -> Answer:
    return answer


def _page(title: bytes, status: int) -> Callable[[Answer], Answer]:
    return partial(
        replace, body=_HTML_PAGE % (title, title), status=status, content_type="text/html; charset=utf-8"
    )


def _cut_json(answer: Answer) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def _without_message_id(answer: Answer) -> Answer:
    return replace(answer, body=re.sub(rb'"MessageId": "[^"]*", ', b"", answer.body))


@dataclass(frozen=True)
class Fault:
    """One way to fail: is the request carried out first, and what becomes of its answer.

    A fault that does not accept the request starts from the error answer `code`.
    """

    name: str
    accepts: bool
    alter: Callable[[Answer], Answer] = _unchanged
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
    """Codes by lower-case name: the whole code, and its last part where that is no other code."""
    names: dict[str, str] = {}
    for code in MESSAGES:
        names.setdefault(code.rpartition(".")[2].lower(), code)
    return names | {code.lower(): code for code in MESSAGES}


_CODE_NAMES = _code_names()


def find(name: str) -> Fault | None:
    """The fault of that name, in any case: of the transport, a code or its last part, any dotted code."""
    transport = TRANSPORT_FAULTS.get(name.lower())
    if transport is not None:
        return transport
    code = _CODE_NAMES.get(name.lower()) or (name if _DOTTED_CODE.fullmatch(name) else None)
    return None if code is None else Fault(code, accepts=False, code=code)


@dataclass
class Rule:
    """A fault set through the admin API; `remaining` None means until it is deleted.

    `match` holds glob patterns, in any case, for `recipient`, `subject`, `smtp_message_id` and `action`;
    without one for the action a rule is for SendEmail alone.
    """

    id: int
    fault: Fault
    remaining: int | None
    match: Mapping[str, str] = field(default_factory=dict)

    def matches(self, action: str, parameters: Mapping[str, Any]) -> bool:
        """Whether the rule is for this call."""
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
        """The rule as the admin API lists it."""
        return {"id": self.id, "fault": self.fault.name, "times": self.remaining, "match": dict(self.match)}


MATCHABLE = frozenset({"action", "recipient", "subject", "smtp_message_id"})


class Faults:
    """The rules in force and the attempts counted so far."""

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
        """The rules in force as JSON, in the order in which they are tried."""
        with self._lock:
            return [rule.as_json() for rule in self._rules]

    def add(self, name: str, *, times: int | None = 1, message: str = "", **match: str) -> dict[str, Any]:
        """Set a rule for the next `times` matching calls (None: all); raises ValueError."""
        fault = find(name)
        if fault is None:
            raise ValueError(f"no such fault: {name}")
        if unknown := set(match) - MATCHABLE:
            raise ValueError(f"match takes {sorted(MATCHABLE)}, not {sorted(unknown)}")
        if times is not None and times < 1:
            raise ValueError("times is a positive number, or null for every call")
        with self._lock:
            self._added += 1
            rule = Rule(self._added, replace(fault, message=message), times, match)
            self._rules.append(rule)
            return rule.as_json()

    def choose(self, action: str, parameters: Mapping[str, Any], *, redirected: bool) -> Fault | None:
        """The fault for this call, which uses up one of its times.

        A call that followed a redirect is not redirected again. Raises `ApiError` for a recipient at
        fault.example that names no fault.
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
                    fault = self._of_recipient(recipient, parameters.get("SmtpMessageId", ""))
                    if fault is not None and not (redirected and fault.name == "redirect-307"):
                        return fault
        return None

    def _of_recipient(self, recipient: str, smtp_message_id: str) -> Fault | None:
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
        if len(self._attempts) > ATTEMPTS_KEPT:
            self._attempts.popitem(last=False)
        return fault if attempts <= limit else None
