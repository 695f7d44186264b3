"""Filters of templates for what emails show: amounts of money, dates, and numbers of things.

Source: ISO 4217, for the currencies whose minor unit is not a hundredth.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from jinja2 import Undefined

from .time_zones import time_zone_named

if TYPE_CHECKING:
    from collections.abc import Callable

_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS = {
    **dict.fromkeys(_WHOLE.split(), 0),
    **dict.fromkeys(_THOUSANDTHS.split(), 3),
    "CLF": 4,
    "UYW": 4,
}
_CURRENCY = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FRACTION = re.compile(r"\.([0-9]+)")
_MIN_MILLISECONDS = 100_000_000_000  # as seconds, this is the year 5138


class RuleBroken(ValueError):
    """A value does not fit its filter; the text has nothing of the value."""


def amount(value: Any, currency: Any, decimal: str = ".", thousands: str = ",", *, minor: bool = True) -> str:
    """Return an amount of money with the digits of its currency, and the currency: `1,234.50 EUR`.

    The value is a number, or a text of one, in the currency's smallest unit; with `minor=false` in its whole.
    """
    number, code = _number("amount", value), str(currency).upper()
    if not _CURRENCY.fullmatch(code):
        raise RuleBroken("amount: the currency must be three letters of ISO 4217")
    digits = _DIGITS.get(code, 2)
    whole, _, fraction = f"{number.scaleb(-digits) if minor else number:,.{digits}f}".partition(".")
    return f"{whole.replace(',', thousands)}{decimal if fraction else ''}{fraction} {code}"


def date_text(value: Any, form: str = "%Y-%m-%d", zone: str = "UTC") -> str:
    """Return a moment as `strftime` writes it in a time zone; months and days have English names.

    The value is a date or time of ISO 8601 (in UTC, if it names no offset) or of an email's header, or a
    number of Unix seconds or milliseconds. A date without a time is the same in every zone.
    """
    found = time_zone_named(str(zone))
    if found is None:
        raise RuleBroken("date: must name an IANA time zone, such as Europe/Berlin")
    try:
        moment = _moment(value)
        return (moment.astimezone(found) if isinstance(moment, datetime) else moment).strftime(form)
    except (ValueError, OverflowError, OSError, TypeError) as error:
        raise RuleBroken("date: must be a date or time of ISO 8601, or Unix seconds") from error


def plural(value: Any, one: str, other: str) -> str:
    """Return a number and the word for so many: `1 lamp`, `2 lamps`. The value is a number or a list."""
    number = Decimal(len(value)) if isinstance(value, (list, dict)) else _number("plural", value)
    return f"{number} {one if number == 1 else other}"


def _number(name: str, value: Any) -> Decimal:
    text = str(value)  # which raises for what is undefined
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise RuleBroken(f"{name}: must be a number")
    return Decimal(text)


def _moment(value: Any) -> date:
    text = str(value).strip()
    if not isinstance(value, bool) and _NUMBER.fullmatch(text):
        seconds = float(text)
        return datetime.fromtimestamp(
            seconds / 1000 if abs(seconds) >= _MIN_MILLISECONDS else seconds, timezone.utc
        )
    if _DAY.fullmatch(text):
        return date.fromisoformat(text)
    plain = _FRACTION.sub(lambda match: "." + match[1][:6].ljust(6, "0"), text.upper())
    try:
        moment = datetime.fromisoformat(plain.replace("Z", "+00:00"))
    except ValueError:
        moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _of_defined(apply: Callable[..., str]) -> Callable[..., str]:
    def filtered(value: Any, *arguments: Any, **options: Any) -> str:
        if isinstance(value, Undefined):
            return str(value)  # an error, but where a template is checked without values
        return apply(value, *arguments, **options)

    return filtered


_PLAIN: dict[str, Callable[..., str]] = {"amount": amount, "date": date_text, "plural": plural}
FILTERS = {name: _of_defined(apply) for name, apply in _PLAIN.items()}
