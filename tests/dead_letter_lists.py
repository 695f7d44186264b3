"""Lists of dead letters for tests: their size as counted and as it is, letters of another age, a full one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailer.runtime import Runtime

SMALLEST_MAX = 65_536
DAY = 86_400_000


def counted(runtime: Runtime) -> tuple[int, int]:
    """Return the number and bytes of the dead letters as the store counts them."""
    store = runtime.ledger.store
    letters, size = store.client.hmget(store.key("dead_size"), "letters", "bytes")
    return int(letters or 0), int(size or 0)


def measured(runtime: Runtime) -> tuple[int, int]:
    """Return the number and bytes of the dead letters that are there."""
    letters = runtime.ledger.dead_letters(10_000)
    return len(letters), sum(len(text.encode()) for letter in letters for text in letter.values())


def add_uncounted(runtime: Runtime, count: int, *, days: float = 0.0, body: str = "x") -> None:
    """Add dead letters as a version did that did not count them, `days` ago."""
    store = runtime.ledger.store
    moment = int(time.time() * 1000 - days * DAY)
    for number in range(count):
        fields = {"source": f"old {number}", "reason": "{}", "body": body}
        store.client.xadd(store.key("dead"), fields, id=f"{moment}-{number + 1}")


def age_list(runtime: Runtime, days: float) -> None:
    """Let `days` pass for the dead letters that are there."""
    store = runtime.ledger.store
    letters = store.client.xrange(store.key("dead"))
    store.client.delete(store.key("dead"))
    for letter, fields in letters:
        milliseconds, _, number = letter.partition("-")
        store.client.xadd(store.key("dead"), fields, id=f"{int(milliseconds) - int(days * DAY)}-{number}")


def fill_list(runtime: Runtime) -> None:
    """Let the dead letters have as many bytes as they may."""
    assert runtime.ledger.dead_letter("filler", {}, "x" * runtime.settings.dead_letters_max)
