"""A store whose failovers forget: its successor has an earlier copy of the data, as a replica that lags."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from local.store import EmbeddedStore

if TYPE_CHECKING:
    from collections.abc import Iterator

Command = list[str]


@dataclass
class Forgotten:
    """What failovers have forgotten.

    `admissions` counts them by email; `emails` has when the store was back (by the monotonic clock) for each
    id whose record lost a write, `dead_letters` the Message-IDs of emails that lost theirs.
    """

    writes: int = 0
    admissions: Counter[str] = field(default_factory=Counter)
    emails: dict[str, float] = field(default_factory=dict)
    dead_letters: set[str] = field(default_factory=set)

    def add(self, command: Command) -> None:
        """Count one write of the append-only file."""
        self.writes += 1
        name, key, *rest = command
        kind, _, email_id = key.rpartition(":")
        if name == "HSET" and kind.endswith(":email"):
            self.emails[email_id] = time.monotonic()
            fields = dict(zip(rest[::2], rest[1::2], strict=True))
            self.admissions[email_id] += fields.get("state") == "sending"
        if name == "XADD" and "reason" in rest:
            self.dead_letters.add(str(json.loads(rest[rest.index("reason") + 1]).get("id")))


class LaggingStore(EmbeddedStore):
    """A store with a replica that has what `replicate` last copied to it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "--auto-aof-rewrite-percentage", "0")
        self._data = folder / "appendonlydir"
        self._copy = folder / "replica"
        self.forgotten = Forgotten()

    def replicate(self) -> None:
        """Copy the data as it is now."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._data, self._copy)

    def fail_over(self) -> None:
        """Kill the server and start it with the copied data."""
        self.kill()
        lost = _writes(self._data)
        shutil.rmtree(self._data)
        shutil.copytree(self._copy, self._data)
        kept = len(_writes(self._data))
        self.start()
        for command in lost[kept:]:
            self.forgotten.add(command)


@contextmanager
def lagging_store() -> Iterator[LaggingStore]:
    """Run a store until the block ends, then remove its data."""
    with TemporaryDirectory(prefix="mailer-store-") as folder:
        store = LaggingStore(Path(folder))
        store.start()
        try:
            yield store
        finally:
            store.kill()


def _writes(folder: Path) -> list[Command]:
    """Return the writes of an append-only file; a transaction without its end does not count."""
    [path] = folder.glob("*.incr.aof")
    writes: list[Command] = []
    transaction: list[Command] | None = None
    for command in _commands(path.read_bytes()):
        if command[0] == "MULTI":
            transaction = []
        elif command[0] == "EXEC":
            writes += transaction or []
            transaction = None
        elif command[0] != "SELECT":
            (writes if transaction is None else transaction).append(command)
    return writes


def _commands(data: bytes) -> Iterator[Command]:
    """Yield the whole commands of a stream of RESP arrays."""
    position = 0
    while position < len(data):
        words = []
        try:
            count, position = _number(data, position)
            for _ in range(count):
                size, position = _number(data, position)
                words.append(data[position : position + size])
                position += size + 2
        except ValueError:  # the file ends within a number
            return
        if position > len(data):
            return
        yield [word.decode() for word in words]


def _number(data: bytes, position: int) -> tuple[int, int]:
    """Return the number in the line at `position`, after its type, and where the next line begins."""
    end = data.index(b"\r\n", position)
    return int(data[position + 1 : end]), end + 2
