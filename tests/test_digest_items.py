"""Items of digests: validated, stored once, bounded, expired."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from digest_runs import NINE, TEN, add, digest, item, lists, run
from factories import address_hash
from mailer.digest.items import add_items
from mailer.digest.plan import plan
from mailer.errors import InvalidRequest
from stored_times import age_digest

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

ANN = "ann@customer.example"

pytestmark = pytest.mark.usefixtures("digests_toml")


def test_item_added_twice_is_sent_once_even_after_its_digest(runtime: Runtime, ses: Emulator) -> None:
    assert add(runtime, item(1), item(1)) == (1, 1)
    run()
    assert add(runtime, item(1), item(2)) == (1, 1)
    run(TEN)
    assert lists(ses) == ["- News 1;", "- News 2;"]


def test_items_of_a_queue_name_their_digests(runtime: Runtime, ses: Emulator) -> None:
    added = add_items(None, [item(1, digest="daily"), item(1, digest="morning")], runtime)
    assert added == (2, 0)


@pytest.mark.parametrize(
    ("name", "items", "pointers"),
    [
        ("daily", [item(1), "no object"], ["/1"]),
        ("daily", [{**item(1), "extra": 1}], ["/0/extra"]),
        ("daily", [item(1, "nobody")], ["/0/recipient"]),
        ("daily", [item(1, 7)], ["/0/recipient"]),  # type: ignore[arg-type]
        ("daily", [{**item(1), "item_id": ""}], ["/0/item_id"]),
        ("daily", [{**item(1), "item_id": "x" * 256}], ["/0/item_id"]),
        ("daily", [{**item(1), "item": "text"}], ["/0/item"]),
        ("daily", [{**item(1), "item": {"text": "x" * 20_000}}], ["/0/item"]),
        ("daily", [{**item(1), "item": {"text": "\ud800"}}], ["/0/item/text"]),
        ("daily", [item(1, time_zone="Mars/Olympus")], ["/0/time_zone"]),
        ("daily", [item(1, time_zone="../etc")], ["/0/time_zone"]),
        ("daily", [{**item(1), "digest": "morning"}], ["/0/digest"]),
        ("nightly", [item(1)], ["/0/digest"]),
        (None, [item(1)], ["/0/digest"]),
        ("daily", [{}], ["/0/recipient", "/0/item_id", "/0/item"]),
        ("daily", [item(number) for number in range(101)], [""]),
    ],
)
def test_invalid_item_is_refused_with_its_pointer_and_none_is_stored(
    runtime: Runtime, name: str | None, items: list[Any], pointers: list[str]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        add_items(name, items, runtime)
    assert [error.pointer for error in caught.value.errors] == pointers
    assert list(plan("daily", NINE, runtime)) == []


def test_items_are_bounded_and_what_is_dropped_is_counted(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, *(item(number) for number in range(8)), digest="morning")
    assert run("2026-05-01T01:00:00Z", "morning") == {"accepted": 1}
    assert lists(ses) == ["News 7,News 6 +6"]


def test_oldest_items_are_stored_where_they_come_first(runtime: Runtime, ses: Emulator) -> None:
    two = digest(subject="{{ total }}", template_id=100092, data={"list": "{{ items[0].title }}"}, keep=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(runtime.config.digests, "daily", two)
        add(runtime, *(item(number) for number in range(4)))
        run()
    [mail] = ses.inbox()
    assert (mail.subject, lists(ses)) == ("4", ["News 0"])


def test_items_that_are_too_old_are_a_dead_letter_of_the_next_run(runtime: Runtime, ses: Emulator) -> None:
    add(runtime, item(1))
    age_digest(runtime, ANN, 31)
    add(runtime, item(2))
    assert run() == {"accepted": 1}
    assert lists(ses) == ["- News 2;"]
    add(runtime, item(3))
    age_digest(runtime, ANN, 31)
    assert run(TEN) == {"dead_lettered": 1}
    assert run(TEN) == {}
    letters = runtime.ledger.dead_letters()
    assert [json.loads(letter["body"])["items"] for letter in letters] == [
        [{"title": "News 1"}],
        [{"title": "News 3"}],
    ]


def test_redelivered_item_is_a_duplicate_until_the_retention_has_passed_as_well(
    runtime: Runtime, ses: Emulator
) -> None:
    add(runtime, item(1))
    run()
    seen = runtime.ledger.store.key("digest", "daily", "seen", address_hash(ANN))
    assert 59 * 86_400 < runtime.ledger.store.client.ttl(seen) <= 60 * 86_400
    age_digest(runtime, ANN, 59)
    assert add(runtime, item(1)) == (0, 1)
    assert run(TEN) == {}
    age_digest(runtime, ANN, 2)
    assert add(runtime, item(1)) == (1, 0)


def test_oldest_item_ids_of_a_recipient_are_forgotten_beyond_the_cap(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.ledger.digests.SEEN_MAX", 2)
    for number in range(3):
        add(runtime, item(number))
        age_digest(runtime, ANN, 1)
    assert add(runtime, item(1), item(2)) == (0, 2)
    assert add(runtime, item(0)) == (1, 0)


def test_recipient_whose_keys_have_expired_is_removed(runtime: Runtime) -> None:
    add(runtime, item(1))
    store = runtime.ledger.store
    for name in ("items", "recipient"):
        store.client.delete(store.key("digest", "daily", name, address_hash("ann@customer.example")))
    assert [planned.why for planned in plan("daily", NINE, runtime)] == ["nothing"]
    assert run() == {"nothing": 1}
    assert run() == {}
