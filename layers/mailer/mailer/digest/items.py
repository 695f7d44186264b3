"""Digest item intake, from HTTP or a queue: validate all items, then store them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mailer.config.time_zones import TimeZoneName
from mailer.email.field_errors import TOO_MANY_FIELDS, Rule, field_errors
from mailer.email.field_types import Address
from mailer.email.json_pointer import pointer_token
from mailer.email.limits import MAX_KEY_CHARACTERS, MAX_MEMBERS
from mailer.email.strict_json import check_object
from mailer.errors import FieldError, InvalidRequest, SizeRule
from mailer.ledger.digests import DigestLedger, Item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailer.runtime import Runtime

MAX_ITEM_CHARACTERS = 16_384
MAX_ITEMS = 100  # of one call


class AddResult(NamedTuple):
    """How many items are new, and how many had an item_id that was stored before."""

    accepted: int
    duplicates: int


class _DigestItem(BaseModel):
    """The JSON form of an item; the context has the `default` digest of the call and all `known` ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _check_length(cls, fields: dict[str, Any]) -> dict[str, Any]:
        if len(fields) > MAX_MEMBERS:
            raise ValueError(TOO_MANY_FIELDS)
        return fields

    digest: Any = Field(None, validate_default=True)
    recipient: Address
    item_id: Annotated[
        str,
        Field(min_length=1, max_length=MAX_KEY_CHARACTERS),
        Rule(SizeRule(f"must be 1 to {MAX_KEY_CHARACTERS} characters, which the same item always has")),
    ]
    item: Annotated[
        dict[str, Any],
        Rule(
            SizeRule(f"must be an object of at most {MAX_ITEM_CHARACTERS} characters of JSON"),
            lambda item: len(json.dumps(item)) <= MAX_ITEM_CHARACTERS,
        ),
    ]
    time_zone: TimeZoneName | None = None

    @field_validator("digest", mode="before")
    @classmethod
    def _check_digest(cls, value: Any, info: ValidationInfo) -> Any:
        context = info.context or {}
        default, known = context["default"], context["known"]
        name = default if value is None else value
        if not isinstance(name, str) or name not in known or default not in {None, name}:
            raise ValueError("must name a digest of mailer.toml")
        return name


def add_items(digest: str | None, items: Sequence[Any], runtime: Runtime) -> AddResult:
    """Store items `{"recipient", "item_id", "item", "time_zone"?}` for the next digest of each recipient.

    Each names its `digest` where `digest` is None. Adding an item again changes nothing, so a call that
    failed may be repeated. Raises InvalidRequest, with a pointer `/index/field` for every broken rule and
    nothing stored, DeadLettersFull and StoreUnavailable.
    """
    if len(items) > MAX_ITEMS:
        raise InvalidRequest.at("", SizeRule(f"at most {MAX_ITEMS} items in one call"))
    refusals: list[InvalidRequest] = []
    context = {"default": digest, "known": runtime.config.digests}
    parsed = [_parse(item, f"/{index}", context, refusals) for index, item in enumerate(items)]
    if refusals:
        raise InvalidRequest.merged(refusals)
    by_digest: dict[str, list[Item]] = {}
    for item in filter(None, parsed):
        by_digest.setdefault(item.digest, []).append(
            Item(item.recipient, item.item_id, json.dumps(item.item), item.time_zone)
        )
    digests = DigestLedger(runtime.ledger.store)
    new = [
        is_new
        for name, its_items in by_digest.items()
        for is_new in digests.add(runtime.config.digests[name], its_items)
    ]
    return AddResult(sum(new), len(new) - sum(new))


def _parse(
    item: Any, pointer: str, context: dict[str, Any], refusals: list[InvalidRequest]
) -> _DigestItem | None:
    """Return the item, or None after an addition to `refusals`."""
    try:
        return _DigestItem.model_validate(check_object(item), context=context)
    except InvalidRequest as error:
        refusals.append(error.under(pointer))
    except ValidationError as error:
        refusals.append(
            InvalidRequest(
                FieldError(pointer + "".join(f"/{pointer_token(part)}" for part in location), rule)
                for location, rule in field_errors(error)
            )
        )
    return None
