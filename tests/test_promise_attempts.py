"""Halts are probed and attempts counted each for itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from factories import email
from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition
from mailer.ledger import Attempt, CallResult, Verdict
from mailer.ledger.record import State
from mailer.ses.error_table import rule_for
from promise_steps import UNSENT, admitted, email_id, record_of, send, sweep_all
from stored_times import end_halts

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

pytestmark = pytest.mark.unlimited_status_queries


def test_probe_ends_only_the_halts_that_it_probed(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InsufficientBalance")
    deliver(email())
    end_halts(runtime)
    probe, admission = admitted(runtime)

    halting, other = email(subject="Forbidden"), "FailedOperation.URLForbidden"
    one = Attempt(email_id(runtime, "order-2"), halting, "test")
    store = runtime.ledger.store
    store.client.hset(
        store.key("halt", "template", "100091"), mapping={"code": other, "until_at": 2e12 + 5e11}
    )
    store.client.hset(store.key("halt", "template", "100091"), "since", store.now())
    runtime.ledger.settle(probe, admission, CallResult(State.ACCEPTED, ses_message_id="m"))
    assert store.client.exists(store.key("halt", "account")) == 0
    assert runtime.ledger.admit(one).verdict is Verdict.HALTED


def test_halt_that_was_renewed_during_its_probe_stays(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InsufficientBalance")
    deliver(email())
    end_halts(runtime)
    probe, admission = admitted(runtime)
    store = runtime.ledger.store
    store.client.hset(store.key("halt", "account"), "since", store.now() + 1)
    runtime.ledger.settle(probe, admission, CallResult(State.ACCEPTED, ses_message_id="m"))
    assert store.client.exists(store.key("halt", "account")) == 1


def test_acceptance_of_what_was_admitted_before_a_halt_does_not_end_it(
    runtime: Runtime, ses: Emulator
) -> None:
    one, admission = admitted(runtime)
    ses.add_fault("FailedOperation.InsufficientBalance")
    deliver(email(), key="order-2")
    runtime.ledger.settle(one, admission, CallResult(State.ACCEPTED, ses_message_id="m"))
    assert deliver(email(), key="order-3").disposition is Disposition.HALTED


def test_email_sent_again_after_its_attempts_were_exhausted_has_all_of_them(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.delivery.deliver.MAX_ATTEMPTS", 3)
    ses.add_fault(UNSENT, times=None)
    for _ in range(2):
        assert send(runtime).state is State.DEFERRED
        assert sweep_all(runtime) == {"deferred": 1}
        assert sweep_all(runtime) == {"failed": 1}
    record = record_of(runtime)
    assert (record.attempts, record.attempts_before) == (6, 3)
    letters = [json.loads(letter["reason"]) for letter in runtime.ledger.dead_letters()]
    assert len(letters) == 2
    rule = rule_for("Ledger.AttemptsExhausted")
    assert {letter["detail"] for letter in letters} == {f"{rule.why}; {rule.hint}"}


def test_reconciliation_gives_an_email_sent_again_all_of_its_attempts(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.delivery.reconcile.MAX_ATTEMPTS", 1)
    ses.add_fault("reset-before")
    send(runtime)
    assert sweep_all(runtime) == {"exhausted": 1}
    monkeypatch.setattr("mailer.delivery.reconcile.MAX_ATTEMPTS", 2)
    ses.add_fault("reset-before")
    send(runtime)
    assert sweep_all(runtime) == {"resend": 1, "accepted": 1}
