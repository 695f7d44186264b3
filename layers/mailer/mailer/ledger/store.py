"""The connection to the store, its scripts and its keys."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailer.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCRIPTS = Path(__file__).with_name("scripts")
_FULL_STORE = "flags=allow-oom"


class Store:
    """One store URL and the keys of one account in it; safe to share between threads."""

    def __init__(self, url: str, account: str) -> None:
        import valkey
        from valkey.backoff import NoBackoff
        from valkey.retry import Retry

        self._errors = valkey.ValkeyError
        self.client: Any = valkey.Valkey.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=2,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 1),  # safe: a script repeated with the same token gives the same reply
            # A server that was demoted in a failover refuses writes for as long as the connection is kept.
            retry_on_error=[valkey.ConnectionError, valkey.exceptions.ReadOnlyError],
        )
        self.prefix = f"mailer:{{{account}}}:"

    def key(self, *parts: str) -> str:
        """Return the key of the account that `parts` name."""
        return self.prefix + ":".join(parts)

    def script(self, name: str, *, shared: tuple[str, ...] = (), in_full_store: bool = False) -> Any:
        """Return the Lua script `name`, callable with keys and args.

        Every script begins with `clock.lua`, `record.lua` and the files that `shared` names. One that frees
        memory, or settles what is under way, runs `in_full_store` too; any other is an error of a store that
        has reached its maxmemory.
        """
        flags = f" {_FULL_STORE}" if in_full_store else ""
        return self.client.register_script(
            "\n".join([f"#!lua{flags}", *map(self.script_text, ("clock", "record", *shared, name))])
        )

    def script_text(self, name: str) -> str:
        """Return the text of one Lua file."""
        return (_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8")

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn every error of the store into StoreUnavailable."""
        try:
            yield
        except self._errors as error:
            raise StoreUnavailable(type(error).__name__) from error

    def now(self) -> int:
        """Return the store's time in milliseconds; raises StoreUnavailable."""
        with self.translate_errors():
            seconds, microseconds = self.client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def ping(self) -> None:
        """Return if the store answers; raises StoreUnavailable."""
        with self.translate_errors():
            self.client.ping()

    def close(self) -> None:
        """Drop the connections; the store can still be used and opens new ones."""
        self.client.close()
