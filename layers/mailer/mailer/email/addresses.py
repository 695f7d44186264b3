"""Mail addresses and header text, as far as SendEmail takes them (RFC 5321, RFC 5322 dot-atoms)."""

from __future__ import annotations

import re

from mailer.errors import SizeRule

from .limits import MAX_ADDRESS_CHARACTERS, MAX_LOCAL_PART_CHARACTERS, MAX_SENDER_CHARACTERS

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}")
_SENDER = re.compile(
    r"(?:(?P<alias>[^\s<>:][^<>:]*[^\s<>:]|[^\s<>:]) )?<(?P<address>[^<> ]+)>|(?P<bare>[^<> ]+)"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322 §2.2: printable ASCII, no colon


def check_header_text(text: str) -> str:
    """Return `text` unless it holds a control character or a line break; raises ValueError."""
    if _CONTROL.search(text):
        raise ValueError("must hold no control character and no line break")
    return text


def check_header_name(name: str) -> str:
    """Return `name` if it is an RFC 5322 field name; raises ValueError."""
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("a header's name is 1 to 76 printable ASCII characters without a colon")
    return name


def check_address(text: str) -> str:
    """Return `text` if it is one plain address `local@domain`; raises ValueError."""
    check_header_text(text)
    local_part = text.rpartition("@")[0]
    if len(text) > MAX_ADDRESS_CHARACTERS or len(local_part) > MAX_LOCAL_PART_CHARACTERS:
        rule = (
            f"an address has at most {MAX_ADDRESS_CHARACTERS} characters, "
            f"{MAX_LOCAL_PART_CHARACTERS} of them before the @"
        )
        raise ValueError(SizeRule(rule))
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be an address such as `name@mail.example` (other scripts in punycode)")
    return text


def check_sender(text: str) -> str:
    """Return `text` if it is `address` or `alias <address>` with exactly one space; raises ValueError."""
    if len(text) > MAX_SENDER_CHARACTERS:
        raise ValueError(SizeRule(f"has at most {MAX_SENDER_CHARACTERS} characters"))
    check_header_text(text)
    match = _SENDER.fullmatch(text)
    if not match:
        raise ValueError("must be `address` or `alias <address>`: one space between, no colon in the alias")
    check_address(match["address"] or match["bare"])
    return text


def address_of(sender: str) -> str:
    """Return the plain address in a checked sender."""
    return sender.rpartition("<")[2].rstrip(">")


def domain_of(address: str) -> str:
    """Return the domain of a checked sender or address, in lower case."""
    return address_of(address).rpartition("@")[2].lower()
