"""The layer's client of the store, with every command passed through the simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import valkey
from valkey.client import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    Execute = Callable[[Any, tuple[Any, ...], Callable[[], Any]], Any]


class SimulatedConnection(valkey.Connection):
    """A connection that is closed and opened without the server's help.

    `opened` is None until its next command; `generation` is that of the primary which it was opened to.
    """

    opened: object = None
    generation = 0

    def disconnect(self, *_args: Any) -> None:
        """Forget the primary; no reply is ever left over, so the socket can stay."""
        self.opened = None

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        close: Any = super().disconnect
        close()

    def can_read(self, timeout: float = 0) -> bool:  # noqa: ARG002 - the signature is the client's
        """Return False: every reply is read at once."""
        return False


class SimulatedPipeline(Pipeline):
    """Sends its commands one by one, so that others may come in between, as with a real pipeline."""

    single: SimulatedClient

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: ARG002, FBT001, FBT002 - the client's
        """Return the replies."""
        commands = [args for args, _options in self.command_stack]
        self.reset()
        return [self.single.execute_command(*command) for command in commands]


class SimulatedClient(valkey.Valkey):
    """A client that calls `executed(connection, command, send_and_parse)` for each command and each retry."""

    executed: Execute

    @classmethod
    def like(cls, client: Any, executed: Execute) -> SimulatedClient:
        """Return a client with the settings of `client`."""
        settings = dict(client.connection_pool.connection_kwargs)
        for setting in ("lib_name", "lib_version", "socket_connect_timeout", "socket_timeout"):
            settings[setting] = None
        pool: Any = valkey.ConnectionPool
        own = cls(connection_pool=pool(connection_class=SimulatedConnection, **settings))
        own.executed = executed
        return own

    def close(self) -> None:
        """Close every connection."""
        pool: Any = self.connection_pool
        for connection in [*pool._available_connections, *pool._in_use_connections]:
            connection.close()

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:  # noqa: FBT001, FBT002 - the client's
        """Return a pipeline over this client."""
        pipeline: Any = SimulatedPipeline
        made = pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        made.single = self
        return made

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Return the reply to a command."""
        execute: Any = super().execute_command
        return execute(*args, **options)

    def _send_command_parse_response(self, conn: Any, command_name: str, *args: Any, **options: Any) -> Any:
        parse: Any = super().parse_response
        return self.executed(conn, args, lambda: parse(conn, command_name, **options))
