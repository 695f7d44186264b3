"""Changes of an event's tree, one function each: it changes the tree in place and returns what it did.

A function returns None where the tree has no place for its change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from fuzz import large_values, odd_values
from fuzz.nesting import Nested, Place, Twin, opened, places

Mutation = Callable[[Any, Random, list[Any]], str | None]
SHOWN = 60  # characters of a value


def change_value(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Put a value of any type in place of another."""
    place = _place(tree, random)
    if place is None:
        return None
    value = odd_values.value(random)
    shown = _shown(value)
    place.put(value)
    return f"{_name(place)} = {shown}"


def remove(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Remove a member or an item."""
    place = _place(tree, random)
    if place is None or isinstance(place.container, Nested):
        return None
    del place.container[place.key]
    return f"without {_name(place)}"


def add_member(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Add a member to an object."""
    found = [one for one in _values(tree) if isinstance(one, dict)]
    if not found:
        return None
    name, value = random.choice(odd_values.NAMES), odd_values.value(random)
    random.choice(found)[name] = value
    return f"added {name[:SHOWN]!r}: {_shown(value)}"


def rename(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Give a member another name: in other letters, or one that means something elsewhere."""
    place = _place(tree, random)
    if place is None or not isinstance(place.container, dict):
        return None
    old = str(place.key)
    changes: list[Callable[[], str]] = [
        old.upper, old.title, old.swapcase, lambda: old + " ", lambda: " " + old, lambda: old + "\0",
        lambda: old.replace("o", "о"), lambda: old.replace("i", "ı"), lambda: old[:-1],
        lambda: random.choice(odd_values.NAMES),
    ]  # fmt: skip
    name = random.choice(changes)()
    place.container[name] = place.container.pop(place.key)
    return f"{old} is called {name[:SHOWN]!r}"


def twice(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Give a member twice, or an item several times."""
    place = _place(tree, random)
    if place is None or isinstance(place.container, Nested):
        return None
    if isinstance(place.container, list):
        copies = random.choice([1, 2, 10, 60])
        place.container[place.key : place.key] = [deepcopy(place.value) for _ in range(copies)]
        return f"{_name(place)} {copies + 1} times"
    other = random.random() < 0.5
    place.container[Twin(place.key)] = odd_values.value(random) if other else deepcopy(place.value)
    return f"{_name(place)} twice"


def swap(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Put two values of the event in the place of each other."""
    one, other = _place(tree, random), _place(tree, random)
    if one is None or other is None:
        return None
    first, second = deepcopy(one.value), deepcopy(other.value)
    one.put(second)
    other.put(first)
    return f"{_name(one)} and {_name(other)} swapped"


def graft(tree: Any, random: Random, others: list[Any]) -> str | None:
    """Put a part of another event in the place of a value."""
    place, source = _place(tree, random), _place(opened(random.choice(others)), random)
    if place is None or source is None:
        return None
    place.put(source.value)
    return f"{_name(place)} = {_name(source)} of another event"


def merge(tree: Any, random: Random, others: list[Any]) -> str | None:
    """Add a member of another event at its top."""
    other = random.choice(others)
    if not isinstance(tree, dict) or not isinstance(other, dict):
        return None
    name = random.choice([*other])
    tree[name] = opened(other[name])
    return f"{name} as in another event"


def change_type(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Write a value as one of another type that says the same."""
    place = _place(tree, random)
    if place is None:
        return None
    value = place.value
    kinds: list[Callable[[], Any]] = [
        lambda: [value], lambda: {"": value}, lambda: [value, value],
        lambda: Nested(deepcopy(value)), lambda: Nested(deepcopy(value), in_base64=True),
    ]  # fmt: skip
    if isinstance(value, Nested):
        kinds += [lambda: value.document] * 3
    if isinstance(value, list) and value:
        kinds += [lambda: value[0], lambda: {str(index): item for index, item in enumerate(value)}]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        kinds += [lambda: str(value), lambda: bool(value), lambda: float(value)]
    if isinstance(value, str):
        kinds += [lambda: list(value), lambda: len(value), lambda: [*value.encode(errors="surrogatepass")]]
    place.put(random.choice(kinds)())
    return f"{_name(place)} as another type"


def damage_text(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Change some characters of a text."""
    found = [place for place in places(tree) if isinstance(place.value, str) and place.value]
    if not found:
        return None
    place = _weighed(found, random)
    text, at = place.value, random.randrange(len(place.value))
    odd = random.choice(odd_values.TEXTS)
    changes: list[Callable[[], str]] = [
        lambda: text[:at], lambda: text[at:], lambda: text[:at] + odd + text[at:],
        lambda: text * random.choice([2, 50]),
        text.upper, text.swapcase, lambda: text[::-1],
        lambda: text[:at] + chr(random.randrange(0x3000)) + text[at + 1 :],
        lambda: text.replace("@", "@@"), lambda: text.replace("/", "//"), lambda: f" {text}\t",
    ]  # fmt: skip
    place.put(random.choice(changes)())
    return f"{_name(place)} = {_shown(place.value)}"


_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "invalid UTF-8 in front": lambda raw: b"\xff\xfe" + raw,
    "invalid UTF-8 within": lambda raw: raw[: len(raw) // 2] + b"\xc3\x28\xed\xa0\x80" + raw[len(raw) // 2 :],
    "a byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "UTF-16": lambda raw: raw.decode(errors="replace").encode("utf-16"),
    "UTF-16 without mark": lambda raw: raw.decode(errors="replace").encode("utf-16-le"),
    "UTF-32": lambda raw: raw.decode(errors="replace").encode("utf-32"),
    "zero bytes": lambda raw: raw.replace(b" ", b"\0"),
    "a zero byte at the end": lambda raw: raw + b"\0",
    "cut": lambda raw: raw[: len(raw) * 2 // 3],
    "cut by a byte": lambda raw: raw[:-1],
    "more behind": lambda raw: raw + b"]}",
    "twice": lambda raw: raw + raw,
    "as lines": lambda raw: raw + b"\n" + raw,
    "in a list": lambda raw: b"[" + raw + b"]",
    "empty": lambda _raw: b"",
    "white space": lambda _raw: b" \r\n\t",
    "no quotes": lambda raw: raw.replace(b'"', b"'"),
    "a comment": lambda raw: b"/* */" + raw,
    "comma at the end": lambda raw: raw[:-1] + b"," + raw[-1:],
    "as JSON text": lambda raw: json.dumps(raw.decode(errors="replace")).encode(),
    "names without quotes": lambda raw: raw.replace(b'": ', b": ").replace(b'{"', b"{"),
    "lone surrogates": lambda raw: raw.replace(b"e", b"\\ud800", 1),
    "upper-case escapes": lambda raw: raw.replace(b"a", b"\\U0061"),
    "null": lambda _raw: b"null",
    "a form": lambda _raw: b"to=a%40b.example&subject=x",
}
_TEXTS: dict[str, Callable[[str], str]] = {
    "base64 without padding": lambda text: text.rstrip("="),
    "base64 with more padding": lambda text: text + "=",
    "base64 of URLs": lambda text: text.replace("+", "-").replace("/", "_"),
    "base64 in lines": lambda text: "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
    "base64 with a star": lambda text: text[:7] + "*" + text[7:],
    "base64 cut": lambda text: text[:-3],
    "base64 with a letter of another script": lambda text: "А" + text[1:],
    "base64 twice": lambda text: text + text,
}


def damage_document(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Change how a document within a text is written."""
    found = [place.container for place in places(tree) if isinstance(place.container, Nested)]
    if not found:
        return None
    nested = random.choice(found)
    if random.random() < (0.4 if nested.in_base64 else 0.05):
        name = random.choice([*_TEXTS])
        nested.text_damage.append(_TEXTS[name])
    else:
        name = random.choice([*_BYTES])
        nested.damage.append(_BYTES[name])
    return f"document: {name}"


def change_encoding(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Say that a body is base64, or that it is not; where the body is a document, it mostly is as said."""
    if not isinstance(tree, dict):
        return None
    encoded = random.choice([True, False, "true", "True", 1, None, "yes"])
    tree["is_base64_encoded" if "raw_path" in tree else "isBase64Encoded"] = encoded
    for name in ("body", "payload"):
        nested = tree.get(name)
        if isinstance(nested, Nested) and random.random() < 0.7:
            nested.in_base64 = str(encoded).lower() == "true"
    if nested_bodies := [one for one in tree.values() if isinstance(one, Nested) and one.in_base64]:
        name = random.choice([*_BYTES])
        nested_bodies[0].damage.append(_BYTES[name])
        return f"isBase64Encoded = {encoded!r}, {name}"
    return f"isBase64Encoded = {encoded!r}"


def headers(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Change the headers of an HTTP event: more of them, a name in several ways, odd values."""
    if not isinstance(tree, dict):
        return None
    found = [tree[name] for name in ("headers", "multiValueHeaders") if isinstance(tree.get(name), dict)]
    if not found:
        return None
    chosen = random.choice(found)
    if random.random() < 0.15:
        number = random.choice([80, 101, 5000])
        chosen |= {f"X-{index}": "1" for index in range(number)}
        return f"{number} headers more"
    name = random.choice(odd_values.HEADER_NAMES)
    values = [*chosen.values()] or ["x"]
    value = random.choice([odd_values.value(random), random.choice(values), [random.choice(values)] * 3])
    chosen[name] = value
    return f"header {name!r}: {_shown(value)}"


def change_route(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Ask for another path, or with another method."""
    if not isinstance(tree, dict):
        return None
    path = random.choice(
        ["/emails", "/emails/batch", "/emails/x", "/webhooks/contact", "/webhooks/nobody",
        "/digests/daily/items",
         "/digests/none/items", "/ses/events/wrong", "/health", "/docs", "/", "", "//emails", "/emails/",
         "/%2e%2e/x",
         "/emails/\0", "/é", "/emails/" + "x" * 5000, "/webhooks/%00", "/EMAILS", "\ud800", 1, None]
    )  # fmt: skip
    method = random.choice(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "get", "", "G\0T", 1, None])
    http = (
        tree.get("requestContext", {}).get("http") if isinstance(tree.get("requestContext"), dict) else None
    )
    if random.random() < 0.6:
        tree["rawPath" if isinstance(http, dict) else "raw_path" if "raw_path" in tree else "path"] = path
        return f"path {_shown(path)}"
    holder = http if isinstance(http, dict) else tree
    holder["method" if holder is http or "method" in tree else "httpMethod"] = method
    return f"method {method!r}"


def failing_recipient(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Send to an address for which SES fails."""
    names = {"to", "Destination", "cc", "bcc", "email", "recipient"}
    found = [place for place in places(tree) if place.key in names]
    if not found:
        return None
    address = odd_values.fault_address(random)
    random.choice(found).put(random.choice([address, [address]]))
    return f"to {address}"


def large(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Put a value of up to 6 MB in the place of another, or add it as a member."""
    place = _place(tree, random)
    if place is None:
        return None
    share = large_values.IN_BASE64 if any(isinstance(one, Nested) for one in _values(tree)) else 1.0
    what, value = large_values.value(random, share)
    if isinstance(place.value, dict):
        place.value[random.choice(odd_values.NAMES)] = value
    else:
        place.put(value)
    return f"{_name(place)}: {what}"


def many_messages(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Repeat a message of a batch, or an item of a list, until there are more than a batch may have."""
    lists = [one for one in _values(tree) if isinstance(one, list) and one]
    if not lists:
        return None
    chosen = random.choice([one for one in lists if isinstance(one[0], dict)] or lists)
    item, number = random.choice([({}, 10_001), (None, 50_000), ("x", 10_001), (chosen[0], 100), ({}, 1000)])
    chosen.extend([item] * number)
    return f"{number} items more"


def oversized(tree: Any, random: Random, _others: list[Any]) -> str | None:
    """Send a body with more bytes than one may have."""
    if not isinstance(tree, dict) or not isinstance(tree.get("body"), Nested):
        return None
    tree["body"] = random.choice(["a", "[", " ", "\0"]) * (6 * 1024 * 1024 + 1)
    tree["isBase64Encoded"] = False
    return "a body of more than 6 MB"


SMALL: tuple[tuple[Mutation, int], ...] = (
    (change_value, 24), (remove, 10), (add_member, 8), (rename, 8), (twice, 6), (swap, 4), (graft, 5),
    (merge, 3),
    (change_type, 8), (damage_text, 10), (damage_document, 12), (change_encoding, 4), (headers, 6),
    (change_route, 4),
    (failing_recipient, 3),
)  # fmt: skip
LARGE: tuple[tuple[Mutation, float], ...] = ((large, 0.009), (many_messages, 0.009), (oversized, 0.02))


def mutate(tree: Any, random: Random, others: list[Any]) -> str | None:
    """Make one small change."""
    functions, weights = zip(*SMALL, strict=True)
    function: Mutation = random.choices(functions, weights)[0]
    return function(tree, random, others)


def _place(tree: Any, random: Random) -> Place | None:
    found = [*places(tree)]
    return _weighed(found, random) if found else None


def _weighed(found: list[Place], random: Random) -> Place:
    """Return a place: of a document within the event three times as often as one around it."""
    return random.choices(found, [3 if place.level else 1 for place in found])[0]


def _values(tree: Any) -> list[Any]:
    return [tree, *(place.value for place in places(tree))]


def _name(place: Place) -> str:
    key = "document" if isinstance(place.container, Nested) else str(place.key)[:SHOWN]
    return "^" * place.level + key


def _shown(value: Any) -> str:
    return ascii(repr(value)[:SHOWN])
