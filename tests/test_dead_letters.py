"""Dead letters have a life and a cap: they are counted, removed when they are old, and nothing is dropped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dead_letter_lists import SMALLEST_MAX, add_uncounted, age_list, counted, fill_list, measured
from digest_runs import TEN, add, item, lists, run
from factories import email
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition
from mailer.delivery.sweep import sweep
from mailer.errors import DeadLettersFull, StoreUnavailable
from mailer.ledger import Bounds, DeferPolicy
from mailer.ledger.record import State
from mailer.runtime import Runtime
from promise_steps import UNSENT, email_id, everything_is_due, in_an_hour, record_of, send, sweep_all
from store_faults import full_store

if TYPE_CHECKING:
    from local.ses_emulator import Emulator

FULL = "Ledger.DeadLettersFull"


@pytest.fixture
def small(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, digests_toml: object) -> Runtime:
    monkeypatch.setenv("MAILER_DEAD_LETTERS_MAX", str(SMALLEST_MAX))
    return Runtime.current()


def sweep_with(runtime: Runtime, seconds: float = 20.0) -> dict[str, Any]:
    return sweep("test", Deadline(seconds), runtime)


# Life


@pytest.mark.parametrize("days", [1, 30, 365])
def test_dead_letters_live_for_the_retention(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    monkeypatch.setenv("MAILER_RETENTION_DAYS", str(days))
    runtime = Runtime.current()
    add_uncounted(runtime, 3, days=days + 0.01)
    add_uncounted(runtime, 2, days=days - 0.01)
    assert sweep_with(runtime) == {"expired_dead_letters": 3}
    assert sweep_with(runtime) == {}
    assert counted(runtime) == measured(runtime)
    assert measured(runtime)[0] == 2


def test_records_live_as_long_as_ses_lists_an_email_at_least() -> None:
    assert Bounds(1).retention == Bounds(30).retention == 30 * 86_400_000
    assert Bounds(365).retention == Bounds(365).dead_letter_life == 365 * 86_400_000


def test_final_record_lives_for_the_retention(
    environment: dict[str, str], ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_RETENTION_DAYS", "90")
    runtime = Runtime.current()
    send(runtime)
    store = runtime.ledger.store
    assert store.client.pttl(store.key("email", email_id(runtime))) > 89 * 86_400_000


def test_sweep_removes_all_that_is_old_in_steps(runtime: Runtime) -> None:
    for number in range(250):
        runtime.ledger.dead_letter(f"old {number}", {}, "x")
    age_list(runtime, 31)
    assert runtime.ledger.expire_dead_letters(100) == (100, True)
    assert counted(runtime) == measured(runtime)
    assert sweep_with(runtime) == {"expired_dead_letters": 150}
    assert not runtime.ledger.store.client.exists(*map(runtime.ledger.store.key, ("dead", "dead_size")))


def test_sweep_without_time_removes_one_page(runtime: Runtime) -> None:
    for number in range(101):
        runtime.ledger.dead_letter(f"old {number}", {}, "x")
    age_list(runtime, 31)
    assert sweep_with(runtime, 0) == {"expired_dead_letters": 100}


def test_sweep_removes_what_is_old_from_a_full_store(runtime: Runtime) -> None:
    add_uncounted(runtime, 1, days=31)
    with full_store(runtime):
        assert sweep_with(runtime) == {"expired_dead_letters": 1}


def test_addition_removes_some_that_are_old(runtime: Runtime) -> None:
    for number in range(15):
        runtime.ledger.dead_letter(f"old {number}", {}, "x")
    age_list(runtime, 31)
    runtime.ledger.dead_letter("new", {}, "x")
    assert counted(runtime) == measured(runtime)
    assert [letter["source"] for letter in runtime.ledger.dead_letters()] == [
        *(f"old {number}" for number in range(10, 15)),
        "new",
    ]


# The count


def test_every_kind_of_dead_letter_is_counted(small: Runtime, ses: Emulator) -> None:
    small.ledger.dead_letter("message", {"code": "InvalidRequest"}, "grüße")
    assert counted(small) == measured(small) == (1, len("message") + 26 + 7)
    ses.add_fault(UNSENT)
    send(small)
    everything_is_due(small)
    ses.add_fault("FailedOperation.WrongContentJson")
    assert sweep_with(small) == {"refused": 1}
    assert counted(small) == measured(small)
    add(small, item(1), item(2, "bob@customer.example"))
    ses.add_fault("FailedOperation.WrongContentJson", times=None)
    for number in range(5):
        run(f"2026-05-01T1{number}:00:00Z")
    assert counted(small) == measured(small)
    assert measured(small)[0] == 4


def test_letters_of_a_version_that_did_not_count_are_counted_by_the_sweep(runtime: Runtime) -> None:
    add_uncounted(runtime, 250)
    runtime.ledger.dead_letter("new", {}, "x")
    assert counted(runtime)[0] == 1
    assert sweep_with(runtime) == {}
    assert counted(runtime) == measured(runtime)
    assert measured(runtime)[0] == 251


def test_count_goes_on_while_letters_are_added_and_removed(runtime: Runtime) -> None:
    add_uncounted(runtime, 1, days=31)
    add_uncounted(runtime, 5)
    assert runtime.ledger.expire_dead_letters(2) == (0, True)
    runtime.ledger.dead_letter("new", {}, "longer than the others")  # which removes the oldest as well
    while runtime.ledger.expire_dead_letters(2)[1]:
        pass
    assert counted(runtime) == measured(runtime)
    assert measured(runtime)[0] == 6


def test_uncounted_letter_never_makes_the_size_negative(runtime: Runtime) -> None:
    add_uncounted(runtime, 1, days=31, body="y" * 1000)
    add_uncounted(runtime, 1)
    runtime.ledger.dead_letter("new", {}, "x")
    assert counted(runtime)[0] >= 0
    assert 0 <= counted(runtime)[1] <= measured(runtime)[1]


def test_operator_who_removes_letters_makes_room(small: Runtime) -> None:
    fill_list(small)
    store = small.ledger.store
    for letter, _ in store.client.xrange(store.key("dead")):
        store.client.xdel(store.key("dead"), letter)
    with pytest.raises(DeadLettersFull):
        small.ledger.dead_letter("too early", {}, "x")
    sweep_with(small)
    assert small.ledger.dead_letter("in time", {}, "x")


# The cap


def test_letter_of_something_that_the_ledger_does_not_hold_is_refused_at_the_cap(small: Runtime) -> None:
    fill_list(small)
    with pytest.raises(DeadLettersFull) as caught:
        small.ledger.dead_letter("message", {}, "x")
    assert isinstance(caught.value, StoreUnavailable)
    assert (caught.value.code, caught.value.retryable, caught.value.retry_after) == (FULL, True, 60)
    assert not small.ledger.dead_letter("filler", {}, "x" * SMALLEST_MAX)  # it is there already
    age_list(small, 31)
    assert small.ledger.dead_letter("message", {}, "x")


def test_cap_is_reached_with_its_last_byte(small: Runtime) -> None:
    left = SMALLEST_MAX - len("filler") - len("{}")
    assert small.ledger.dead_letter("filler", {}, "x" * (left - 1))
    assert small.ledger.dead_letter("1", {}, "x")
    small.ledger.store.client.delete(*map(small.ledger.store.key, ("dead", "dead_size")))
    assert small.ledger.dead_letter("filler", {}, "x" * left)
    with pytest.raises(DeadLettersFull):
        small.ledger.dead_letter("2", {}, "x")


def test_cap_counts_the_bytes_of_all_letters(small: Runtime) -> None:
    for number in range(3):
        assert small.ledger.dead_letter(f"message {number}", {}, "x" * (SMALLEST_MAX // 3 - 12))
    assert counted(small)[1] < SMALLEST_MAX
    assert small.ledger.dead_letter("one more", {}, "x" * 100)
    with pytest.raises(DeadLettersFull):
        small.ledger.dead_letter("too many", {}, "x")


@pytest.mark.parametrize(
    "options",
    [
        {"send_at": True},
        {"defer": DeferPolicy.ALWAYS, "deadline": Deadline(0)},
    ],
)
def test_nothing_new_is_stored_for_later_at_the_cap(
    small: Runtime, ses: Emulator, options: dict[str, Any]
) -> None:
    fill_list(small)
    options = dict(options)
    request = email(send_at=in_an_hour()) if options.pop("send_at", False) else email()
    outcome = deliver(request, key="order-1", **options)
    assert (outcome.disposition, outcome.code) == (Disposition.RETRY_LATER, FULL)
    assert "MAILER_DEAD_LETTERS_MAX" in str(outcome.detail)
    assert small.ledger.get(email_id(small)) is None


def test_halted_email_is_not_deferred_at_the_cap(small: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InsufficientBalance")
    deliver(email(), key="order-0")
    fill_list(small)
    outcome = deliver(email(), key="order-1", defer=DeferPolicy.WHEN_HALTED)
    assert outcome.disposition is Disposition.HALTED
    assert small.ledger.get(email_id(small)) is None


def test_email_that_is_not_sent_is_given_back_at_the_cap(small: Runtime, ses: Emulator) -> None:
    fill_list(small)
    ses.add_fault(UNSENT)
    assert send(small).disposition is Disposition.RETRY_LATER
    assert record_of(small).state is State.FAILED


def test_email_that_is_sent_at_once_needs_no_room(small: Runtime, ses: Emulator) -> None:
    fill_list(small)
    assert send(small).state is State.ACCEPTED
    ses.add_fault("FailedOperation.WrongContentJson")
    refused = deliver(email(to="bob@customer.example"), key="order-2")
    assert (refused.disposition, refused.state) == (Disposition.REFUSED, State.REFUSED)


def test_what_was_promised_ends_as_a_dead_letter_beyond_the_cap(small: Runtime, ses: Emulator) -> None:
    ses.add_fault(UNSENT, times=2)
    send(small)
    fill_list(small)
    assert sweep_all(small) == {"deferred": 1}  # put off again, as it was before
    ses.add_fault("FailedOperation.WrongContentJson")
    assert sweep_all(small) == {"refused": 1}
    assert [letter["source"] for letter in small.ledger.dead_letters()][1:] == [f"email:{email_id(small)}"]


def test_item_is_refused_at_the_cap_and_known_ones_are_told(small: Runtime, ses: Emulator) -> None:
    add(small, item(1))
    fill_list(small)
    assert add(small, item(1)) == (0, 1)
    with pytest.raises(DeadLettersFull):
        add(small, item(1), item(2))
    run()
    age_list(small, 31)
    sweep_with(small)
    assert add(small, item(1), item(2)) == (1, 1)
    run(TEN)
    assert lists(ses) == ["- News 1;", "- News 2;"]


def test_items_that_are_stored_end_as_a_dead_letter_beyond_the_cap(small: Runtime, ses: Emulator) -> None:
    add(small, item(1))
    fill_list(small)
    ses.add_fault("FailedOperation.EmailAddrInBlacklist", times=None)
    run()
    assert json.loads(small.ledger.dead_letters()[1]["body"])["items"]
