"""Values of up to 6 MB: long texts and names, and as many values as fit."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from fuzz.nesting import Raw

if TYPE_CHECKING:
    from random import Random

MIN_SIZE, MAX_SIZE = 50_000, 6_000_000
IN_BASE64 = 3 / 4  # of the size that an event may have
_ITEMS = (
    '"x"',
    "{}",
    "[]",
    "1",
    '""',
    '{"a":1}',
    "[[]]",
    "null",
    '"a@b.example"',
    '{"to":"x"}',
    "1.5",
    '"\\u00e9"',
)
_PARTS = (
    "a",
    '\\"',
    ",",
    " ",
    "\\\\",
    "\\u0000",
    "\u00e9",
    "\U0001f600",
    "[",
    "a@b.example,",
    "\\ud83d\\ude00",
    "\\n",
)


def size(random: Random, share: float) -> int:
    """Return a number of bytes: as often between 50 and 100 KB as between 3 and 6 MB."""
    return int(share * math.exp(random.uniform(math.log(MIN_SIZE), math.log(MAX_SIZE))))


def value(random: Random, share: float) -> tuple[str, Raw]:
    """Return what it is, and a value that takes up to `share` of 6 MB."""
    length, kind = size(random, share), random.choice(["list", "text", "members", "name", "number"])
    if kind == "list":
        item = random.choice(_ITEMS)
        text = "[" + ",".join([item] * (length // (len(item) + 1))) + "]"
    elif kind == "text":
        item = random.choice(_PARTS)
        text = '"' + item * (length // len(item.encode())) + '"'
    elif kind == "members":
        item = random.choice(_ITEMS)
        text = "{" + ",".join(f'"{n}":{item}' for n in range(length // (len(item) + 8))) + "}"
    elif kind == "name":
        item, text = "", '{"' + "n" * length + '": [1, 2]}'
    else:
        item, digits = "", "1" * length
        return f"{kind} of {length} bytes", Raw(digits, float("inf"))
    return f"{kind} of {length} bytes, {item!r}", Raw(text, json.loads(text))
