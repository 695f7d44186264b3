"""The syntax of addresses, senders, Message-IDs and header fields that SendEmail accepts."""

import re
from typing import NamedTuple

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = rf"{_ATOM}(?:\.{_ATOM})*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_ADDR_SPEC = re.compile(rf"(?P<local>{_DOT_ATOM})@(?P<domain>{_DOMAIN.pattern})")
_MESSAGE_ID = re.compile(rf"<{_DOT_ATOM}@(?:{_DOT_ATOM}|\[[!-Z^-~]*\])>")
_HEADER_NAME = re.compile(r"[!-9;-~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LOCAL_PART_MAX, ADDRESS_MAX, MESSAGE_ID_MAX = 64, 254, 998


class Sender(NamedTuple):
    """A sender: the display name ("" for none), the address, and its domain in lower case."""

    alias: str
    address: str
    domain: str


def is_address(text: str) -> bool:
    """Return whether `text` is a bare ASCII address: a dot-atom, a domain of two labels, RFC 5321 lengths."""
    match = _ADDR_SPEC.fullmatch(text)
    return match is not None and len(match["local"]) <= LOCAL_PART_MAX and len(text) <= ADDRESS_MAX


def parse_sender(text: str) -> Sender | None:
    """Return the sender in `addr` or `alias <addr>` (exactly one space before `<`, no colon), else None."""
    if is_address(text):
        return Sender("", text, domain_of(text))
    alias, separator, rest = text.partition(" <")
    address = rest.removesuffix(">")
    well_formed = separator and rest.endswith(">") and is_address(address)
    if (
        not well_formed
        or not alias
        or alias != alias.strip()
        or re.search(r"[:<>]", alias)
        or has_control(alias)
    ):
        return None
    return Sender(alias, address, domain_of(address))


def domain_of(address: str) -> str:
    """Return the part after the @, in lower case."""
    return address.rpartition("@")[2].lower()


def is_domain(text: str) -> bool:
    """Return whether `text` is a domain name of two labels or more."""
    return len(text) <= ADDRESS_MAX and _DOMAIN.fullmatch(text) is not None


def is_message_id(text: str) -> bool:
    """Return whether `text` is a `msg-id` of RFC 5322 §3.6.4, with its angle brackets."""
    return len(text) <= MESSAGE_ID_MAX and _MESSAGE_ID.fullmatch(text) is not None


def is_header_name(text: str) -> bool:
    """Return whether `text` is a field name of RFC 5322 §2.2."""
    return _HEADER_NAME.fullmatch(text) is not None


def has_control(text: str) -> bool:
    """Return whether `text` has a control character, which is not allowed in a header field."""
    return _CONTROL.search(text) is not None
