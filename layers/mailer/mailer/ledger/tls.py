"""TLS to the store: each connection, to each server of a cluster, verifies certificate and name first."""

from __future__ import annotations

import ssl
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from valkey.connection import Connection

from mailer.config.store_url import is_address

if TYPE_CHECKING:
    from mailer.config.store_url import Tls


def tls_connection(tls: Tls, name: str) -> Any:
    """Return what a client makes its connections with (`connection_class`); `name` is the host of the URL.

    The client's own class checks no names by default, and its cluster drops the option that would.
    """
    return partial(_TlsConnection, verification=_Verification(tls, name))


class _Verification:
    """The context that all connections of a store share: it reads the authorities' certificates once."""

    def __init__(self, tls: Tls, name: str) -> None:
        self._tls = tls
        self._name = name

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The context; raises OSError where a file is not what it should be."""
        tls = self._tls
        context = ssl.create_default_context(cafile=tls.ca_certs, capath=tls.ca_path, cadata=tls.ca_data)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = tls.verify_name
        context.verify_mode = ssl.CERT_REQUIRED if tls.verify_certificate else ssl.CERT_NONE
        if tls.certfile:
            context.load_cert_chain(tls.certfile, tls.keyfile, tls.password)
        if tls.ciphers:
            context.set_ciphers(tls.ciphers)
        return context

    def name_of(self, host: str) -> str:
        """Return the name that the certificate of `host` must be for.

        A server that its cluster announces by an address must be one of those that the name in the URL
        stands for; one that is announced by a name must be that.
        """
        return self._name if is_address(host) else host


class _TlsConnection(Connection):
    """A connection that sends nothing before its server has shown its certificate."""

    def __init__(self, *, verification: _Verification, **options: Any) -> None:
        self._verification = verification
        base: Any = super()  # which has no types
        base.__init__(**options)

    def _connect(self) -> ssl.SSLSocket:
        context = self._verification.context
        base: Any = super()
        plain = base._connect()  # noqa: SLF001 - the step of the class that this one extends
        return context.wrap_socket(plain, server_hostname=self._verification.name_of(self.host))
