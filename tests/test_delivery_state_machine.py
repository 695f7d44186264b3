"""The delivery guarantee as a Hypothesis state machine: no email is lost, and none is sent twice."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from factories import email
from mailer import clock
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
    from mailer.email.request import EmailRequest

EMAILS = st.integers(0, 7)
# Results of a call: whether SES accepts the email, and the code that is raised in place of a receipt.
RESULTS = {
    "accepted": (True, None),
    "response lost": (True, "Transport.ReadTimeout"),
    "internal error, accepted": (True, "InternalError"),
    "reset before": (False, "Transport.ConnectionLost"),
    "internal error": (False, "InternalError"),
    "no capacity": (False, "ResourceInsufficient"),
    "invalid": (False, "FailedOperation.WrongContentJson"),
}


class FakeSes:
    """SES whose next results the test sets; without one it accepts."""

    def __init__(self) -> None:
        self.results: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.accepted: Counter[str] = Counter()
        self.measured_clock = clock.offset_of(clock.now(), clock.Moment())
        self.status_works = True

    def open(self) -> None:
        """Do nothing: there is no connection to open."""

    def send(self, request: EmailRequest, smtp_message_id: str, _seconds: float) -> Receipt:
        accepts, code = RESULTS[self.results.pop() if self.results else "accepted"]
        ses_message_id = uuid.uuid4().hex
        if accepts:
            self.accepted[smtp_message_id] += 1
            self.rows.append(
                {
                    "MessageId": ses_message_id,
                    "ToEmailAddress": request.to[0],
                    "FromEmailAddress": "noreply@mail.shop.example",
                    "RequestTime": int(time.time()),
                }
            )
        if code:
            raise SesFailure(code)
        return Receipt(ses_message_id, None)

    def call(self, action: str, params: dict[str, Any], _seconds: float) -> dict[str, Any]:
        assert action == "GetSendEmailStatus"
        if not self.status_works:
            raise SesFailure("InternalError")
        found = [
            row
            for row in self.rows
            if row["ToEmailAddress"] == params["ToEmailAddress"]
            and datetime.fromtimestamp(row["RequestTime"], SES_TIME_ZONE).date().isoformat()
            == params["RequestDate"]
        ]
        return {"EmailStatusList": found[params["Offset"] :][: params["Limit"]]}


class DeliveryMachine(RuleBasedStateMachine):
    """Callers, redeliveries, crashes and sweeps in any order, over a real ledger."""

    runtime: Runtime  # its store and settings, which each machine uses with its own account

    def __init__(self) -> None:
        super().__init__()
        account = uuid.uuid4().hex
        store = Store(self.runtime.settings.store_url, account)
        self.ses = FakeSes()
        own_settings = replace(self.runtime.settings, account=account)
        self.mailer = Runtime(own_settings, self.runtime.config, Ledger(store, rate=1000), self.ses)  # type: ignore[arg-type]
        self.store = store
        self.submitted: dict[int, str] = {}
        self.refused: set[int] = set()

    def request(self, number: int) -> EmailRequest:
        """Return an email: 0 to 3 share a recipient, the others have their own; 3 and 7 hold when unknown."""
        recipient = "shared" if number < 4 else f"own-{number}"
        held = {"on_unknown": "hold"} if number in {3, 7} else {}
        return email(to=f"{recipient}@customer.example", subject=f"Mail {number}", **held)

    def id_of(self, number: int) -> str:
        return id_for(self.mailer.settings.account, f"mail-{number}")

    @rule(number=EMAILS, result=st.sampled_from(sorted(RESULTS)))
    def submit(self, number: int, result: str) -> None:
        """Deliver an email for a caller, or for a platform that redelivers its event."""
        self.ses.results = [result]
        outcome = deliver(
            self.request(number),
            key=f"mail-{number}",
            deadline=Deadline(20),
            defer=DeferPolicy.ALWAYS,
            runtime=self.mailer,
        )
        self.ses.results = []
        self.submitted[number] = outcome.id
        self.refused.discard(number)
        if outcome.disposition is Disposition.REFUSED:
            self.refused.add(number)

    @rule(number=EMAILS, called=st.booleans())
    def crash(self, number: int, *, called: bool) -> None:
        """Crash a worker between admission and settlement, before or after its call."""
        attempt = Attempt(self.id_of(number), self.request(number), "test")
        if self.mailer.ledger.admit(attempt).verdict.value == "send":
            if called:
                self.ses.send(attempt.request, attempt.smtp_message_id, 1)
            self.store.client.hset(self.store.key("email", attempt.id), "lease_until", 1)
            self.store.client.zadd(self.store.key("open"), {attempt.id: 1})
        self.submitted[number] = attempt.smtp_message_id
        self.refused.discard(number)

    @rule(result=st.sampled_from(sorted(RESULTS)))
    def sweep(self, result: str) -> None:
        """Let hours pass, then run a sweep."""
        self.time_passes()
        self.ses.results = [result]
        sweep("test", Deadline(20), self.mailer)
        self.ses.results = []

    @rule(works=st.booleans())
    def status_queries_work(self, *, works: bool) -> None:
        self.ses.status_works = works

    def time_passes(self) -> None:
        client, key = self.store.client, self.store.key
        for email_id in client.zrange(key("open"), 0, -1):
            client.zadd(key("open"), {email_id: 1})
        for email_id in client.zrange(key("due"), 0, -1):
            client.zadd(key("due"), {email_id: 1})
            client.hset(key("email", email_id), "due_at", 1)
        if hours := client.keys(key("sent", "*")):
            client.delete(*hours)

    @invariant()
    def none_is_sent_twice(self) -> None:
        assert max(self.ses.accepted.values(), default=0) <= 1

    @invariant()
    def none_is_recorded_as_accepted_that_was_not(self) -> None:
        for number, smtp_message_id in self.submitted.items():
            record = self.mailer.ledger.get(self.id_of(number))
            if record and record.state is State.ACCEPTED:
                assert self.ses.accepted[smtp_message_id] == 1

    def teardown(self) -> None:
        """Check that, once all works again, every email is accepted once, refused, or left to an operator."""
        self.ses.status_works = True
        for _ in range(3):
            self.time_passes()
            sweep("test", Deadline(20), self.mailer)
        self.none_is_sent_twice()
        dead = {letter["source"] for letter in self.mailer.ledger.dead_letters()}
        for number, smtp_message_id in self.submitted.items():
            record = self.mailer.ledger.get(self.id_of(number))
            assert record
            if record.state is State.UNKNOWN:
                assert record.history[-1]["decision"] in {"needs_operator", "ambiguous"}
                # A row may be that of a look-alike, or of an earlier request under the same key.
                alike = number < 4 or record.attempts_before > 0
                assert alike or record.history[-1]["decision"] == "needs_operator"
            elif record.state is State.ACCEPTED:
                assert self.ses.accepted[smtp_message_id] == 1
            else:
                assert record.state is State.REFUSED
                assert number in self.refused or f"email:{record.id}" in dead
        self.store.close()


@pytest.mark.once
def test_no_email_is_lost_and_none_is_sent_twice(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailer.ledger.unknown.QUERY_INTERVAL_MS", 1)
    machine = type("Machine", (DeliveryMachine,), {"runtime": runtime})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=20))
