from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.email.addresses import (
    address_of,
    check_address,
    check_header_name,
    check_header_text,
    check_sender,
    domain_of,
)
from request_bodies import addresses, aliases, header_text


@given(addresses)
def test_plain_addresses_pass_unchanged(address: str) -> None:
    assert check_address(address) == check_sender(address) == address_of(address) == address


@given(aliases, addresses)
def test_an_alias_one_space_and_an_address_pass_unchanged(alias: str, address: str) -> None:
    sender = f"{alias} <{address}>"
    assert check_sender(sender) == sender
    assert address_of(sender) == address
    assert domain_of(sender) == domain_of(address) == address.partition("@")[2].lower()


@pytest.mark.parametrize(
    "address",
    [
        "first.last+tag@mail.shop.example",
        "o'hara!#$%&*/=?^_`{|}~-@x.example",
        "a@xn--bcher-kva.example",
        f"{'l' * 64}@{'d' * 63}.example",
        f"a@{'.'.join(['d' * 60] * 4)}.example",
    ],
)
def test_addresses_at_the_limits_pass(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "a",
        "a@",
        "@b.example",
        "a@b",
        "a@b.",
        "a@.example",
        "a@b..example",
        "a@-b.example",
        "a@b-.example",
        "a@[127.0.0.1]",
        ".a@b.example",
        "a.@b.example",
        "a..b@c.example",
        "a b@c.example",
        "a@b.example ",
        " a@b.example",
        "a@b@c.example",
        '"a b"@c.example',
        "a,b@c.example",
        "Ann <a@b.example>",
        "<a@b.example>",
        "jürgen@b.example",
        "a@bücher.example",
        f"{'l' * 65}@b.example",
        f"a@{'d' * 64}.example",
        f"a@{'.'.join(['d' * 61] * 4)}.example",
    ],
)
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        check_address(address)


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "Shop",
        "Shop<a@b.example>",
        "Shop  <a@b.example>",
        "Shop\u00a0<a@b.example>",
        " Shop <a@b.example>",
        " <a@b.example>",
        "Shop: news <a@b.example>",
        "Shop <a@b.example> ",
        "Shop < a@b.example>",
        "Shop <a@b.example",
        "Shop a@b.example>",
        "Shop <<a@b.example>>",
        "Shop <a@b.example> <c@d.example>",
        "Shop <>",
        "Shop <a>",
        "Shop > x <a@b.example>",
    ],
)
def test_a_sender_of_another_form_is_refused(sender: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        check_sender(sender)


@pytest.mark.parametrize(
    "sender", ["<a@b.example>", "S <a@b.example>", "Shop 24 (EU), news <a@b.example>", "商店 <a@b.example>"]
)
def test_senders_with_and_without_an_alias_pass(sender: str) -> None:
    assert domain_of(check_sender(sender)) == "b.example"


@given(header_text)
def test_text_without_control_characters_passes_unchanged(text: str) -> None:
    assert check_header_text(text) == text


@given(st.text(), st.characters(categories=["Cc", "Zl", "Zp"]), st.text())
def test_a_control_character_is_refused_anywhere(before: str, control: str, after: str) -> None:
    for check in (check_header_text, check_address, check_sender):
        with pytest.raises(ValueError, match="control character"):
            check(before + control + after)


@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=76
    )
)
def test_printable_header_names_pass(name: str) -> None:
    assert check_header_name(name) == name


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\n", "Ü", "\x7f", "x" * 77])
def test_other_header_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        check_header_name(name)
