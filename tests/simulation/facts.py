"""What a history is about: who asked for what, who was told what, and an operator's word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
CHAOS = 45 * MINUTE  # how long faults happen and emails are asked for
SENDERS = ("Shop <noreply@mail.shop.example>", "Shop <other@mail.shop.example>")
RECIPIENTS = ("ann@customer.example", "bob@customer.example", "cid@elsewhere.example")


@dataclass(eq=False)
class Email:
    """An email that somebody asks for under one key; the first of `contents` is what is meant.

    `platform` says that the key is the platform's, under which every content is the same email. `record` is
    the event that brings it, where the layer has to find its key there.
    """

    name: str
    id: str
    key: str
    trigger: str
    contents: list[dict[str, Any]]
    platform: bool
    record: dict[str, Any] | None = None
    tries: int = 0
    done: bool = False


@dataclass(frozen=True)
class Told:
    """What a caller or platform was told, as of `step`; `content` is the subject that it asked for."""

    email: Email
    content: str
    disposition: str
    step: int


@dataclass(eq=False)
class Word:
    """An operator's word on an email; `step` is where it took effect, None where it did not (yet)."""

    email: str
    word: str
    step: int | None = None


@dataclass
class Item:
    """An item of a digest; `told` is the step as of which it was said to be stored."""

    name: str
    recipient: str
    told: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a seed chooses beside faults.

    In a `long` history more than the retention passes at the end. In a `full` one the store is still full
    when the other faults are over. In one with `halts` there are more emails, and SES refuses them for the
    state of the account, a sender or a template. `dead_letters_max` may be so few bytes that one or two
    letters have room, or none beside an old one that is there from the beginning.
    """

    deferred_max: int
    rate: int
    callbacks: float
    digests: bool
    long: bool
    full: bool
    halts: bool
    dead_letters_max: int

    @classmethod
    def drawn(cls, random: Random) -> Plan:
        """Return the plan of a seed."""
        return cls(
            deferred_max=random.choice((10_000, 10_000, 1, 0)),
            rate=random.choice((20, 20, 1)),
            callbacks=random.choice((0, 0, 0.5, 1)),
            digests=random.random() < 0.2,
            long=random.random() < 0.15,
            full=random.random() < 0.1,
            halts=random.random() < 0.1,
            dead_letters_max=random.choice((*[1_000_000] * 6, 1000, 1)),
        )


def later(random: Random, longest: int) -> int:
    """Return a number of milliseconds up to `longest`: at once, within a minute, or much later."""
    seconds = random.choice((random.uniform(0, 3), random.uniform(1, 60), random.uniform(60, 2400)))
    return int(min(longest, seconds * SECOND))
