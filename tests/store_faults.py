"""What can happen to the store under a worker: a failover that forgets, a full memory, a clock of its own."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import valkey

from mailer.ledger import Ledger, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailer.runtime import Runtime


class Replica:
    """The account's keys as a replica has them: `fall_over` forgets all that was written since `catch_up`."""

    def __init__(self, runtime: Runtime) -> None:
        self._client: Any = valkey.Valkey.from_url(runtime.settings.store_url)
        self._pattern = runtime.ledger.store.key("*").replace("[", "\\[")
        self._keys: dict[bytes, bytes] = {}
        self.catch_up()

    def catch_up(self) -> None:
        self._keys = {key: self._client.dump(key) for key in self._client.keys(self._pattern)}

    def fall_over(self) -> None:
        for key in self._client.keys(self._pattern):
            self._client.delete(key)
        for key, value in self._keys.items():
            self._client.restore(key, 0, value)


@contextmanager
def around_call(
    runtime: Runtime,
    *,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> Iterator[None]:
    """Let something happen right before or after the next call of SendEmail, whatever comes of the call."""
    send = runtime.ses.send

    def wrapped(*args: Any) -> Any:
        vars(runtime.ses).pop("send")
        before()
        try:
            return send(*args)
        finally:
            after()

    vars(runtime.ses)["send"] = wrapped
    try:
        yield
    finally:
        vars(runtime.ses).pop("send", None)


@contextmanager
def full_store(runtime: Runtime) -> Iterator[None]:
    """Let the store have reached its maxmemory, with the policy `noeviction`."""
    client = runtime.ledger.store.client
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


class ClockedStore(Store):
    """A store whose scripts read the time, in milliseconds, that a test has set."""

    def script_text(self, name: str) -> str:
        if name != "clock":
            return super().script_text(name)
        return f"local function clock() return tonumber(redis.call('GET', '{self.key('test-clock')}')) end"

    def set_clock(self, milliseconds: int) -> None:
        self.client.set(self.key("test-clock"), milliseconds)


def with_clock(runtime: Runtime, milliseconds: int) -> tuple[Runtime, ClockedStore]:
    """Return the same account behind scripts whose clock shows `milliseconds`."""
    store = ClockedStore(
        runtime.settings.store_url, runtime.settings.account, hash_keys=runtime.settings.hash_keys
    )
    store.set_clock(milliseconds)
    return replace(runtime, ledger=Ledger(store)), store
