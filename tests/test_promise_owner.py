"""A row of GetSendEmailStatus stands for one email: whoever settled it counts as the owner of one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import address_hash, email
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver
from mailer.delivery.reconcile import resolve
from mailer.delivery.sweep import sweep
from mailer.ledger import CallResult
from mailer.ledger.record import State
from mailer.ledger.ses_events import EventLedger
from mailer.ledger.unknown import UnknownLedger, acceptance_windows
from mailer.ses.events import SesEvent
from promise_steps import (
    TRANSIENT,
    UNKNOWN,
    admitted,
    email_id,
    expire_lease,
    failure,
    field,
    record_of,
    score,
    sweep_all,
)
from store_faults import around_call

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime


pytestmark = pytest.mark.unlimited_status_queries


def unknown(ses: Emulator, key: str, *, accepted: bool, **fields: Any) -> None:
    ses.add_fault("reset-after" if accepted else "reset-before")
    outcome = deliver(email(subject=key, **fields), key=key, deadline=Deadline(5))
    assert outcome.state is State.UNKNOWN


def tell(runtime: Runtime, key: str, name: str = "delivered", ses_message_id: str | None = None) -> str:
    """Let SES call back about an email by its Message-ID."""
    event = SesEvent.parse(
        {
            "event": name,
            "email": "ann@customer.example",
            "messageId": record_of(runtime, key).smtp_message_id,
            "bulkId": ses_message_id,
            "timestamp": 1,
        },
        address_hash,
    )
    return EventLedger(runtime.ledger.store).record(event)[1]


def owner(runtime: Runtime, ses_message_id: str) -> str | None:
    store = runtime.ledger.store
    name: str | None = store.client.get(store.key("message", ses_message_id))
    return name


@pytest.mark.parametrize("by", ["operator", "callback"])
def test_email_settled_without_a_message_id_leaves_no_row_to_its_look_alike(
    runtime: Runtime, ses: Emulator, by: str
) -> None:
    unknown(ses, "sent", accepted=True)
    unknown(ses, "lost", accepted=False)
    if by == "operator":
        resolve(email_id(runtime, "sent"), "accepted", runtime)
    else:
        assert tell(runtime, "sent") == "settled"
    assert sweep_all(runtime) == {"ambiguous": 1}
    assert record_of(runtime, "lost").state is State.UNKNOWN
    assert len(ses.inbox()) == 1


@pytest.mark.parametrize("by", ["operator", "callback"])
def test_look_alike_that_was_sent_is_found_beside_one_settled_without_a_message_id(
    runtime: Runtime, ses: Emulator, by: str
) -> None:
    for key in ("first", "second"):
        unknown(ses, key, accepted=True)
    if by == "operator":
        resolve(email_id(runtime, "first"), "accepted", runtime)
    else:
        tell(runtime, "first")
    assert sweep_all(runtime) == {"found": 1}


def test_callback_that_names_the_message_id_later_gives_the_row_away(runtime: Runtime, ses: Emulator) -> None:
    unknown(ses, "sent", accepted=True)
    resolve(email_id(runtime, "sent"), "accepted", runtime)
    assert score(runtime, "unmatched", "sent") is not None
    row = ses.inbox()[0].ses_message_id
    assert tell(runtime, "sent", ses_message_id=row) == "recorded"
    assert owner(runtime, row) == email_id(runtime, "sent")
    assert score(runtime, "unmatched", "sent") is None
    assert field(runtime, "route", "sent") is None
    unknown(ses, "lost", accepted=False)
    assert sweep_all(runtime) == {"resend": 1, "accepted": 1}


def test_receipt_that_comes_later_gives_the_row_away(runtime: Runtime) -> None:
    one, admission = admitted(runtime)
    tell(runtime, "order-1")
    assert score(runtime, "unmatched") is not None
    accepted = CallResult(State.ACCEPTED, ses_message_id="m-1")
    assert runtime.ledger.settle(one, admission, accepted).own
    assert record_of(runtime).ses_message_id == "m-1"
    assert score(runtime, "unmatched") is None
    assert owner(runtime, "m-1") == one.id


def test_failed_email_that_a_callback_proves_sent_counts_as_an_owner(runtime: Runtime, ses: Emulator) -> None:
    """The operator was mistaken; the callback names no MessageId."""
    unknown(ses, "sent", accepted=True)
    resolve(email_id(runtime, "sent"), "failed", runtime)
    assert tell(runtime, "sent") == "settled"
    unknown(ses, "lost", accepted=False)
    assert sweep_all(runtime) == {"ambiguous": 1}


@pytest.mark.parametrize("event", ["delivered", "dropped"])
def test_second_message_id_of_an_email_is_its_own_as_well(
    runtime: Runtime, ses: Emulator, event: str
) -> None:
    """SES accepted it twice, as a callback says: no other email may claim the second row."""
    outcome = deliver(email(), key="order-1")
    runtime.ses.send(email(), outcome.id, 5)
    second = ses.inbox()[1].ses_message_id
    tell(runtime, "order-1", event, second)
    assert record_of(runtime).ses_message_id == outcome.ses_message_id
    unknown(ses, "lost", accepted=False)
    assert sweep_all(runtime) == {"resend": 1, "accepted": 1}


def test_message_id_is_owned_though_the_attempt_has_lost_its_token(runtime: Runtime) -> None:
    """An acceptance that comes late, of an email that was sent again meanwhile."""
    one, admission = admitted(runtime)
    expire_lease(runtime)
    record = record_of(runtime)
    UnknownLedger(runtime.ledger.store).resolve(one.id, record.attempts, operator="resend")
    again, second = admitted(runtime, from_state=State.UNKNOWN)
    runtime.ledger.settle(again, second, CallResult(State.ACCEPTED, ses_message_id="m-2"))
    late = runtime.ledger.settle(one, admission, CallResult(State.ACCEPTED, ses_message_id="m-1"))
    assert (late.own, late.record.ses_message_id) == (False, "m-2")
    assert owner(runtime, "m-1") == owner(runtime, "m-2") == one.id


def test_late_acceptance_settles_an_email_that_is_being_sent_again(runtime: Runtime) -> None:
    one, admission = admitted(runtime)
    expire_lease(runtime)
    record = record_of(runtime)
    UnknownLedger(runtime.ledger.store).resolve(one.id, record.attempts, operator="resend")
    again, second = admitted(runtime, from_state=State.UNKNOWN)
    assert runtime.ledger.settle(one, admission, CallResult(State.ACCEPTED, ses_message_id="m-1")).own
    result = runtime.ledger.settle(again, second, failure(State.FAILED, TRANSIENT))
    assert (result.own, result.record.state) == (False, State.ACCEPTED)


def test_row_of_an_earlier_request_under_the_key_is_not_the_next_ones(
    runtime: Runtime, ses: Emulator
) -> None:
    unknown(ses, "order-1", accepted=True)
    resolve(email_id(runtime), "failed", runtime)
    ses.add_fault("reset-before")
    assert deliver(email(subject="Corrected"), key="order-1").state is State.UNKNOWN
    assert sweep_all(runtime) == {"ambiguous": 1}
    assert record_of(runtime).state is State.UNKNOWN


def test_attempt_that_failed_late_does_not_contend_for_a_row(runtime: Runtime, ses: Emulator) -> None:
    """It was unknown for a while; then its worker said that it was certainly not sent."""
    one, admission = admitted(runtime, key="late")
    expire_lease(runtime, "late")
    assert deliver(email(), key="late").state is State.UNKNOWN
    late = runtime.ledger.settle(one, admission, failure(State.FAILED, TRANSIENT, delay=3600.0))
    assert late.record.state is State.DEFERRED
    runtime.ledger.store.client.zadd(
        runtime.ledger.store.key("open"), {one.id: 2e15}
    )  # as if it were unknown
    unknown(ses, "sent", accepted=True)
    runtime.ledger.store.client.zadd(runtime.ledger.store.key("open"), {email_id(runtime, "sent"): 1})
    assert sweep("test", Deadline(5), runtime) == {"found": 1}
    assert record_of(runtime, "sent").state is State.ACCEPTED


def test_settled_attempts_do_not_contend() -> None:
    def history(*states: str) -> list[dict[str, Any]]:
        return [
            {"state": "sending", "at": 1_000_000, "attempt": 1},
            *({"state": state, "at": 1_000_001, "attempt": 1} for state in states),
        ]

    may_be_sent = [(995_000, 1_095_000)]
    for states in ((), ("accepted",), ("unknown",), ("unknown", "accepted"), ("unknown", "unknown")):
        assert acceptance_windows(history(*states)) == may_be_sent
    for states in (("failed",), ("refused",), ("deferred",), ("unknown", "failed"), ("unknown", "deferred")):
        assert acceptance_windows(history(*states)) == []
    by_operator = [*history("unknown"), {"state": "failed", "at": 2_000_000, "evidence": "operator"}]
    assert acceptance_windows(by_operator) == may_be_sent
    halted_later = [*history("unknown"), {"state": "deferred", "at": 2_000_000, "due_at": 3_000_000}]
    assert acceptance_windows(halted_later) == may_be_sent
    two = [*history("failed"), {"state": "sending", "at": 5_000_000, "attempt": 2}]
    assert acceptance_windows(two) == [(4_995_000, 5_095_000)]
    assert acceptance_windows([*history(), *history("failed")]) == may_be_sent


def test_events_are_kept_for_an_email_that_is_accepted_already(runtime: Runtime, ses: Emulator) -> None:
    outcome = deliver(email(), key="order-1")
    assert tell(runtime, "order-1", ses_message_id=outcome.ses_message_id) == "recorded"
    assert tell(runtime, "order-1", ses_message_id=outcome.ses_message_id) == "repeated"
    [event] = EventLedger(runtime.ledger.store).events_of(email_id(runtime))
    assert event["event"] == "delivered"
    store = runtime.ledger.store
    assert store.client.ttl(store.key("events", email_id(runtime))) > 29 * 86_400


def test_owner_that_is_repeated_keeps_its_row(runtime: Runtime, ses: Emulator) -> None:
    """The status query and the callback may both settle it: the row stays with the email."""
    unknown(ses, "sent", accepted=True)
    assert sweep_all(runtime) == {"found": 1}
    row = ses.inbox()[0].ses_message_id
    assert tell(runtime, "sent", ses_message_id=row) == "recorded"
    assert owner(runtime, row) == email_id(runtime, "sent")


def test_record_that_owns_the_row_is_found_by_it(runtime: Runtime, ses: Emulator) -> None:
    """A callback without our Message-ID could be joined by SES's MessageId alone."""
    unknown(ses, "sent", accepted=True)
    unknown(ses, "lost", accepted=False)
    store = runtime.ledger.store
    row = ses.inbox()[0].ses_message_id
    store.client.set(store.key("message", row), email_id(runtime, "sent"))
    assert sweep_all(runtime) == {"found": 1, "resend": 1, "accepted": 1}
    assert record_of(runtime, "sent").ses_message_id == row


def test_unmatched_owners_fade_after_the_retention(runtime: Runtime, ses: Emulator) -> None:
    store = runtime.ledger.store
    store.client.zadd(store.key("unmatched"), {"long-ago": store.now() - 31 * 86_400_000})
    one, admission = admitted(runtime)
    runtime.ledger.settle(one, admission, UNKNOWN)
    resolve(one.id, "accepted", runtime)
    assert store.client.zrange(store.key("unmatched"), 0, -1) == [one.id]
    assert store.client.ttl(store.key("unmatched")) > 29 * 86_400


def test_request_of_long_ago_under_the_key_does_not_keep_the_next_one_from_its_decision(
    runtime: Runtime, ses: Emulator
) -> None:
    """SES has no list of so long ago."""
    unknown(ses, "order-1", accepted=True)
    resolve(email_id(runtime), "failed", runtime)
    store = runtime.ledger.store
    name = store.key("email", email_id(runtime))
    history = [{**note, "at": note["at"] - 40 * 86_400_000} for note in record_of(runtime).history]
    store.client.hset(name, "history", json.dumps(history))
    ses.add_fault("reset-after")
    deliver(email(subject="Corrected"), key="order-1")
    ses.mailbox._records.popleft()  # the first one's row is no longer listed
    assert sweep_all(runtime) == {"found": 1}


def test_email_that_ses_accepted_twice_is_reported(runtime: Runtime, ses: Emulator, log: io.StringIO) -> None:
    def settled_by_callback() -> None:
        assert tell(runtime, "order-1", ses_message_id="m-1") == "settled"

    with around_call(runtime, before=settled_by_callback):
        outcome = deliver(email(), key="order-1")
    assert outcome.state is State.ACCEPTED
    [line] = [json.loads(line) for line in log.getvalue().splitlines() if "accepted twice" in line]
    assert (line["ses_message_id"], line["record_ses_message_id"]) == (outcome.ses_message_id, "m-1")
    assert owner(runtime, outcome.ses_message_id or "") == email_id(runtime)


def test_callback_that_names_no_known_email_is_absent(runtime: Runtime) -> None:
    document = {"event": "delivered", "email": "ann@customer.example", "timestamp": 1}
    event = SesEvent.parse(document, address_hash)
    deliver(email(), key="order-1")
    assert EventLedger(runtime.ledger.store).record(event) == (None, "absent")
