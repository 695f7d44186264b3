from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from factories import email
from mailer.email.identity import (
    ID_CHARACTERS,
    AddressHasher,
    Key,
    KeyKind,
    fresh_key,
    id_for,
    smtp_message_id_for,
    unkeyed_hash,
)
from mailer.email.request import EmailRequest
from request_bodies import own_bodies, text

accounts = st.from_regex(r"[A-Za-z0-9._-]{1,8}", fullmatch=True)


@given(accounts, text)
def test_an_email_id_is_32_characters_of_lower_case_base32(account: str, key: str) -> None:
    assert re.fullmatch(rf"[a-z2-7]{{{ID_CHARACTERS}}}", id_for(account, key))
    assert id_for(account, key) == id_for(account, key)


@given(st.tuples(accounts, text), st.tuples(accounts, text))
def test_another_account_or_key_is_another_email(one: tuple[str, str], other: tuple[str, str]) -> None:
    assume(one != other)
    assert id_for(*one) != id_for(*other)


def test_an_email_id_never_changes_since_records_and_callbacks_carry_it() -> None:
    digest = hashlib.sha256(b"defaultorder-1").digest()
    assert id_for("default", "order-1") == base64.b32encode(digest)[:32].decode().lower()
    assert id_for("default", "order-1") == "5juxczt2wnfwuolj4xtgrmt3kzg5qruz"
    assert smtp_message_id_for(id_for("default", "order-1"), "a@b.example").endswith("@b.example")


plain = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)
keys = st.builds(
    Key, plain, st.sampled_from(KeyKind), accounts | st.just("") | accounts.map("webhook:{}".format)
)


@given(keys, keys)
def test_keys_of_another_kind_or_namespace_are_never_the_same(one: Key, other: Key) -> None:
    assert (one.email_id("a") == other.email_id("a")) == (one == other)


@given(plain, plain, accounts)
def test_no_text_of_a_caller_is_the_key_of_a_platform_or_a_namespace(
    text: str, guess: str, account: str
) -> None:
    others = [Key(text, KeyKind.PLATFORM), Key(text, namespace="shop"), Key(text, KeyKind.PLATFORM, "shop")]
    assert len({one.email_id(account) for one in (*others, Key(text))}) == 4
    guesses = [guess, text, f"platform{text}", f"callershop{text}", f"{guess}\n{text}"]
    assert {Key(one).email_id(account) for one in guesses}.isdisjoint(one.email_id(account) for one in others)


def test_key_of_a_caller_in_the_accounts_namespace_has_the_id_of_version_0_1_0() -> None:
    assert Key("order-1").email_id("default") == id_for("default", "order-1")


def test_ids_of_the_other_keys_never_change_either() -> None:
    for key, hashed in (
        (Key("sqs:m-1", KeyKind.PLATFORM), b"default\0platform\0\0sqs:m-1"),
        (Key("order-1", namespace="shop"), b"default\0caller\0shop\0order-1"),
    ):
        digest = hashlib.sha256(hashed).digest()
        assert key.email_id("default") == base64.b32encode(digest)[:32].decode().lower()


def test_fresh_keys_differ() -> None:
    assert len({fresh_key() for _ in range(1000)}) == 1000


@given(own_bodies(), st.randoms())
def test_the_fingerprint_does_not_depend_on_key_or_order(document: dict[str, Any], random: Any) -> None:
    request = EmailRequest.parse(document)
    names = list(document)
    random.shuffle(names)
    shuffled = {name: document[name] for name in names} | {"idempotency_key": "another"}
    assert EmailRequest.parse(shuffled).content_fingerprint() == request.content_fingerprint()
    assert re.fullmatch(r"written:[0-9a-f]{64}", request.content_fingerprint())


def test_a_request_that_was_not_parsed_is_compared_by_its_own_json() -> None:
    request = email()
    assert request.model_copy().content_fingerprint() == request.content_fingerprint()
    unparsed = EmailRequest.model_validate(request.document())
    assert unparsed.content_fingerprint() == EmailRequest.parse(request.document()).content_fingerprint()


@given(own_bodies(), own_bodies())
def test_other_requests_have_other_fingerprints(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (EmailRequest.parse({**document, "idempotency_key": "same"}) for document in (one, other))
    assert (first.content_fingerprint() == second.content_fingerprint()) == (first == second)


def test_each_difference_in_what_is_asked_for_shows() -> None:
    asked: list[dict[str, Any]] = [
        {}, {"subject": "x"}, {"to": ["b@c.example"]}, {"to": "Ann@customer.example"},
        {"cc": "b@c.example"}, {"bcc": "b@c.example"}, {"template": {"id": 2}},
        {"template": {"id": 100091, "data": {"code": 1234}}}, {"headers": {"X-A": "1"}},
        {"send_at": "2026-05-01T09:00:00Z"}, {"expires_at": "2026-05-01T09:00:00Z"},
        {"on_unknown": "hold"}, {"unsubscribe": 0}, {"trigger_type": 0},
    ]  # fmt: skip
    assert len({email(**fields).content_fingerprint() for fields in asked}) == len(asked)


def test_an_address_hash_hides_the_address_and_its_case() -> None:
    address_hash = AddressHasher("first-key-of-hashes")
    assert address_hash("Ann@Customer.example") == address_hash("ann@customer.example")
    assert address_hash("ann@customer.example") != address_hash("bob@customer.example")
    assert re.fullmatch(r"[0-9a-f]{20}", address_hash("ann@customer.example"))


def test_an_address_hash_needs_its_key() -> None:
    first, other = "first-key-of-hashes", "other-key-of-hashes"
    made = hmac.new(first.encode(), b"ann@customer.example", hashlib.sha256).hexdigest()[:20]
    plain = hashlib.sha256(b"ann@customer.example").hexdigest()[:20]
    assert AddressHasher(first)("Ann@customer.example") == made
    assert AddressHasher(other)("ann@customer.example") not in {made, plain}
    assert unkeyed_hash("Ann@customer.example") == plain
    both = AddressHasher(other, first)
    assert both.all_of("Ann@customer.example") == (both("ann@customer.example"), made, plain)
