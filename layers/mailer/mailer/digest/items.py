"""What comes in for digests: items, from HTTP or a queue, checked as a whole before any is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from mailer.config.time_zones import is_time_zone
from mailer.email.addresses import check_address
from mailer.email.limits import MAX_KEY_CHARACTERS
from mailer.email.strict_json import check_object
from mailer.errors import FieldError, InvalidRequest
from mailer.ledger.digests import DigestLedger, Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailer.runtime import Runtime

MAX_ITEM_CHARACTERS = 16_384
MAX_ITEMS = 100  # of one call
_FIELDS = frozenset({"digest", "recipient", "item_id", "item", "time_zone"})


class Taken(NamedTuple):
    """How many items are new, and how many were known by their item_id."""

    accepted: int
    duplicates: int


def take_items(digest: str | None, items: Sequence[Any], runtime: Runtime) -> Taken:
    """Keep items `{"recipient", "item_id", "item", "time_zone"?}` for the next digest of each recipient.

    Each names its `digest` where `digest` is None. Taking an item again changes nothing, so a call that
    failed may be repeated. Raises InvalidRequest, with a pointer `/index/field` for every broken rule and
    nothing kept, and StoreUnavailable.
    """
    if len(items) > MAX_ITEMS:
        raise InvalidRequest.at("", f"at most {MAX_ITEMS} items at once")
    errors = [error for index, item in enumerate(items) for error in _errors(digest, item, index, runtime)]
    if errors:
        raise InvalidRequest(errors)
    by_digest: dict[str, list[Item]] = {}
    for item in items:
        by_digest.setdefault(digest or item["digest"], []).append(
            Item(item["recipient"], item["item_id"], json.dumps(item["item"]), item.get("time_zone"))
        )
    digests = DigestLedger(runtime.ledger.store)
    new = [
        fresh
        for name, belonging in by_digest.items()
        for fresh in digests.add(runtime.config.digests[name], belonging)
    ]
    return Taken(sum(new), len(new) - sum(new))


def _errors(digest: str | None, item: Any, index: int, runtime: Runtime) -> Iterator[FieldError]:
    place = f"/{index}"
    try:
        check_object(item)
    except InvalidRequest as error:
        yield from error.under(place).errors
        return
    for name in sorted(item.keys() - _FIELDS):
        yield FieldError(f"{place}/{name}", "is no field of an item")
    named = digest if item.get("digest") is None else item["digest"]
    if not isinstance(named, str) or named not in runtime.config.digests or digest not in {None, named}:
        yield FieldError(f"{place}/digest", "must name a digest of mailer.toml")
    for name, (holds, rule) in _RULES.items():
        if not holds(item.get(name)):
            yield FieldError(f"{place}/{name}", rule)


def _is_address(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(check_address(value))
    except ValueError:
        return False


_RULES: dict[str, tuple[Any, str]] = {
    "recipient": (_is_address, "must be an address such as `name@mail.example`"),
    "item_id": (
        lambda value: isinstance(value, str) and 0 < len(value) <= MAX_KEY_CHARACTERS,
        f"must be 1 to {MAX_KEY_CHARACTERS} characters, which the same item always has",
    ),
    "item": (
        lambda value: isinstance(value, dict) and len(json.dumps(value)) <= MAX_ITEM_CHARACTERS,
        f"must be an object of at most {MAX_ITEM_CHARACTERS} characters of JSON",
    ),
    "time_zone": (
        lambda value: value is None or is_time_zone(value),
        "must be an IANA time zone, such as `Europe/Berlin`",
    ),
}
