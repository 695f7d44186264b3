"""The field types of `EmailRequest`, with the functions that check them.

docs/openapi/email_request.py states each function's rule as JSON Schema, by the function's name.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from mailer.errors import SizeRule

from . import limits
from .addresses import check_address, check_header_text, check_sender
from .strict_json import decode_base64

if TYPE_CHECKING:
    from collections.abc import Callable

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_LONGEST_LANGUAGE = max(map(len, limits.UNSUBSCRIBE_LANGUAGES)) + 1  # so that a longer text is unknown
_FRACTION = re.compile(r"\.([0-9]+)")


def _text(check: Callable[[str], str]) -> BeforeValidator:
    """Return the validator that applies `check` to a string and leaves the rest to the field's type."""
    return BeforeValidator(partial(_check_if_text, check))


def _check_if_text(check: Callable[[str], str], value: Any) -> Any:
    return check(value) if isinstance(value, str) else value


def at_most(limit: int, things: str = "items") -> BeforeValidator:
    """Return the validator that counts a list's items, or an object's members, before any is checked."""
    return BeforeValidator(partial(_check_length, limit, things))


def _check_length(limit: int, things: str, value: Any) -> Any:
    if isinstance(value, (list, tuple, dict)) and len(value) > limit:
        raise ValueError(SizeRule(f"has at most {limit} {things}"))
    return value


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _list(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _one_or_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else _list(value)


def _instant(value: Any) -> datetime:
    text = value if isinstance(value, str) and len(value) <= limits.MAX_TIME_CHARACTERS else ""
    if not _RFC3339.fullmatch(text):
        raise ValueError(
            "must be an RFC 3339 date and time with an offset, such as 2026-05-01T09:00:00Z, "
            "and no leap second"
        )
    text = _FRACTION.sub(lambda match: "." + match[1][:6].ljust(6, "0"), text.upper())
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise ValueError("must be a day of the calendar between the years 1 and 9999") from error


def _number(value: Any) -> Any:
    """Return 1 for 1.0, which is the same number in JSON Schema (6.1.1), and any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unsubscribe(value: Any) -> str:
    value = _number(value)
    known = isinstance(value, (str, int)) and not isinstance(value, bool)
    text = str(value)[:_LONGEST_LANGUAGE].lower().replace(" ", "_").replace("-", "_") if known else ""
    number = limits.UNSUBSCRIBE_LANGUAGES.get(text, text)
    if number not in limits.UNSUBSCRIBE_LANGUAGES.values():
        raise ValueError(
            f"must be one of {', '.join(limits.UNSUBSCRIBE_LANGUAGES)}, or the API's number from 0 to 11"
        )
    return number


def _trigger_type(value: Any) -> int:
    number = limits.TRIGGER_TYPES.get(value) if isinstance(value, str) else _number(value)
    if not isinstance(number, int) or isinstance(number, bool) or number not in limits.TRIGGER_TYPES.values():
        raise ValueError("must be `marketing` (0) or `transactional` (1)")
    return number


def _filename(name: str) -> str:
    check_header_text(name)
    if set(name) & set(limits.FILENAME_FORBIDS):
        raise ValueError('must hold no space and none of ? \\ * | " < > : /')
    stem, dot, extension = name.rpartition(".")
    if not (stem and dot and extension.lower() in limits.SUPPORTED_FILE_TYPES):
        raise ValueError("must end in a file type that SES supports, such as .pdf or .csv")
    return name


def _base64(text: str) -> str:
    decode_base64(text)
    return text


HeaderText = Annotated[str, _text(check_header_text)]
Address = Annotated[str, _text(check_address)]
To = Annotated[tuple[Address, ...], BeforeValidator(_one_or_list), at_most(limits.MAX_TO)]
Cc = Annotated[tuple[Address, ...], BeforeValidator(_one_or_list), at_most(limits.MAX_CC)]
Bcc = Annotated[tuple[Address, ...], BeforeValidator(_one_or_list), at_most(limits.MAX_BCC)]
Sender = Annotated[str, _text(check_sender)]
Key = Annotated[str, Field(min_length=1, max_length=limits.MAX_KEY_CHARACTERS), _text(check_header_text)]
Text = Annotated[str | None, BeforeValidator(_none_if_empty)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Filename = Annotated[str, _text(_filename)]
Base64 = Annotated[str, _text(_base64)]
Unsubscribe = Annotated[str, BeforeValidator(_unsubscribe)]
TriggerType = Annotated[int, BeforeValidator(_trigger_type)]
HeaderValue = Annotated[str, Field(max_length=limits.MAX_HEADER_CHARACTERS), _text(check_header_text)]
Headers = Annotated[dict[str, HeaderValue], at_most(limits.MAX_SMTP_HEADERS, "headers")]
AsTuple = BeforeValidator(_list)
