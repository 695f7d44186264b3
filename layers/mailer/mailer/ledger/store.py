"""The connection to the store, its scripts and its keys."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mailer.config.store_url import StoreUrl
from mailer.errors import StoreUnavailable

from .address_keys import AddressKeys
from .bounds import DEFAULTS, Bounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SCRIPTS = Path(__file__).with_name("scripts")
_FULL_STORE = "flags=allow-oom"


class Store:
    """One store URL and the keys of one account in it; safe to share between threads.

    With `?cluster=true` the URL is that of any server of a cluster, which has all keys of an account on one
    server; options that begin with `ssl_` are those of `Tls`, the others the client's own. Addresses in keys
    are hashed with the first of `hash_keys`, or where none is given, with one that the store keeps.
    """

    def __init__(
        self, url: str, account: str, bounds: Bounds = DEFAULTS, hash_keys: tuple[str, ...] = ()
    ) -> None:
        import valkey
        from valkey.exceptions import ValkeyClusterException

        self.prefix = f"mailer:{{{account}}}:"
        self.bounds = bounds
        self.addresses = AddressKeys(hash_keys, self._keep_hash_key)
        self._url = StoreUrl.parse(url)
        self.is_cluster = self._url.is_cluster
        self._errors = (valkey.ValkeyError, ValkeyClusterException)

    @cached_property
    def client(self) -> Any:
        """The client of the store; raises StoreUnavailable where a cluster does not answer."""
        import valkey

        options: dict[str, Any] = {
            "decode_responses": True,
            "socket_connect_timeout": 2,
            "socket_timeout": 5,
        }
        if self._url.tls:
            from .tls import tls_connection

            options["connection_class"] = tls_connection(self._url.tls, self._url.host)
        # Either client tries once more: safe, as a script repeated with the same token replies the same.
        if self.is_cluster:
            from valkey.cluster import ValkeyCluster

            cluster: Any = ValkeyCluster
            with self.translate_errors():
                return cluster.from_url(self._url.address, cluster_error_retry_attempts=1, **options)
        from valkey.backoff import NoBackoff
        from valkey.retry import Retry

        return valkey.Valkey.from_url(
            self._url.address,
            retry=Retry(NoBackoff(), 1),
            # A server that was demoted in a failover refuses writes for as long as the connection is kept.
            retry_on_error=[valkey.ConnectionError, valkey.exceptions.ReadOnlyError],
            **options,
        )

    @property
    def server(self) -> Any:
        """The client of the server that has the account's keys, for commands about the server itself."""
        if not self.is_cluster:
            return self.client
        client = self.client
        return client.get_valkey_connection(client.get_node_from_key(self.prefix))

    def key(self, *parts: str) -> str:
        """Return the key of the account that `parts` name."""
        return self.prefix + ":".join(parts)

    def script(self, name: str, *, shared: tuple[str, ...] = (), in_full_store: bool = False) -> Script:
        """Return the Lua script `name`.

        Every script begins with `clock.lua`, `record.lua` and the files that `shared` names. One that frees
        memory, or settles what is under way, runs `in_full_store` too; any other is an error of a store that
        has reached its maxmemory.
        """
        flags = f" {_FULL_STORE}" if in_full_store else ""
        files = ("clock", "record", *shared, name)
        return Script(self, "\n".join([f"#!lua{flags}", *map(self.script_text, files)]))

    def script_text(self, name: str) -> str:
        """Return the text of one Lua file."""
        return (_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8")

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn every error of the store into StoreUnavailable."""
        try:
            yield
        except self._errors as error:
            self._keep_first_server()
            raise StoreUnavailable(type(error).__name__) from error

    def _keep_first_server(self) -> None:
        """Let a cluster's client, which forgets servers that it cannot reach, ask that of the URL again."""
        if self.is_cluster and (client := self.__dict__.get("client")):
            from valkey import cluster

            node: Any = cluster.ClusterNode
            first = node(self._url.host, urlsplit(self._url.address).port or 6379)
            client.nodes_manager.startup_nodes.setdefault(first.name, first)

    def now(self) -> int:
        """Return the store's time in milliseconds; raises StoreUnavailable."""
        with self.translate_errors():
            seconds, microseconds = self.server.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def _keep_hash_key(self, key: str) -> str:
        """Return the key of the hashes of addresses, which is `key` if there was none."""
        script = self.script("hash_key", in_full_store=True)
        with self.translate_errors():
            return str(script(keys=[self.key("hash_key")], args=[key]))

    def ping(self) -> None:
        """Return if the store answers; raises StoreUnavailable."""
        with self.translate_errors():
            self.server.ping()

    def close(self) -> None:
        """Drop the connections; the store can still be used and opens new ones."""
        if client := self.__dict__.pop("client", None):
            client.close()


class Script:
    """A Lua script; called with keys and args, it runs at once, or as a part of a pipeline (`client`)."""

    def __init__(self, store: Store, text: str) -> None:
        self._store = store
        self.text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[Any] = (), client: Any = None) -> Any:
        """Return the script's reply; raises the client's errors.

        A server that does not know the script is sent its text. A pipeline, which one server runs in order,
        has the text in the first of its calls.
        """
        from valkey.exceptions import NoScriptError

        arguments = (len(keys), *keys, *args)
        if client is not None:  # whose cluster kind has no method `evalsha`
            sent = vars(client).setdefault("scripts_sent", set())
            script = ("EVALSHA", self._sha) if self._sha in sent else ("EVAL", self.text)
            sent.add(self._sha)
            return client.execute_command(*script, *arguments)
        run = self._store.client.execute_command
        try:
            return run("EVALSHA", self._sha, *arguments)
        except NoScriptError:
            return run("EVAL", self.text, *arguments)
