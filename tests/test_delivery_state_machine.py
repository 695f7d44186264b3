"""The one rule, as a state machine: no email is lost and none is sent twice, whatever fails."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from factories import email
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition
from mailer.delivery.reconcile import SES_TIME_ZONE
from mailer.delivery.sweep import sweep
from mailer.email.identity import id_for
from mailer.errors import SesFailure
from mailer.ledger import Attempt, DeferPolicy, Ledger, Store
from mailer.ledger.record import State
from mailer.runtime import Runtime
from mailer.ses.client import Receipt

if TYPE_CHECKING:
    import pytest

    from mailer.email.request import EmailRequest

EMAILS = st.integers(0, 7)
# What a call can come to: whether SES takes the email, and the code that is seen instead of a receipt.
ANSWERS = {
    "accepted": (True, None),
    "answer lost": (True, "Transport.ReadTimeout"),
    "internal error, accepted": (True, "InternalError"),
    "reset before": (False, "Transport.ConnectionLost"),
    "internal error": (False, "InternalError"),
    "no capacity": (False, "ResourceInsufficient"),
    "wrong": (False, "FailedOperation.WrongContentJson"),
}


class FakeSes:
    """SES with its next answers chosen by the test; where none is chosen, it accepts."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.accepted: Counter[str] = Counter()
        self.clock_offset = None
        self.reports = True

    def open(self) -> None:
        """Be ready."""

    def send(self, request: EmailRequest, message_id: str, _seconds: float) -> Receipt:
        accepts, code = ANSWERS[self.answers.pop() if self.answers else "accepted"]
        given = uuid.uuid4().hex
        if accepts:
            self.accepted[message_id] += 1
            self.rows.append(
                {
                    "MessageId": given,
                    "ToEmailAddress": request.to[0],
                    "FromEmailAddress": "noreply@mail.shop.example",
                    "RequestTime": int(time.time()),
                }
            )
        if code:
            raise SesFailure(code)
        return Receipt(given, None)

    def call(self, action: str, question: dict[str, Any], _seconds: float) -> dict[str, Any]:
        assert action == "GetSendEmailStatus"
        if not self.reports:
            raise SesFailure("InternalError")
        found = [
            row
            for row in self.rows
            if row["ToEmailAddress"] == question["ToEmailAddress"]
            and datetime.fromtimestamp(row["RequestTime"], SES_TIME_ZONE).date().isoformat()
            == question["RequestDate"]
        ]
        return {"EmailStatusList": found[question["Offset"] :][: question["Limit"]]}


class DeliveryMachine(RuleBasedStateMachine):
    """Callers, redeliveries, deaths and sweeps in any order, over a real ledger."""

    runtime: Runtime  # what the machine's account is made from

    def __init__(self) -> None:
        super().__init__()
        account = uuid.uuid4().hex
        store = Store(self.runtime.settings.store_url, account)
        self.ses = FakeSes()
        chosen = replace(self.runtime.settings, account=account)
        self.mailer = Runtime(chosen, self.runtime.config, Ledger(store, rate=1000), self.ses)  # type: ignore[arg-type]
        self.store = store
        self.asked: dict[int, str] = {}
        self.refused: set[int] = set()

    def request(self, number: int) -> EmailRequest:
        """Emails 0 to 3 share a recipient, the others have their own; 3 and 7 are held where in doubt."""
        recipient = "shared" if number < 4 else f"own-{number}"
        held = {"on_unknown": "hold"} if number in {3, 7} else {}
        return email(to=f"{recipient}@customer.example", subject=f"Mail {number}", **held)

    def id_of(self, number: int) -> str:
        return id_for(self.mailer.settings.account, f"mail-{number}")

    @rule(number=EMAILS, answer=st.sampled_from(sorted(ANSWERS)))
    def ask(self, number: int, answer: str) -> None:
        """A caller, or a platform that delivers the same event again."""
        self.ses.answers = [answer]
        outcome = deliver(
            self.request(number),
            key=f"mail-{number}",
            deadline=Deadline(20),
            defer=DeferPolicy.ALWAYS,
            runtime=self.mailer,
        )
        self.ses.answers = []
        self.asked[number] = outcome.id
        self.refused.discard(number)
        if outcome.disposition is Disposition.REFUSED:
            self.refused.add(number)

    @rule(number=EMAILS, called=st.booleans())
    def die(self, number: int, *, called: bool) -> None:
        """A worker dies between admission and settlement, before or after its call."""
        attempt = Attempt(self.id_of(number), self.request(number), "test")
        if self.mailer.ledger.admit(attempt).verdict.value == "send":
            if called:
                self.ses.send(attempt.request, attempt.smtp_message_id, 1)
            self.store.client.hset(self.store.key("email", attempt.id), "lease_until", 1)
            self.store.client.zadd(self.store.key("open"), {attempt.id: 1})
        self.asked[number] = attempt.smtp_message_id
        self.refused.discard(number)

    @rule(answer=st.sampled_from(sorted(ANSWERS)))
    def sweep(self, answer: str) -> None:
        """Hours go by, then a sweep runs."""
        self.time_passes()
        self.ses.answers = [answer]
        sweep("test", Deadline(20), self.mailer)
        self.ses.answers = []

    @rule(works=st.booleans())
    def status_queries_work(self, *, works: bool) -> None:
        self.ses.reports = works

    def time_passes(self) -> None:
        client, key = self.store.client, self.store.key
        for one in client.zrange(key("open"), 0, -1):
            client.zadd(key("open"), {one: 1})
        for one in client.zrange(key("due"), 0, -1):
            client.zadd(key("due"), {one: 1})
            client.hset(key("email", one), "due_at", 1)
        if hours := client.keys(key("sent", "*")):
            client.delete(*hours)

    @invariant()
    def none_is_sent_twice(self) -> None:
        assert max(self.ses.accepted.values(), default=0) <= 1

    @invariant()
    def none_is_called_accepted_that_was_not(self) -> None:
        for number, message_id in self.asked.items():
            record = self.mailer.ledger.get(self.id_of(number))
            if record and record.state is State.ACCEPTED:
                assert self.ses.accepted[message_id] == 1

    def teardown(self) -> None:
        """Once everything works again, every email is accepted once, refused, or waits for an operator."""
        self.ses.reports = True
        for _ in range(3):
            self.time_passes()
            sweep("test", Deadline(20), self.mailer)
        self.none_is_sent_twice()
        dead = {letter["source"] for letter in self.mailer.ledger.dead_letters()}
        for number, message_id in self.asked.items():
            record = self.mailer.ledger.get(self.id_of(number))
            assert record
            if record.state is State.UNKNOWN:
                assert record.history[-1]["decision"] in {"needs_operator", "ambiguous"}
                assert record.history[-1]["decision"] == "needs_operator" or number < 4
            elif record.state is State.ACCEPTED:
                assert self.ses.accepted[message_id] == 1
            else:
                assert record.state is State.REFUSED
                assert number in self.refused or f"email:{record.id}" in dead
        self.store.close()


def test_no_email_is_lost_and_none_is_sent_twice(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailer.ledger.unknown.QUERY_INTERVAL_MS", 1)
    machine = type("Machine", (DeliveryMachine,), {"runtime": runtime})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=20))
