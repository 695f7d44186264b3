"""TLS with a certificate made on the spot, by a CA that lives as long as the emulator."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from pathlib import Path

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Tls:
    """A server's TLS context for the loopback names and `host`, and the certificate of its CA.

    Raises ValueError where the library trustme is missing.
    """

    def __init__(self, host: str) -> None:
        try:
            import trustme
        except ImportError:
            raise ValueError("TLS needs the library trustme: pip install trustme") from None
        authority = trustme.CA(organization_name="SES emulator")
        certificate = authority.issue_cert(*dict.fromkeys((*LOOPBACK_NAMES, *_specific(host))))
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(self.context)
        self._authority = authority.cert_pem
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def write_ca(self) -> Path:
        """Write the CA's certificate to a file, which stays until `close()`, and return its path."""
        self._directory = tempfile.TemporaryDirectory(prefix="ses-emulator-")
        path = Path(self._directory.name) / "ca.pem"
        self._authority.write_to_path(str(path))
        return path

    def close(self) -> None:
        """Remove the CA's file."""
        if self._directory is not None:
            self._directory.cleanup()


def _specific(host: str) -> tuple[str, ...]:
    """Return `host` unless it stands for every interface."""
    try:
        return () if ipaddress.ip_address(host).is_unspecified else (host,)
    except ValueError:
        return (host,) if host else ()
