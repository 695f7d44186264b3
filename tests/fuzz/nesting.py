"""Events as trees: the JSON within texts and base64 is opened, changed in place, and closed again."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_LEVELS = 4  # of documents within documents


@dataclass(frozen=True, repr=False)
class Raw:
    """A value that is written as `text`, which need not be what `json.dumps` writes; a dict holds `value`."""

    text: str
    value: Any

    def __repr__(self) -> str:
        return self.text

    def __deepcopy__(self, memo: Any) -> Raw:
        """Return this: it never changes, and may be nested deeper than a copy could be made."""
        return self


class Twin(str):
    """A name that an object has already: as another object, it is no key of the same dict entry."""

    __slots__ = ()

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


@dataclass
class Nested:
    """A document within a text: as JSON, or as base64 of JSON.

    `damage` changes its bytes, `text_damage` the text that stands in the event, one after the other.
    """

    document: Any
    in_base64: bool = False
    damage: list[Callable[[bytes], bytes]] = field(default_factory=list)
    text_damage: list[Callable[[str], str]] = field(default_factory=list)

    def text(self) -> str:
        """Return the text that stands in the event."""
        raw = encode(self.document).encode(errors="surrogatepass")
        for change in self.damage:
            raw = change(raw)
        text = base64.b64encode(raw).decode() if self.in_base64 else _decode(raw)
        for alter in self.text_damage:
            text = alter(text)
        return text


class Place(NamedTuple):
    """Where a value stands: `container[key]`; `level` is how many documents are around it."""

    container: Any
    key: Any
    level: int

    @property
    def value(self) -> Any:
        """The value."""
        return self.container.document if isinstance(self.container, Nested) else self.container[self.key]

    def put(self, value: Any) -> None:
        """Put another value there."""
        if isinstance(self.container, Nested):
            self.container.document = value
        else:
            self.container[self.key] = value


def opened(value: Any, levels: int = MAX_LEVELS) -> Any:
    """Return a tree in which every text that is a JSON object or list, or base64 of one, is `Nested`."""
    if isinstance(value, dict):
        return {name: opened(item, levels) for name, item in value.items()}
    if isinstance(value, list):
        return [opened(item, levels) for item in value]
    if not isinstance(value, str) or levels == 0:
        return value
    for in_base64 in (False, True):
        try:
            text = base64.b64decode(value, validate=True).decode() if in_base64 else value
            document = json.loads(text) if text[:1] in {"{", "["} else None
        except ValueError:
            continue
        if document is not None:
            return Nested(opened(document, levels - 1), in_base64)
    return value


def closed(tree: Any) -> Any:
    """Return the event of a tree."""
    if isinstance(tree, dict):
        return {str.__str__(name): closed(item) for name, item in tree.items()}
    if isinstance(tree, list):
        return [closed(item) for item in tree]
    if isinstance(tree, Raw):
        return tree.value
    return tree.text() if isinstance(tree, Nested) else tree


def encode(tree: Any) -> str:
    """Return a tree as JSON text, its raw parts as they are."""
    if isinstance(tree, dict):
        return (
            "{" + ", ".join(f"{json.dumps(str(name))}: {encode(item)}" for name, item in tree.items()) + "}"
        )
    if isinstance(tree, list):
        return "[" + ", ".join(map(encode, tree)) + "]"
    if isinstance(tree, Raw):
        return tree.text
    return json.dumps(tree.text() if isinstance(tree, Nested) else tree)


def places(tree: Any, level: int = 0) -> Iterator[Place]:
    """Yield every place below the root."""
    if isinstance(tree, Nested):
        yield Place(tree, None, level + 1)
        yield from places(tree.document, level + 1)
    elif isinstance(tree, (dict, list)):
        for key, value in [*(tree.items() if isinstance(tree, dict) else enumerate(tree))]:
            yield Place(tree, key, level)
            yield from places(value, level)


def texts(event: Any) -> Iterator[str]:
    """Yield every text and name in an event, however deep it is nested."""
    pending = [event]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            pending += [*value, *value.values()]
        elif isinstance(value, list):
            pending += value


def _decode(raw: bytes) -> str:
    try:
        return raw.decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
