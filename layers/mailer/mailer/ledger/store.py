"""The connection to the store, its scripts and its keys."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailer.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCRIPTS = Path(__file__).with_name("scripts")


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
            retry=Retry(NoBackoff(), 1),  # safe: a script asked again with the same token answers the same
            retry_on_error=[valkey.ConnectionError],
        )
        self.prefix = f"mailer:{{{account}}}:"

    def key(self, *parts: str) -> str:
        """Return the key of the account that `parts` name."""
        return self.prefix + ":".join(parts)

    def script(self, name: str, flags: str = "") -> Any:
        """Return the Lua script `name`, callable with keys and args; it shares the code of `record.lua`."""
        parts = [f"#!lua {flags}".rstrip(), *(_read(part) for part in ("record", name))]
        return self.client.register_script("\n".join(parts))

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn every error of the store into StoreUnavailable."""
        try:
            yield
        except self._errors as error:
            raise StoreUnavailable(type(error).__name__) from error

    def ping(self) -> None:
        """Return if the store answers; raises StoreUnavailable."""
        with self.translate_errors():
            self.client.ping()

    def close(self) -> None:
        """Drop the connections; the store can still be used and opens new ones."""
        self.client.close()


def _read(name: str) -> str:
    return (_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8")
