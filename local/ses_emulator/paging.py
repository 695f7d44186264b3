"""Pages of a list, as every action with Offset and Limit returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE_MAX = 100
Item = TypeVar("Item")


def page_of(items: Sequence[Item], params: Mapping[str, Any]) -> list[Item]:
    """Return the items from Offset on, at most Limit; raises InvalidLimit unless that is 1 to 100."""
    offset, limit = params.get("Offset", 0), params.get("Limit", PAGE_MAX)
    if not 1 <= limit <= PAGE_MAX:
        raise ApiError("FailedOperation.InvalidLimit")
    return list(items[offset : offset + limit])
