"""A model of SES: it accepts or refuses, answers late or not at all, and lists what it accepted later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from mailer import clock
from mailer.delivery.reconcile import SES_TIME_ZONE
from mailer.ses.client import SesClient
from mailer.ses.error_table import GROUPS, Action, Scope, rule_for
from simulation.facts import DAY, MINUTE, SECOND
from simulation.sdk import DATED, LOST, NOT_SENT, READ_TIMEOUT, lose_answer, raise_not_sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.faults import Faults
    from simulation.world import World

MAX_LAG = 10 * MINUTE  # of the list; with all that clocks are set by, less than the grace time
LISTED = 29 * DAY  # at least; the page says 30
MAX_ACCEPTANCE_DELAY = 40 * SECOND  # after the call began
ACCEPTED = "accepted"
_LOCAL = "Ledger.", "Transport."
_WITHOUT_REQUEST = frozenset(GROUPS["What the SDK raises before it sends"])
CODES = {
    action: [
        code
        for group in GROUPS.values()
        for code, rule in group.items()
        if rule.action is action and not code.startswith(_LOCAL)
    ]
    for action in Action
}
CODES[Action.RECONCILE] += ["FailedOperation.Novel", "Unheard.Of"]
HALTS = {
    scope: [code for code in CODES[Action.HALT] if rule_for(code).scope is scope]
    for scope in (Scope.ACCOUNT, Scope.SENDER, Scope.TEMPLATE)
}
HALT_WEIGHTS = (1, 1, 6)  # while an account is halted nothing else happens
_QUERY_CODES = ("InternalError", "RequestLimitExceeded", "FailedOperation.NotSupportDate")


@dataclass(eq=False)
class Call:
    """One SendEmail call: `content` is its subject, `token` and `step` are those of its admission.

    `accepted_at` is by the world's clock (ms).
    """

    email: str
    content: str
    template: str
    token: str
    step: int
    sender: str
    recipients: list[str]
    ses_message_id: str = ""
    accepted_at: int | None = None
    given_up: bool = False


@dataclass(frozen=True)
class _Row:
    """SES's entry for one recipient: its time is SES's (seconds), the others are the world's (ms)."""

    call: Call
    recipient: str
    request_time: int
    visible_from: int
    visible_until: int

    @property
    def day(self) -> str:
        return datetime.fromtimestamp(self.request_time, SES_TIME_ZONE).date().isoformat()

    def fields(self) -> dict[str, Any]:
        return {
            "MessageId": self.call.ses_message_id,
            "FromEmailAddress": self.call.sender.rpartition("<")[2].strip(">"),
            "ToEmailAddress": self.recipient,
            "RequestTime": self.request_time,
        }


class Ses:
    """SES of one history; how it fails, and how often, is drawn from the seed."""

    def __init__(
        self, world: World, faults: Faults, on_accepted: Callable[[Call], None], *, halts: bool
    ) -> None:
        random = world.random
        self._world, self._faults, self._on_accepted = world, faults, on_accepted
        self.calls: list[Call] = []
        self._rows: list[_Row] = []
        kinds = ("code", "code", "not sent", "lost", "lost", "late")
        self._trouble = 0.6 if halts else random.choice((0.1, 0.4, 0.7, 0.95))
        self._kinds = ["code"] if halts else random.sample(kinds, k=random.randrange(1, 4))
        self._actions = random.sample(list(CODES), k=random.randrange(1, 4))
        self._halts = halts
        self._slowest = (300, 9 * SECOND) if halts else (300, 300, 15 * SECOND)
        self._max_lag = random.choice((1, 20 * SECOND, MAX_LAG))

    def now(self) -> int:
        """Return SES's time (ms)."""
        return self._world.time + self._faults.ses_skew

    def _date(self) -> str:
        return format_datetime(datetime.fromtimestamp(self.now() // SECOND, timezone.utc), usegmt=True)

    def _troubled(self, share: float = 1.0) -> bool:
        return not self._faults.calm and self._world.random.random() < self._trouble * share

    # SendEmail.

    def send(
        self, client: SimulatedSesClient, parameters: dict[str, Any], connect: float, read: float
    ) -> bytes:
        """Answer SendEmail as the SDK does: return the body, or raise."""
        random = self._world.random
        kind = random.choice(self._kinds) if self._troubled() else ACCEPTED
        call = self._call(parameters)
        self._step("before", call)
        if kind == "not sent":
            how = random.choice(NOT_SENT)
            self._world.reach(f"SES: {how}")
            self._world.wait(random.randrange(int(connect * SECOND)))
            self._note(call, f"not sent, {how}")
            raise_not_sent(how)
        self.calls.append(call)
        call.ses_message_id = f"ses-{len(self.calls)}"
        answer_in = random.randrange(5, random.choice(self._slowest))
        if kind == ACCEPTED:
            self._accept_in(random.randrange(answer_in), call)
            self._answer(client, call, answer_in, read, ACCEPTED)
            return _body({"MessageId": call.ses_message_id})
        if kind == "code":
            return self._refuse(client, call, answer_in, read)
        if kind == "late" or random.random() < 0.6:
            self._accept_in(random.randrange(MAX_ACCEPTANCE_DELAY if kind == "late" else 300), call)
        how = random.choice(LOST)
        self._world.reach(f"SES: {how}")
        self._answer(client, call, MINUTE if how == READ_TIMEOUT else answer_in, read, how)
        return lose_answer(how)

    def _call(self, parameters: dict[str, Any]) -> Call:
        email = parameters["SmtpMessageId"].strip("<>").partition("@")[0]
        recipients = [to for name in ("Destination", "Cc", "Bcc") for to in parameters.get(name, ())]
        template = json.dumps(parameters.get("Template", {}))
        admission = self._world.process.admitted[email]
        return Call(
            email,
            parameters["Subject"],
            template,
            *admission,
            sender=parameters["FromEmailAddress"],
            recipients=recipients,
        )

    def _refuse(self, client: SimulatedSesClient, call: Call, answer_in: int, read: float) -> bytes:
        random = self._world.random
        action = random.choice(self._actions)
        [scope] = random.choices(list(HALTS), weights=HALT_WEIGHTS)
        codes = HALTS[scope] if self._halts else CODES[action]
        code = random.choice(codes)
        if not rule_for(code).certainly_not_sent and random.random() < 0.5:
            self._accept_in(random.randrange(answer_in, MAX_ACCEPTANCE_DELAY), call)
        self._answer(client, call, answer_in, read, code)
        raise TencentCloudSDKException(code, "-", None if code in _WITHOUT_REQUEST else "request-id")

    def _accept_in(self, milliseconds: int, call: Call) -> None:
        self._world.after(milliseconds, lambda: self._accept(call))

    def _accept(self, call: Call) -> None:
        world = self._world
        if call.given_up:
            world.reach("SES: accepted after the client gave up")
        call.accepted_at = world.time
        world.note("SES", f"accepts {self._faults.label(call.email)} as {call.ses_message_id}")
        visible = world.time + world.random.randrange(self._max_lag)
        self._rows += [
            _Row(call, to, self.now() // SECOND, visible, world.time + LISTED) for to in call.recipients
        ]
        self._on_accepted(call)

    def _answer(self, client: SimulatedSesClient, call: Call, answer_in: int, read: float, what: str) -> None:
        """Let the client wait for an answer; its Date is read where its headers come."""
        world, asked_at = self._world, clock.Moment()
        if answer_in > read * SECOND:
            world.wait(read * SECOND)
            call.given_up = True
            world.reach("SES: slower than the client waits")
            self._note(call, f"no answer in {read:.1f} s")
            lose_answer(READ_TIMEOUT)
        world.wait(answer_in)
        self._note(call, what)
        date = self._date()
        self._step("after", call)
        if what not in LOST or what in DATED:
            client.read_date(date, asked_at)

    def _note(self, call: Call, what: str) -> None:
        self._world.note(self._world.process.name, f"SendEmail {self._faults.label(call.email)}: {what}")

    def _step(self, when: str, call: Call) -> None:
        world, faults = self._world, self._faults
        if faults.hit(f"killed {when} a command", f"SendEmail {faults.label(call.email)}"):
            world.kill(world.process)
        elif faults.happens(f"stalled {when} a command"):
            stall = world.random.randrange(1, 20 if when == "before" else 1200)
            self._note(call, f"! stalls for {stall} s {when}")
            world.wait(stall * SECOND)
        faults.set_worker_clock()
        world.wait(0)

    # GetSendEmailStatus.

    def list(self, client: SimulatedSesClient, parameters: dict[str, Any], read: float) -> bytes:
        """Answer GetSendEmailStatus as the SDK does: return the body, or raise."""
        world, asked_at = self._world, clock.Moment()
        world.wait(world.random.randrange(5, 300))
        if self._troubled(0.3):
            how = world.random.choice((*LOST, *_QUERY_CODES))
            world.note(world.process.name, f"GetSendEmailStatus: {how}")
            world.reach("SES: status query failed")
            if how == READ_TIMEOUT:
                world.wait(read * SECOND)
            if how in LOST:
                return lose_answer(how)
            raise TencentCloudSDKException(how, "-", "request-id")
        asked_for = parameters["ToEmailAddress"], parameters["RequestDate"]
        rows = [
            row.fields()
            for row in self._rows
            if (row.recipient, row.day) == asked_for and row.visible_from <= world.time < row.visible_until
        ]
        page = rows[parameters["Offset"] :][: parameters["Limit"]]
        world.note(world.process.name, f"GetSendEmailStatus -> {[row['MessageId'] for row in page]}")
        client.read_date(self._date(), asked_at)
        return _body({"EmailStatusList": page})


class SimulatedSesClient(SesClient):
    """The layer's client over a model of the SDK's."""

    def __init__(self, ses: Ses) -> None:
        super().__init__("https", "ses.example", "ap-singapore")
        self._ses = ses

    def _build(self) -> Any:
        session = SimpleNamespace(close=lambda: None)
        connection = SimpleNamespace(_session=session)
        return SimpleNamespace(call=self._call, request=SimpleNamespace(conn=connection))

    def _call(self, action: str, parameters: dict[str, Any]) -> bytes:
        connect, read = self._timeouts.value
        if action == "GetSendEmailStatus":
            return self._ses.list(self, parameters, read)
        return self._ses.send(self, parameters, connect, read)

    def read_date(self, date: str, asked_at: clock.Moment) -> None:
        """Read the Date of a response, as the adapter below the SDK does."""
        self._read_date(date, asked_at)


def _body(response: dict[str, Any]) -> bytes:
    return json.dumps({"Response": {**response, "RequestId": "request-id"}}).encode()
