"""Hashes of addresses have a key, and what was stored under an earlier hash still counts."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from digest_runs import TOML, item
from factories import HASH_KEY, address_hash, email
from http_calls import call
from mailer.config.file import Config
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver
from mailer.digest.items import add_items
from mailer.digest.plan import plan
from mailer.digest.run import run_digest
from mailer.doctor import run_checks
from mailer.email.identity import AddressHasher, unkeyed_hash
from mailer.errors import StoreUnavailable
from mailer.ledger import Ledger, Store
from mailer.ledger.address_keys import CHECK_SECONDS
from mailer.ledger.digests import DigestLedger
from mailer.ledger.record import State
from mailer.runtime import Runtime
from mailer.ses.events import SesEvent
from promise_steps import email_id, field, record_of, sweep_all
from store_faults import full_store

if TYPE_CHECKING:
    import io
    from collections.abc import Callable
    from pathlib import Path

    from local.ses_emulator import Emulator

pytestmark = pytest.mark.unlimited_status_queries

SENDER, ANN, BOB = "noreply@mail.shop.example", "ann@customer.example", "bob@customer.example"
OLD_KEY = "the-key-of-last-year"
NOON = "2026-05-01T12:00:00Z"
EARLIER: dict[str, Callable[[str], str]] = {
    "version 0.1.0": unkeyed_hash,
    "another key": AddressHasher(OLD_KEY),
}


@pytest.fixture(params=EARLIER)
def earlier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """The hash that an address had before, with the keys that match it set."""
    monkeypatch.setenv("MAILER_HASH_KEY", f"{HASH_KEY} {OLD_KEY}")
    return EARLIER[str(request.param)]


@pytest.fixture
def runtime(environment: dict[str, str], earlier: Callable[[str], str]) -> Runtime:
    return Runtime.current()


def life(runtime: Runtime, *key: str) -> int:
    store = runtime.ledger.store
    return int(store.client.pttl(store.key(*key)))


# The key.


@pytest.fixture
def store(store_url: str, environment: dict[str, str]) -> Store:
    return Store(store_url, environment["MAILER_ACCOUNT"])


def another(store: Store, url: str) -> Store:
    return Store(url, store.prefix.split("{")[1].partition("}")[0])


def test_key_is_made_once_and_kept_in_the_store(store: Store, store_url: str) -> None:
    made = store.addresses.hasher()(ANN)
    key = store.client.get(store.key("hash_key"))
    assert len(key) == 43
    assert made == AddressHasher(key)(ANN) == another(store, store_url).addresses.hasher()(ANN)
    assert store.client.pttl(store.key("hash_key")) == -1


def test_key_that_is_set_is_used_without_the_store(environment: dict[str, str]) -> None:
    nowhere = Store("redis://127.0.0.1:1/0", "nobody", hash_keys=(HASH_KEY, OLD_KEY))
    assert nowhere.addresses.hasher().all_of(ANN) == AddressHasher(HASH_KEY, OLD_KEY).all_of(ANN)


def test_without_key_and_store_nothing_is_hashed() -> None:
    with pytest.raises(StoreUnavailable):
        Store("redis://127.0.0.1:1/0", "nobody").addresses.hasher()


def test_without_the_key_nothing_is_sent(
    environment: dict[str, str], ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAILER_HASH_KEY")
    monkeypatch.setenv("MAILER_STORE_URL", "redis://127.0.0.1:1/0")
    with pytest.raises(StoreUnavailable):
        deliver(email())
    assert ses.calls() == []


def test_full_store_gives_its_key(environment: dict[str, str], store: Store, store_url: str) -> None:
    with full_store(replace(Runtime.current(), ledger=Ledger(store))):
        made = store.addresses.hasher()(ANN)
        assert another(store, store_url).addresses.hasher()(ANN) == made


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let seconds pass on the monotonic clock."""
    moved = [0.0]
    monkeypatch.setattr("mailer.clock.monotonic", lambda: time.monotonic() + moved[0])

    def add(seconds: float) -> None:
        moved[0] += seconds

    return add


def test_key_is_read_again_after_a_minute(
    store: Store, store_url: str, minutes: Callable[[float], None]
) -> None:
    """So a failover that forgot it leaves no two processes with two keys."""
    made = store.addresses.hasher()(ANN)
    store.client.delete(store.key("hash_key"))
    minutes(CHECK_SECONDS - 5)
    assert store.addresses.hasher()(ANN) == made
    assert not store.client.exists(store.key("hash_key"))
    minutes(10)
    assert store.addresses.hasher()(ANN) == made
    assert another(store, store_url).addresses.hasher()(ANN) == made
    store.client.set(store.key("hash_key"), "of-another-process")
    minutes(CHECK_SECONDS)
    hasher = store.addresses.hasher()
    assert hasher.all_of(ANN) == (AddressHasher("of-another-process")(ANN), made, unkeyed_hash(ANN))


def test_key_that_is_known_serves_while_the_store_is_down(
    store: Store, minutes: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store.addresses.hasher()(ANN)
    minutes(CHECK_SECONDS)
    nowhere = Store("redis://127.0.0.1:1/0", "nobody")
    monkeypatch.setattr(store, "_url", nowhere._url)
    store.close()
    assert store.addresses.hasher()(ANN) == made


def test_doctor_says_which_key_is_in_use(
    environment: dict[str, str], ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(value: str) -> str:
        monkeypatch.setenv("MAILER_HASH_KEY", value)
        [check] = [one for one in run_checks(Runtime.current()) if one.subject == "MAILER_HASH_KEY"]
        assert (check.passed, check.critical) == (True, False)
        assert HASH_KEY not in check.detail
        return check.detail

    assert says("") == "addresses are hashed with a key that the store keeps"
    assert says(HASH_KEY) == "addresses are hashed with the key that is set"
    assert says(f"{HASH_KEY} {OLD_KEY}") == (
        "addresses are hashed with the key that is set; 1 earlier keys are matched"
    )


# What is stored and logged.


@pytest.mark.parametrize("key", ["", HASH_KEY])
def test_no_hash_of_an_address_is_unkeyed(
    environment: dict[str, str],
    ses: Emulator,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    key: str,
) -> None:
    monkeypatch.setenv("MAILER_HASH_KEY", key)
    monkeypatch.setenv("MAILER_CALLBACK_TOKEN", "a-token-that-nobody-guesses")
    path = tmp_path / "mailer.toml"
    path.write_text(TOML)
    runtime = replace(Runtime.current(), config=Config.load(str(path)))
    ses.add_fault("reset-after")
    outcome = deliver(email(), key="order-1", runtime=runtime)
    told = {"event": "bounce", "email": ANN, "messageId": outcome.id, "bounceType": "hard_bounce"}
    call("POST", "/ses/events/a-token-that-nobody-guesses", told)
    call("POST", "/emails", {ANN: 1})
    ses.add_fault("FailedOperation.NotAuthenticatedSender")
    deliver(email(to=BOB), runtime=runtime)
    add_items("daily", [{"recipient": BOB, "item_id": "1", "item": {"title": "1"}}], runtime)
    run_digest("daily", NOON, "test", Deadline(10), runtime)
    client = runtime.ledger.store.client
    keys = client.keys(runtime.ledger.store.key("*"))
    hashed = runtime.ledger.store.addresses.hasher()
    assert hashed(ANN) in " ".join(keys)
    assert hashed(ANN) in log.getvalue()
    kept = " ".join([*keys, *(str(_content(client, one)) for one in keys)])
    for address in (ANN, BOB, SENDER):
        assert unkeyed_hash(address)[:12] not in kept + log.getvalue()
    secret = client.get(runtime.ledger.store.key("hash_key")) or key
    assert secret not in log.getvalue()


def _content(client: Any, key: str) -> Any:
    read = {
        "string": client.get,
        "hash": client.hgetall,
        "zset": lambda name: client.zrange(name, 0, -1),
        "list": lambda name: client.lrange(name, 0, -1),
        "stream": client.xrange,
    }
    return read[client.type(key)](key)


# What was stored before.


@pytest.mark.parametrize("kind", ["suppressed", "unsubscribed"])
def test_suppression_blocks_still_and_moves(
    runtime: Runtime, ses: Emulator, earlier: Callable[[str], str], kind: str
) -> None:
    domain = ["mail.shop.example"] if kind == "unsubscribed" else []
    store = runtime.ledger.store
    store.client.set(store.key(kind, earlier(ANN), *domain), "Ledger.SpamReport")
    for _ in range(2):
        assert deliver(email(to=[BOB, ANN])).code == "Ledger.SpamReport"
        assert life(runtime, kind, earlier(ANN), *domain) == -2
        assert life(runtime, kind, address_hash(ANN), *domain) == -1
    assert ses.calls() == []


@pytest.mark.parametrize(
    ("today", "before", "after"),
    [
        (None, 90_000, 90_000),
        (60_000, 90_000, 90_000),
        (90_000, 60_000, 90_000),
        (0, 60_000, 0),
        (60_000, 0, 0),
    ],
)
def test_suppression_that_ends_later_stays(
    runtime: Runtime, earlier: Callable[[str], str], today: int | None, before: int, after: int
) -> None:
    """A life of 0 is for good."""
    store = runtime.ledger.store
    for made, milliseconds in ((address_hash, today), (earlier, before)):
        if milliseconds is not None:
            store.client.set(store.key("suppressed", made(ANN)), "Ledger.HardBounce", px=milliseconds or None)
    assert deliver(email()).code == "Ledger.HardBounce"
    left = life(runtime, "suppressed", address_hash(ANN))
    assert left == -1 if after == 0 else after - 20_000 < left <= after
    assert life(runtime, "suppressed", earlier(ANN)) == -2


def test_suppression_of_several_hashes_is_found(environment: dict[str, str]) -> None:
    store = Store(
        environment["MAILER_STORE_URL"], environment["MAILER_ACCOUNT"], hash_keys=(HASH_KEY, OLD_KEY)
    )
    store.client.set(store.key("suppressed", unkeyed_hash(ANN)), "Ledger.SpamReport")
    store.client.set(store.key("suppressed", AddressHasher(OLD_KEY)(BOB)), "Ledger.HardBounce", px=60_000)
    runtime = replace(Runtime.current(), ledger=Ledger(store))
    assert deliver(email(to=[BOB]), runtime=runtime).code == "Ledger.HardBounce"
    assert deliver(email(to=[ANN]), runtime=runtime).code == "Ledger.SpamReport"


def test_emails_of_the_last_hour_still_count(
    runtime: Runtime, ses: Emulator, earlier: Callable[[str], str]
) -> None:
    store, now = runtime.ledger.store, int(time.time() * 1000)
    store.client.zadd(store.key("sent", earlier(ANN)), {str(number): now - 1000 for number in range(8)})
    store.client.zadd(store.key("sent", address_hash(ANN)), {"today": now - 1000})
    assert deliver(email()).state is State.ACCEPTED
    assert deliver(email()).code == "Ledger.RecipientRateLimited"
    assert life(runtime, "sent", earlier(ANN)) == -2
    assert 0 < life(runtime, "sent", address_hash(ANN)) <= 3_600_000


def test_emails_of_the_last_hour_that_are_only_moved_expire(
    runtime: Runtime, ses: Emulator, earlier: Callable[[str], str]
) -> None:
    store, now = runtime.ledger.store, int(time.time() * 1000)
    store.client.zadd(store.key("sent", earlier(ANN)), {"one": now - 1000})
    store.client.set(store.key("suppressed", address_hash(ANN)), "Ledger.HardBounce", px=60_000)
    deliver(email())
    assert 0 < life(runtime, "sent", address_hash(ANN)) <= 3_600_000


def test_halt_of_a_sender_still_halts(runtime: Runtime, ses: Emulator, earlier: Callable[[str], str]) -> None:
    store, now = runtime.ledger.store, int(time.time() * 1000)
    halt = {"code": "FailedOperation.NotAuthenticatedSender", "until_at": now + 60_000, "since": now}
    store.client.hset(store.key("halt", "sender", earlier(SENDER)), mapping=halt)
    store.client.pexpire(store.key("halt", "sender", earlier(SENDER)), 120_000)
    assert deliver(email()).code == "FailedOperation.NotAuthenticatedSender"
    assert life(runtime, "halt", "sender", earlier(SENDER)) == -2
    store.client.hset(store.key("halt", "sender", address_hash(SENDER)), "until_at", 1)
    assert deliver(email()).state is State.ACCEPTED
    assert life(runtime, "halt", "sender", address_hash(SENDER)) == -2


def test_callback_is_believed_by_what_was_stored_before(
    runtime: Runtime, ses: Emulator, earlier: Callable[[str], str]
) -> None:
    store = runtime.ledger.store
    hasher = store.addresses.hasher()
    store.client.set(store.key("mailed", earlier(BOB)), "1")
    for address, verdict in ((BOB, "absent"), (ANN, "foreign")):
        told = SesEvent.parse({"event": "spamreport", "email": address}, hasher)
        assert runtime.events.record(told) == (None, verdict)
    assert life(runtime, "suppressed", address_hash(BOB)) == -1
    ses.add_fault("reset-after")
    outcome = deliver(email(), key="order-1")
    name = store.key("email", email_id(runtime))
    store.client.hset(name, "route", json.dumps([earlier(SENDER), earlier(ANN)]))
    told = SesEvent.parse({"event": "bounce", "email": ANN, "messageId": outcome.id}, hasher)
    told_before = replace(told, recipients=(earlier(ANN),))
    assert runtime.events.record(told_before)[1] == "settled"
    assert runtime.events.record(told)[1] == "repeated"
    assert len(runtime.events.events_of(email_id(runtime))) == 1


def test_look_alikes_of_before_and_after_share_their_rows(
    runtime: Runtime, ses: Emulator, earlier: Callable[[str], str]
) -> None:
    for key in ("order-1", "order-2"):
        ses.add_fault("reset-after")
        deliver(email(to=[ANN, BOB]), key=key)
    store = runtime.ledger.store
    name = store.key("email", email_id(runtime))
    store.client.hset(name, "route", json.dumps([earlier(one) for one in (SENDER, ANN, BOB)]))
    assert sweep_all(runtime) == {"found": 2}


def test_unknown_email_whose_key_is_gone_is_not_sent_again(
    runtime: Runtime, ses: Emulator, earlier: Callable[[str], str]
) -> None:
    ses.add_fault("reset-after")
    deliver(email(), key="order-1")
    store, gone = runtime.ledger.store, AddressHasher("a-key-that-is-gone")
    name = store.key("email", email_id(runtime))
    store.client.hset(name, "route", json.dumps([gone(SENDER), gone(ANN)]))
    assert sweep_all(runtime) == {"ambiguous": 1}
    assert len(ses.inbox()) == 1


def test_who_was_left_out_is_still_named(
    runtime: Runtime, ses: Emulator, earlier: Callable[[str], str]
) -> None:
    store = runtime.ledger.store
    store.client.set(store.key("suppressed", address_hash(BOB)), "Ledger.SpamReport")
    request = email(to=[ANN, BOB], on_suppressed="drop")
    deliver(request, key="order-1")
    history = (field(runtime, "history") or "").replace(address_hash(BOB), earlier(BOB))
    store.client.hset(store.key("email", email_id(runtime)), "history", history)
    assert deliver(request, key="order-1").dropped_addresses == (BOB,)
    assert record_of(runtime).dropped == [earlier(BOB)]


# Digests.


@pytest.fixture
def digests(runtime: Runtime, tmp_path: Path) -> Runtime:
    path = tmp_path / "mailer.toml"
    path.write_text(TOML)
    return replace(runtime, config=Config.load(str(path)))


def store_before(runtime: Runtime, earlier: Callable[[str], str], *numbers: int) -> None:
    """Store items as they were under an earlier hash."""
    add_items("daily", [item(number) for number in numbers], runtime)
    store = runtime.ledger.store
    own, old = address_hash(ANN), earlier(ANN)
    for name in ("items", "recipient", "seen"):
        store.client.rename(store.key("digest", "daily", name, own), store.key("digest", "daily", name, old))
    store.client.zrem(store.key("digest", "daily", "recipients"), own)
    store.client.zadd(store.key("digest", "daily", "recipients"), {old: 0})
    store.client.zrem(store.key("digest_expiry"), f"daily:{own}")
    store.client.zadd(store.key("digest_expiry"), {f"daily:{old}": 2e12})


def recipients(runtime: Runtime) -> list[str]:
    return [one.key for one in DigestLedger(runtime.ledger.store).page("daily", "", 10)]


def test_items_of_before_are_told_with_those_of_today(
    digests: Runtime, ses: Emulator, earlier: Callable[[str], str]
) -> None:
    store_before(digests, earlier, 1, 2)
    added = add_items("daily", [item(1), item(3)], digests)
    assert (added.accepted, added.duplicates) == (1, 1)
    assert recipients(digests) == [address_hash(ANN)]
    store = digests.ledger.store
    assert store.client.zrange(store.key("digest_expiry"), 0, -1) == [f"daily:{address_hash(ANN)}"]
    assert run_digest("daily", NOON, "test", Deadline(10), digests) == {"accepted": 1}
    assert add_items("daily", [item(2), item(3)], digests).accepted == 0
    assert store.client.keys(store.key("*", earlier(ANN))) == []


def test_items_of_before_are_told_where_a_known_one_is_added(
    digests: Runtime, ses: Emulator, earlier: Callable[[str], str]
) -> None:
    store_before(digests, earlier, 1)
    assert add_items("daily", [item(1)], digests).accepted == 0
    assert recipients(digests) == [address_hash(ANN)]
    store = digests.ledger.store
    assert store.client.zrange(store.key("digest_expiry"), 0, -1) == [f"daily:{address_hash(ANN)}"]
    assert run_digest("daily", NOON, "test", Deadline(10), digests) == {"accepted": 1}


def test_items_of_before_are_told_where_none_is_added(
    digests: Runtime, ses: Emulator, earlier: Callable[[str], str]
) -> None:
    store_before(digests, earlier, 1)
    store = digests.ledger.store
    assert [one.why for one in plan("daily", NOON, digests)] == ["send"]
    store.client.set(store.key("suppressed", earlier(ANN)), "Ledger.SpamReport")
    assert [one.why for one in plan("daily", NOON, digests)] == ["suppressed"]
    store.client.rename(store.key("suppressed", earlier(ANN)), store.key("suppressed", address_hash(ANN)))
    assert [one.why for one in plan("daily", NOON, digests)] == ["suppressed"]
    store.client.delete(store.key("suppressed", address_hash(ANN)))
    assert run_digest("daily", NOON, "test", Deadline(10), digests) == {"accepted": 1}
    add_items("daily", [item(2)], digests)  # today's window is closed, whatever the hash
    assert recipients(digests) == [address_hash(ANN)]
    assert run_digest("daily", NOON, "test", Deadline(10), digests) == {"already_sent": 1}
    assert len(ses.inbox()) == 1


def test_open_window_of_before_stays_until_it_is_closed(
    digests: Runtime, ses: Emulator, earlier: Callable[[str], str]
) -> None:
    """Its email is named by the hash: under another one it would be sent again."""
    store_before(digests, earlier, 1)
    ses.add_fault("reset-after")
    assert run_digest("daily", NOON, "test", Deadline(10), digests) == {"unknown": 1}
    add_items("daily", [item(2)], digests)
    assert recipients(digests) == [earlier(ANN)]
    tomorrow = NOON.replace("-01T", "-02T")
    assert run_digest("daily", tomorrow, "test", Deadline(10), digests) == {"unknown": 1}
    assert sweep_all(digests)["found"] == 1
    assert run_digest("daily", tomorrow, "test", Deadline(10), digests) == {"accepted": 1}
    assert len(ses.inbox()) == 2
    add_items("daily", [item(2), item(3)], digests)
    assert recipients(digests) == [address_hash(ANN)]


@pytest.mark.parametrize("address", [ANN, ""])
def test_recipient_of_before_is_logged_by_todays_hash(
    digests: Runtime, log: io.StringIO, earlier: Callable[[str], str], address: str
) -> None:
    """Where the store lost the address, there is none to be guessed."""
    store_before(digests, earlier, 1)
    store = digests.ledger.store
    if not address:
        store.client.hdel(store.key("digest", "daily", "recipient", earlier(ANN)), "address")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DigestLedger, "freeze", None)
        assert run_digest("daily", NOON, "test", Deadline(10), digests) == {"error": 1}
    line = json.loads(log.getvalue().splitlines()[-1])
    assert line["recipient"] == (address_hash(ANN) if address else earlier(ANN))


@pytest.mark.parametrize("left", ["run", "frozen"])
def test_recipient_of_before_does_not_move_during_a_run(
    digests: Runtime, ses: Emulator, earlier: Callable[[str], str], left: str
) -> None:
    store_before(digests, earlier, 1)
    store = digests.ledger.store
    if left == "run":
        store.client.zadd(store.key("digest", "daily", "runs"), {NOON: 1})
    else:  # a store that lost the recipient's fields
        name = store.key("digest", "daily", "items", earlier(ANN))
        store.client.rename(name, store.key("digest", "daily", "frozen", earlier(ANN)))
    add_items("daily", [item(2)], digests)
    assert recipients(digests) == [earlier(ANN)]


def test_recipient_of_today_keeps_what_it_has(digests: Runtime, earlier: Callable[[str], str]) -> None:
    store_before(digests, earlier, 1)
    store = digests.ledger.store
    store.client.zadd(store.key("digest", "daily", "seen", address_hash(ANN)), {"c-9": 2e12})
    add_items("daily", [item(2)], digests)
    assert sorted(recipients(digests)) == sorted([address_hash(ANN), earlier(ANN)])
