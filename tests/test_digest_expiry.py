"""Digest items that nothing tells: the sweep moves them into dead letters, also without their digest."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from digest_runs import NINE, TEN, add, digest, item, run
from factories import LambdaContext, address_hash, email
from mailer.deadline import Deadline
from mailer.delivery.sweep import sweep
from mailer.email.identity import Key, KeyKind, id_for
from mailer.ledger import Attempt, CallResult
from mailer.ledger.digest_expiry import DigestExpiry, OverdueRecipient
from mailer.ledger.record import State
from mailer.triggers.schedule import handle
from stored_times import age_digest, make_due

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

ANN = "ann@customer.example"
HASH = address_hash(ANN)
DAY = 86_400

pytestmark = pytest.mark.usefixtures("digests_toml")


def run_sweep() -> dict[str, Any]:
    """Run the sweep through the schedule function and return its counts."""
    answer = handle({"job": "sweep"}, LambdaContext())
    answer.pop("job")
    return answer


def letters(runtime: Runtime) -> list[dict[str, Any]]:
    """Return every dead letter, with its code and its body as JSON values."""
    return [
        {**json.loads(one["body"]), "source": one["source"], "code": json.loads(one["reason"])["code"]}
        for one in runtime.ledger.dead_letters()
    ]


def key(runtime: Runtime, *parts: str) -> str:
    return runtime.ledger.store.key("digest", "daily", *parts)


def next_look(runtime: Runtime) -> float:
    """Return in how many days the sweep looks at Ann's items."""
    score = runtime.ledger.store.client.zscore(runtime.ledger.store.key("digest_expiry"), f"daily:{HASH}")
    return float((score / 1000 - time.time()) / DAY)


def email_of(runtime: Runtime, window: str = NINE) -> str:
    return Key(f"digest:daily:{window}:{HASH}", KeyKind.PLATFORM).email_id(runtime.settings.account)


# Waiting items


def test_items_that_are_too_old_become_a_dead_letter_without_a_run(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(runtime, item(1))
    monkeypatch.delitem(runtime.config.digests, "daily")
    assert run_sweep() == {}
    age_digest(runtime, ANN, 29)
    assert run_sweep() == {}
    age_digest(runtime, ANN, 1)
    assert run_sweep() == {"expired_items": 1}
    assert letters(runtime) == [
        {
            "digest": "daily",
            "recipient": ANN,
            "window": None,
            "items": [{"title": "News 1"}],
            "more": 0,
            "source": f"digest:daily:{HASH}",
            "code": "Ledger.ItemExpired",
        }
    ]
    assert run_sweep() == {}


def test_items_have_no_expiry_of_their_own(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    client = runtime.ledger.store.client
    assert client.ttl(key(runtime, "items", HASH)) == -1
    assert client.ttl(key(runtime, "recipient", HASH)) == -1
    assert next_look(runtime) == pytest.approx(30, abs=0.01)


def test_nothing_of_a_digest_stays_for_good(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1), item(2, "bob@customer.example"))
    age_digest(runtime, ANN, 30)
    assert run_sweep() == {"expired_items": 1}
    assert run() == {"accepted": 1}
    store = runtime.ledger.store
    lives = {one: store.client.ttl(one) for one in store.client.keys(store.key("digest", "*"))}
    assert len(lives) == 4  # fields and item ids of two recipients
    assert all(0 < life <= 60 * DAY for life in lives.values())
    assert store.client.exists(store.key("digest_expiry")) == 0


def test_newer_items_wait_for_their_own_time(runtime: Runtime) -> None:
    add(runtime, item(1))
    age_digest(runtime, ANN, 20)
    add(runtime, item(2))
    assert next_look(runtime) == pytest.approx(10, abs=0.01)
    age_digest(runtime, ANN, 10)
    assert run_sweep() == {"expired_items": 1}
    assert next_look(runtime) == pytest.approx(20, abs=0.01)
    assert [letter["items"] for letter in letters(runtime)] == [[{"title": "News 1"}]]


def test_dead_letter_has_at_most_100_items_and_the_last_one_counts_what_was_dropped(runtime: Runtime) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(runtime.config.digests, "daily", digest(keep=101))
        for first in (0, 60):
            add(runtime, *(item(number) for number in range(first, first + 60)))
    age_digest(runtime, ANN, 31)
    assert run_sweep() == {"expired_items": 101}
    assert [(len(one["items"]), one["more"]) for one in letters(runtime)] == [(100, 0), (1, 19)]
    assert runtime.ledger.store.client.hget(key(runtime, "recipient", HASH), "dropped") is None


def test_run_moves_every_item_that_is_too_old(runtime: Runtime) -> None:
    for first in (0, 100):
        add(runtime, *(item(number) for number in range(first, first + 100)))
    age_digest(runtime, ANN, 31)
    assert run() == {"dead_lettered": 1}
    assert [len(one["items"]) for one in letters(runtime)] == [100, 100]


def test_items_are_moved_as_they_were_given(runtime: Runtime) -> None:
    content = {"empty": [], "none": {}, "large": 2**60 + 1, "text": "ä\n\"/'"}
    add(runtime, {**item(1), "item": content})
    store = runtime.ledger.store.client
    store.rpush(key(runtime, "items", HASH), "no JSON")
    stored = store.lindex(key(runtime, "items", HASH), 0).partition(" ")[2]
    store.lset(key(runtime, "items", HASH), 0, f"1 {stored}")
    store.zadd(runtime.ledger.store.key("digest_expiry"), {f"daily:{HASH}": 1})
    assert run_sweep() == {"expired_items": 2}
    assert letters(runtime)[0]["items"] == [content, "no JSON"]


def test_sweep_without_time_moves_one_page(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailer.delivery.sweep.PAGE", 2)
    addresses = [f"r{number}@customer.example" for number in range(3)]
    add(runtime, *(item(1, address) for address in addresses))
    for address in addresses:
        age_digest(runtime, address, 31)
    assert sweep("test", Deadline(0), runtime) == {"expired_items": 2}
    assert run_sweep() == {"expired_items": 1}


# Open windows


def test_window_is_closed_without_a_run_once_its_email_is_accepted(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    ses.add_fault("ResourceInsufficient")
    assert run() == {"deferred": 1}
    assert next_look(runtime) == pytest.approx(1, abs=0.01)
    age_digest(runtime, ANN, 31)
    assert run_sweep() == {}
    assert next_look(runtime) == pytest.approx(1, abs=0.01)  # the ledger has it
    make_due(runtime, email_of(runtime))
    assert run_sweep() == {"accepted": 1}
    age_digest(runtime, ANN, 1)
    assert run_sweep() == {}
    assert runtime.ledger.store.client.exists(key(runtime, "frozen", HASH)) == 0
    assert runtime.ledger.store.client.hget(key(runtime, "recipient", HASH), "last_window") == NINE
    assert letters(runtime) == []


@pytest.mark.parametrize(("namespace", "open_windows"), [(None, 0), ("", 1)])
def test_window_whose_email_version_0_1_0_sent_is_closed(
    runtime: Runtime, ses: Emulator, namespace: str | None, open_windows: int
) -> None:
    """An email under a caller's key of the same text is not that of the window."""
    add(runtime, item(1))
    ses.add_fault("FailedOperation.InvalidTemplateID")
    assert run() == {"refused": 1}
    runtime.ledger.store.client.delete(runtime.ledger.store.key("email", email_of(runtime)))
    old_id = id_for(runtime.settings.account, f"digest:daily:{NINE}:{HASH}")
    attempt = Attempt(old_id, email(), "schedule", namespace=namespace)
    result = CallResult(State.ACCEPTED, ses_message_id="s")
    runtime.ledger.settle(attempt, runtime.ledger.admit(attempt), result)
    age_digest(runtime, ANN, 2)
    run_sweep()
    assert runtime.ledger.store.client.exists(key(runtime, "frozen", HASH)) == open_windows
    assert letters(runtime) == []


def test_items_of_a_window_that_no_run_comes_back_to_become_a_dead_letter(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault("FailedOperation.InvalidTemplateID")
    add(runtime, item(1))
    assert run() == {"refused": 1}
    add(runtime, item(2))
    age_digest(runtime, ANN, 29)
    assert run_sweep() == {}
    assert next_look(runtime) == pytest.approx(1, abs=0.01)
    age_digest(runtime, ANN, 1)
    assert run_sweep() == {"expired_items": 2}
    assert [(one["window"], one["code"], len(one["items"])) for one in letters(runtime)] == [
        (None, "Ledger.ItemExpired", 1),
        (NINE, "Ledger.ItemExpired", 1),
    ]
    assert run(TEN) == {}


def test_open_window_is_looked_at_before_the_items_that_wait_behind_it(
    runtime: Runtime, ses: Emulator
) -> None:
    ses.add_fault("reset-before")
    add(runtime, item(1))
    run()
    add(runtime, item(2))
    assert next_look(runtime) == pytest.approx(1, abs=0.01)


def test_window_that_a_run_tried_within_a_day_is_left_to_it(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InvalidTemplateID")
    add(runtime, item(1))
    assert run() == {"refused": 1}
    add(runtime, item(2))
    age_digest(runtime, ANN, 31)
    client = runtime.ledger.store.client
    client.hset(key(runtime, "recipient", HASH), "window_check_at", int((time.time() + 60) * 1000))
    assert run_sweep() == {"expired_items": 1}
    assert client.llen(key(runtime, "frozen", HASH)) == 1
    assert [one["window"] for one in letters(runtime)] == [None]


def test_refused_window_whose_items_are_too_old_is_not_tried_again(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InvalidTemplateID", times=None)
    add(runtime, item(1))
    assert run() == {"refused": 1}
    age_digest(runtime, ANN, 31)
    assert run(TEN) == {"dead_lettered": 1}
    assert [one["code"] for one in letters(runtime)] == ["FailedOperation.InvalidTemplateID"]


def test_window_of_a_full_backlog_ends_once_its_items_are_too_old(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.ledger, "_backlog_max", 0)
    ses.add_fault("FailedOperation.InsufficientBalance", times=None)
    add(runtime, item(1))
    assert [run(), run(TEN)] == [{"failed": 1}] * 2
    age_digest(runtime, ANN, 31)
    assert run("2026-05-01T11:00:00Z") == {"dead_lettered": 1}
    assert len(letters(runtime)) == 1


@pytest.mark.parametrize("ends", ["run", "sweep"])
def test_window_ends_with_an_email_that_the_ledger_gave_up_on(
    runtime: Runtime, ses: Emulator, ends: str
) -> None:
    add(runtime, item(1))
    ses.add_fault("reset-before")
    assert run() == {"unknown": 1}
    store = runtime.ledger.store
    store.client.hset(store.key("email", email_of(runtime)), "code", "Ledger.Unresolved")
    if ends == "run":
        assert run(TEN) == {"dead_lettered": 1}
    else:
        age_digest(runtime, ANN, 1)
        assert run_sweep() == {}
    assert store.client.exists(key(runtime, "frozen", HASH)) == 0
    assert letters(runtime) == []  # the email's own one is the ledger's


def test_window_that_changed_since_the_sweep_read_it_is_left_alone(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("reset-before")
    add(runtime, item(1))
    run()
    age_digest(runtime, ANN, 31)
    expiry = DigestExpiry(runtime.ledger.store, runtime.settings.account)
    assert expiry.expire(OverdueRecipient("daily", HASH, TEN)) == 0
    assert expiry.expire(OverdueRecipient("daily", HASH, None)) == 0
    assert runtime.ledger.store.client.llen(key(runtime, "frozen", HASH)) == 1


# Data of version 0.1.0


def store_as_before(runtime: Runtime, *, days: float) -> None:
    """Make Ann's items what 0.1.0 stored: they expire by themselves, `days` from now."""
    client = runtime.ledger.store.client
    for name in ("items", "recipient"):
        client.expire(key(runtime, name, HASH), int(days * DAY))
    client.hdel(key(runtime, "recipient", HASH), "item_ttl")
    client.delete(runtime.ledger.store.key("digest_expiry"))


def test_items_that_0_1_0_stored_are_found_by_the_sweep(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(runtime, item(1))
    store_as_before(runtime, days=12)
    monkeypatch.delitem(runtime.config.digests, "daily")
    assert run_sweep() == {}
    client = runtime.ledger.store.client
    assert [client.ttl(key(runtime, name, HASH)) for name in ("items", "recipient")] == [-1, -1]
    assert next_look(runtime) == pytest.approx(12, abs=0.01)
    age_digest(runtime, ANN, 12)
    assert run_sweep() == {"expired_items": 1}
    assert [one["recipient"] for one in letters(runtime)] == [ANN]


def test_items_are_searched_once_for_an_account(runtime: Runtime) -> None:
    assert run_sweep() == {}
    add(runtime, item(1))
    store_as_before(runtime, days=12)
    assert run_sweep() == {}
    assert runtime.ledger.store.client.exists(runtime.ledger.store.key("digest_expiry")) == 0
    age_digest(runtime, ANN, 29)
    assert run() == {"accepted": 1}


def test_items_without_a_known_life_have_the_longest(runtime: Runtime) -> None:
    add(runtime, item(1))
    client = runtime.ledger.store.client
    client.hdel(key(runtime, "recipient", HASH), "item_ttl")
    client.zadd(runtime.ledger.store.key("digest_expiry"), {f"daily:{HASH}": 1})
    assert run_sweep() == {}
    assert next_look(runtime) == pytest.approx(90, abs=0.01)


def test_frozen_items_that_0_1_0_stored_do_not_expire(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    store_as_before(runtime, days=12)
    ses.add_fault("reset-before")
    assert run() == {"unknown": 1}
    client = runtime.ledger.store.client
    assert [client.ttl(key(runtime, name, HASH)) for name in ("frozen", "recipient")] == [-1, -1]


def test_attempts_that_0_1_0_counted_are_counted_on(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("FailedOperation.InvalidTemplateID", times=None)
    add(runtime, item(1))
    assert run() == {"refused": 1}
    client, recipient = runtime.ledger.store.client, key(runtime, "recipient", HASH)
    client.hdel(recipient, "scheduled_at", "attempts", "window_check_at")
    client.hset(recipient, mapping={"tick": NINE, "tries": 4})
    assert run() == {"refused": 1}  # the same run again
    assert run(TEN) == {"dead_lettered": 1}
    assert set(client.hkeys(recipient)) == {"address", "last_window", "item_ttl"}


def test_open_window_that_0_1_0_stored_is_looked_at(runtime: Runtime, ses: Emulator) -> None:
    ses.add_fault("reset-before")
    add(runtime, item(1))
    run()
    client = runtime.ledger.store.client
    client.hdel(key(runtime, "recipient", HASH), "window_check_at", "item_ttl")
    client.delete(runtime.ledger.store.key("digest_expiry"))
    assert run_sweep() == {}
    assert next_look(runtime) == pytest.approx(1, abs=0.01)


# Losses of the store


@pytest.mark.parametrize("lost", ["address", "window"])
def test_items_of_a_damaged_recipient_become_a_dead_letter_without_a_run(
    runtime: Runtime, ses: Emulator, lost: str
) -> None:
    ses.add_fault("FailedOperation.InvalidTemplateID")
    add(runtime, item(1))
    run()
    own = partial(key, runtime)
    runtime.ledger.store.client.hdel(own("recipient", HASH), lost)
    age_digest(runtime, ANN, 1)
    assert run_sweep() == {"expired_items": 1}
    code = {"address": "Ledger.AddressLost", "window": "Ledger.WindowLost"}[lost]
    assert [(one["code"], len(one["items"])) for one in letters(runtime)] == [(code, 1)]
    assert runtime.ledger.store.client.exists(own("frozen", HASH), own("recipients")) == 0
