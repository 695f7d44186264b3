"""One damaged recipient never stops a run: it is repaired or dead-lettered, and the others get digests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from digest_runs import NINE, TEN, add, item, lists, run
from factories import address_hash
from mailer.deadline import Deadline
from mailer.delivery.sweep import sweep
from mailer.digest.plan import plan
from mailer.digest.render import render
from mailer.email.identity import Key, KeyKind
from mailer.errors import StoreUnavailable
from mailer.ledger.digests import DigestLedger
from stored_times import make_due

if TYPE_CHECKING:
    import io

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

ANN, BOB = "ann@customer.example", "bob@customer.example"
HASH = address_hash(ANN)
ELEVEN = "2026-05-01T11:00:00Z"

pytestmark = pytest.mark.usefixtures("digests_toml")


def key(runtime: Runtime, *parts: str) -> str:
    return runtime.ledger.store.key("digest", "daily", *parts)


def letters(runtime: Runtime) -> list[tuple[str, str | None, int]]:
    """Return code, recipient and number of items of every dead letter."""
    return [
        (json.loads(one["reason"])["code"], body["recipient"], len(body["items"]))
        for one in runtime.ledger.dead_letters()
        for body in [json.loads(one["body"])]
    ]


def is_gone(runtime: Runtime) -> bool:
    """Return whether nothing of Ann's waits any more."""
    client = runtime.ledger.store.client
    waiting = client.exists(key(runtime, "items", HASH), key(runtime, "frozen", HASH))
    listed = client.zscore(key(runtime, "recipients"), HASH)
    overdue = client.zscore(runtime.ledger.store.key("digest_expiry"), f"daily:{HASH}")
    return (waiting, listed, overdue) == (0, None, None)


# Losses of the store


@pytest.mark.parametrize("lost", ["address", "everything"])
def test_items_without_an_address_become_a_dead_letter(runtime: Runtime, ses: Emulator, lost: str) -> None:
    add(runtime, item(1), item(1, BOB))
    client, recipient = runtime.ledger.store.client, key(runtime, "recipient", HASH)
    if lost == "address":
        client.hdel(recipient, "address")
    else:
        client.delete(recipient)
    planned = {one.address: (one.window, one.why) for one in plan("daily", NINE, runtime)}
    assert planned == {"": (None, "dead_lettered"), BOB: (NINE, "send")}
    assert run() == {"dead_lettered": 1, "accepted": 1}
    assert letters(runtime) == [("Ledger.AddressLost", None, 1)]
    assert is_gone(runtime)
    assert run(TEN) == {}


def test_lost_address_comes_back_with_the_next_item(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    runtime.ledger.store.client.delete(key(runtime, "recipient", HASH))
    add(runtime, item(2))
    assert run() == {"accepted": 1}
    assert lists(ses) == ["- News 1;- News 2;"]


def test_window_without_an_address_ends_as_its_email_does(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    ses.add_fault("ResourceInsufficient")
    assert run() == {"deferred": 1}
    runtime.ledger.store.client.hdel(key(runtime, "recipient", HASH), "address")
    assert run(TEN) == {"deferred": 1}
    email_id = Key(f"digest:daily:{NINE}:{HASH}", KeyKind.PLATFORM).email_id(runtime.settings.account)
    make_due(runtime, email_id)
    sweep("test", Deadline(20), runtime)
    assert run(ELEVEN)["nothing"] == 1
    assert is_gone(runtime)
    assert (letters(runtime), len(ses.inbox())) == ([], 1)


def test_window_without_an_address_and_without_an_email_becomes_a_dead_letter(
    runtime: Runtime, ses: Emulator
) -> None:
    add(runtime, item(1))
    ses.add_fault("FailedOperation.InvalidTemplateID")
    assert run() == {"refused": 1}
    runtime.ledger.store.client.hdel(key(runtime, "recipient", HASH), "address")
    assert run(TEN) == {"dead_lettered": 1}
    assert letters(runtime) == [("Ledger.AddressLost", None, 1)]
    assert is_gone(runtime)


def test_window_without_items_is_closed_and_newer_items_are_sent(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    ses.add_fault("FailedOperation.InvalidTemplateID")
    assert run() == {"refused": 1}
    runtime.ledger.store.client.delete(key(runtime, "frozen", HASH))
    add(runtime, item(2))
    assert run() == {"already_sent": 1}
    assert run(TEN) == {"accepted": 1}
    assert lists(ses) == ["- News 2;"]


def test_items_of_an_unknown_window_become_a_dead_letter(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    ses.add_fault("reset-after")
    assert run() == {"unknown": 1}
    add(runtime, item(2))
    runtime.ledger.store.client.hdel(key(runtime, "recipient", HASH), "window")
    assert run(TEN) == {"accepted": 1}
    assert letters(runtime) == [("Ledger.WindowLost", ANN, 1)]
    assert lists(ses) == ["- News 1;", "- News 2;"]


@pytest.mark.parametrize("field", ["missed", "attempts", "scheduled_at", "window_check_at", "item_ttl"])
def test_window_without_one_of_its_fields_is_sent(runtime: Runtime, ses: Emulator, field: str) -> None:
    add(runtime, item(1))
    ses.add_fault("FailedOperation.InvalidTemplateID")
    assert run() == {"refused": 1}
    runtime.ledger.store.client.hdel(key(runtime, "recipient", HASH), field)
    assert run() == {"accepted": 1}
    assert is_gone(runtime)


def test_recipient_that_is_not_listed_is_listed_by_its_next_item(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    runtime.ledger.store.client.delete(key(runtime, "recipients"))
    add(runtime, item(2))
    assert run() == {"accepted": 1}
    assert lists(ses) == ["- News 1;- News 2;"]


# Unexpected errors


def failing_for_ann(original: Any, error: Exception) -> Any:
    def fails(*arguments: Any, **options: Any) -> Any:
        if ANN in map(str, arguments):
            raise error
        return original(*arguments, **options)

    return fails


def test_unexpected_error_of_one_recipient_is_logged_and_counted(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    add(runtime, item(1), item(1, BOB))
    with monkeypatch.context() as patch:
        patch.setattr("mailer.digest.run.render", failing_for_ann(render, KeyError("secret")))
        assert run() == {"error": 1, "accepted": 1}
    [line] = [line for line in map(json.loads, log.getvalue().splitlines()) if line["level"] == "ERROR"]
    assert (line["error"], line["digest"], line["recipient"]) == ("KeyError", "daily", HASH)
    assert "secret" not in log.getvalue()
    assert run(TEN) == {"nothing": 1}  # after the window of nine o'clock
    assert len(ses.inbox()) == 2


def test_items_are_a_dead_letter_after_five_runs_with_an_unexpected_error(
    runtime: Runtime, ses: Emulator
) -> None:
    add(runtime, item(1))
    runtime.ledger.store.client.rpush(key(runtime, "items", HASH), f"{10**13} no JSON")
    times = [f"2026-05-01T{hour:02}:00:00Z" for hour in range(5)]
    assert [run(at) for at in times] == [{"error": 1}] * 4 + [{"dead_lettered": 1}]
    assert letters(runtime) == [("JSONDecodeError", ANN, 2)]
    assert is_gone(runtime)


def test_error_before_the_window_is_frozen_leaves_the_items(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_arguments: Any) -> None:
        raise KeyError

    add(runtime, item(1))
    with monkeypatch.context() as patch:
        patch.setattr("mailer.digest.run.window_at", failing)
        assert run() == {"error": 1}
    assert run(TEN) == {"accepted": 1}


@pytest.mark.parametrize("step", ["freeze", "close"])
def test_run_ends_where_the_store_does_not_answer(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    add(runtime, item(1))

    def unavailable(*_arguments: Any, **_options: Any) -> None:
        raise StoreUnavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(DigestLedger, step, unavailable)
        with pytest.raises(StoreUnavailable):
            run()
    assert run(TEN)
    assert len(ses.inbox()) == 1


def test_dead_letter_is_written_once_where_the_answer_of_the_store_is_lost(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses.add_fault("FailedOperation.EmailAddrInBlacklist")
    add(runtime, item(1))
    original = DigestLedger.close

    def loses_the_answer(*arguments: Any) -> None:
        original(*arguments)
        raise StoreUnavailable("lost")

    with monkeypatch.context() as patch:
        patch.setattr(DigestLedger, "close", loses_the_answer)
        with pytest.raises(StoreUnavailable):
            run()
    assert letters(runtime) == [("FailedOperation.EmailAddrInBlacklist", ANN, 1)]
    assert run() == {}
    assert len(letters(runtime)) == 1
