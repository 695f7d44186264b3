"""The store of a simulation: the layer's scripts on a real Valkey, with the simulation's time and faults.

The scripts' text is the layer's own; `lua/virtual_clock.lua` takes the place of `clock.lua`. Between the
client, which is real as well, and its connection every command can be delayed, cut off, answered in vain, or
refused.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import valkey

import mailer.ledger.store
from mailer.errors import DeadLettersFull
from mailer.ledger import Store
from mailer.ledger.digests import SHARED
from simulation.client import SimulatedClient
from simulation.halts import Halts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailer.ledger.store import Script
    from simulation.faults import Faults
    from simulation.world import World

ACCOUNT = "simulation"
HASH_KEYS = ("hash-key-of-the-simulation",)
MAX_SHOWN = 80  # characters of a reply in a history
_OWN_LUA = Path(__file__).with_name("lua")
_LAYERS_LUA = Path(mailer.ledger.store.__file__).with_name("scripts")
_EXPECTED_ERRORS = (valkey.exceptions.NoScriptError, valkey.exceptions.OutOfMemoryError)


class SimulatedStore(Store):
    """The store of one simulation process; `begin` empties it for a history.

    `edits` change texts of scripts: (name, what is there, what is to be there). `skew` is how far the store's
    clock is ahead of the world's (ms); `settled` has the token and step of every settlement carried out.
    """

    IN_FULL_STORE = True  # whether a script that may run in a full store does

    def __init__(self, url: str, edits: Sequence[tuple[str, str, str]] = ()) -> None:
        super().__init__(url, ACCOUNT, hash_keys=HASH_KEYS)
        vars(self)["client"] = SimulatedClient.like(self.client, self._execute)
        self._edits = edits
        self._direct: Any = valkey.Valkey.from_url(url, decode_responses=True)
        self._replica: Any = valkey.Valkey.from_url(url.removesuffix("0") + "1", decode_responses=True)
        self._direct.config_set("appendonly", "no")  # the simulation says what a restart forgets
        self._scripts: dict[tuple[str, bool], Script] = {}
        self._names: dict[str, str] = {}  # of scripts, by their hashes and texts
        self._load_own()
        for name in sorted({path.stem for path in _LAYERS_LUA.glob("*.lua")} - {"clock", "record", *SHARED}):
            for in_full_store in (False, True):
                shared = SHARED if name.startswith("digest") else ()
                self.script(name, shared=shared, in_full_store=in_full_store)
        self._flushed = False
        self._ticked = 0
        self.skew = 0
        self.settled: list[tuple[str, int]] = []

    def _load_own(self) -> None:
        self._tick, self._dump, self._expire = (
            self._direct.script_load(_text(_OWN_LUA, name)) for name in ("tick", "dump", "expire")
        )

    def begin(self, world: World, faults: Faults) -> None:
        """Empty the store for a history in `world`."""
        self._world, self._faults = world, faults
        self._direct.flushdb()
        for script in self._scripts.values() if self._flushed else ():
            self._direct.script_load(script.text)
        self._flushed = False
        self._ticked = self.skew = 0
        self._halts = Halts(world)
        self.settled = []

    def close(self) -> None:
        """Close every connection."""
        for client in (self.client, self._direct, self._replica):
            client.close()

    # What the layer calls.

    def script(self, name: str, *, shared: tuple[str, ...] = (), in_full_store: bool = False) -> Script:
        """Return a script of the layer, made and loaded once for all histories."""
        known = self._scripts.get((name, in_full_store))
        if known is None:
            full = in_full_store and self.IN_FULL_STORE
            known = self._scripts[name, in_full_store] = super().script(
                name, shared=shared, in_full_store=full
            )
            self._names[self._direct.script_load(known.text)] = self._names[known.text] = name
        return known

    def script_text(self, name: str) -> str:
        """Return the text of one Lua file of the layer, or the clock of the simulation."""
        text = _text(_OWN_LUA, "virtual_clock") if name == "clock" else _text(_LAYERS_LUA, name)
        for script, old, new in self._edits:
            if script == name:
                assert old in text, f"{name}.lua does not hold {old!r}"
                text = text.replace(old, new)
        return text

    def _execute(self, conn: Any, args: tuple[Any, ...], parse: Callable[[], Any]) -> Any:
        """Carry out one command of the layer, or what becomes of it."""
        scripted = args[0] in {"EVALSHA", "EVAL"}
        name = self._names[args[1]] if scripted else str(args[0])
        email = str(args[3 if scripted else 1] if len(args) > 1 else "").partition(":email:")[2]
        world = self._world
        self._faults.before_command(name, conn)
        world.step += 1
        step = world.step
        try:
            reply = self._carry_out(conn, args, parse)
        except valkey.ResponseError as error:
            world.note(world.process.name, f"{name} -> {type(error).__name__}")
            if not isinstance(error, _EXPECTED_ERRORS):
                world.violate(f"{name} failed: {error}")
            raise
        if name == "admit":
            world.process.admitted[email] = json.loads(args[-2])["token"], step
        elif name == "resolve" and world.process.word:
            world.process.word.step = step
        elif name == "settle":
            self.settled.append((json.loads(args[-2])["token"], step))
        self._note_halts(name, args, reply)
        self._record(name, email, args, reply)
        self._faults.after_command(name)
        world.process.replied_at[email or name] = step
        return reply

    def _carry_out(self, conn: Any, args: tuple[Any, ...], parse: Callable[[], Any]) -> Any:
        now = self.time()
        if args[0] == "TIME":
            return divmod(now * 1000, 1_000_000)
        if args[0] == "INFO":
            return {"used_memory": 0, "maxmemory": 0}
        if args[0] == "EXPIRE":
            return self._direct.evalsha(self._expire, 1, args[1], now + int(args[2]) * 1000)
        if now == self._ticked:
            conn.send_command(*args)
            return parse()
        self._ticked = now
        conn.send_packed_command(conn.pack_commands([("EVALSHA", self._tick, 0, now), args]))
        conn.read_response()
        return parse()

    def _note_halts(self, name: str, args: tuple[Any, ...], reply: Any) -> None:
        keys = list(args[3 : 3 + int(args[2])]) if name in {"admit", "settle"} else []
        if name == "settle":
            self._halts.settled(keys, json.loads(args[-2]), self.time())
        elif name == "admit" and json.loads(reply)["verdict"] == "send":
            self._halts.admitted(keys, json.loads(args[-2]), self.time())

    def _record(self, name: str, email: str, args: tuple[Any, ...], reply: Any) -> None:
        """Count the verdict of a script, and add the command to the history."""
        world, label = self._world, self._faults.label(email)
        if isinstance(reply, str) and '"verdict":' in reply:
            fields = json.loads(reply)
            world.reach(f"{name}: {fields['verdict']}")
            if world.lines is not None:
                state = fields.get("record", {}).get("state", "absent")
                given = json.loads(args[-2]) if name == "settle" else {}
                wanted = " ".join([given.get("state", ""), given.get("code", "")]).strip()
                shown = f"as {wanted} -> " if wanted else "-> "
                world.note(world.process.name, f"{name} {label} {shown}{fields['verdict']}, is {state}")
            if fields.get("code") == DeadLettersFull.code:
                world.reach(f"{name}: dead letters full")
            return
        if reply == {"dead_letter": "full", "digest_add": -1}.get(name, ()):
            world.reach(f"{name}: dead letters full")
        if world.lines is not None:
            world.note(world.process.name, f"{name} {label} -> {str(reply)[:MAX_SHOWN]}")

    # What happens to the store.

    def time(self) -> int:
        """Return the store's time (ms)."""
        return self._world.time + self.skew

    def copy(self) -> int:
        """Let the replica have what the store has; return the step."""
        self._replica.flushdb()
        self._direct.eval(_text(_OWN_LUA, "copy"), 0, 1)
        return self._world.step

    def fail_over(self) -> None:
        """Let the store have what the replica has."""
        self._direct.flushdb()
        self._replica.eval(_text(_OWN_LUA, "copy"), 0, 0)
        self._ticked = 0
        self._halts.forget()

    def fill(self, *, full: bool) -> None:
        """Let the store reach its maxmemory, or have room again."""
        self._direct.config_set("maxmemory", 1 if full else 0)

    def add_dead_letter(self) -> None:
        """Let the store have a dead letter of another time."""
        letter = {"source": "another", "reason": "{}", "body": "{}"}
        self._direct.xadd(self.key("dead"), letter, id=f"{self.time()}-1")
        size = {"letters": 1, "bytes": sum(map(len, letter.values()))}
        self._direct.hset(self.key("dead_size"), mapping=size)

    def flush_scripts(self) -> None:
        """Forget every script, as a restart does."""
        self._direct.script_flush("SYNC")
        self._flushed = True
        self._load_own()

    def dump(self) -> dict[str, tuple[Any, int | None]]:
        """Return every key without the account's prefix: its content, and when it expires (ms)."""
        self._ticked = self.time()
        pipeline = self._direct.pipeline(transaction=False)
        pipeline.evalsha(self._tick, 0, self._ticked)
        pipeline.evalsha(self._dump, 0)
        return {
            key.removeprefix(self.prefix): (_content(kind, value), int(deadline) if deadline else None)
            for key, kind, value, deadline in json.loads(pipeline.execute()[1])
        }


def _content(kind: str, value: Any) -> Any:
    if kind in {"hash", "zset"}:
        return dict(zip(value[::2], value[1::2], strict=True))
    if kind == "stream":
        return [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in value]
    return value


@lru_cache
def _text(folder: Path, name: str) -> str:
    return (folder / f"{name}.lua").read_text(encoding="utf-8")
