"""JSON pointers (RFC 6901): where in a document a rule is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def pointer_token(key: object) -> str:
    """Return one RFC 6901 reference token for an object key or an array index."""
    return str(key).replace("~", "~0").replace("/", "~1")


def pointer_location(pointer: str) -> tuple[str, ...]:
    """Return the keys and indexes, as text, in an RFC 6901 pointer."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def pointer_to(path: Iterable[object]) -> str:
    """Return the pointer to a place, which `path` names by object keys and array indexes."""
    return "".join(f"/{pointer_token(part)}" for part in path)
