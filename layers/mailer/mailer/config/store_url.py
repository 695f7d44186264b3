"""What MAILER_STORE_URL says: the server's address, whether it is of a cluster, and how TLS verifies it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from mailer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_WITH_TLS = {"rediss", "valkeys"}
_SCHEMES = {"redis", "valkey", "unix"} | _WITH_TLS
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_VERIFIED = {"required": True, "optional": True, "none": False}
_TEXTS = {"ca_certs", "ca_path", "ca_data", "certfile", "keyfile", "password", "ciphers"}
_FILES = ("ca_certs", "certfile", "keyfile")


@dataclass(frozen=True)
class Tls:
    """The `ssl_…` options of the URL; `ca_…` replace the authorities that the system trusts."""

    ca_certs: str | None = None
    ca_path: str | None = None
    ca_data: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    password: str | None = field(default=None, repr=False)
    ciphers: str | None = None
    verify_certificate: bool = True
    verify_name: bool = True

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Tls:
        """Return the options by their names without `ssl_`; raises ConfigurationError."""
        texts = dict(options)
        certificate = texts.pop("cert_reqs", "required")
        name = texts.pop("check_hostname", "true").lower()
        unknown = sorted(texts.keys() - _TEXTS)
        if unknown:
            raise _wrong(f"must be a URL without the option ssl_{unknown[0]}")
        if certificate not in _VERIFIED or name not in _BOOLEANS:
            raise _wrong(
                "must be a URL in which ssl_cert_reqs is required or none, ssl_check_hostname true or false"
            )
        for option in _FILES:
            if option in texts and not _is_file(texts[option]):
                raise _wrong(f"must be a URL whose option ssl_{option} is the path of a file")
        verified = _VERIFIED[certificate]
        return cls(**texts, verify_certificate=verified, verify_name=verified and _BOOLEANS[name])


@dataclass(frozen=True)
class StoreUrl:
    """A checked URL; `address` is what the client connects to, without TLS's options and `cluster`."""

    address: str = field(repr=False)
    host: str
    is_cluster: bool
    tls: Tls | None

    @classmethod
    def parse(cls, text: str) -> StoreUrl:
        """Return what `text` says; raises ConfigurationError, which does not repeat it."""
        parts = _parts(text)
        options = dict(parse_qsl(parts.query))
        given = len(options)
        cluster = options.pop("cluster", "false")
        if cluster not in {"true", "false"}:
            raise _wrong("must be a URL with cluster=true, cluster=false, or neither")
        if cluster == "true" and {parts.path.strip("/"), options.get("db", "")} - {"", "0"}:
            raise _wrong("must be a URL with a host and database 0, where it has cluster=true")
        of_tls = {name: options.pop(name) for name in list(options) if name.startswith("ssl_")}
        if of_tls and parts.scheme not in _WITH_TLS:
            raise _wrong(
                "must be a URL that begins with rediss://, where it has options such as ssl_ca_certs"
            )
        tls = None
        if parts.scheme in _WITH_TLS:
            tls = Tls.of({name.removeprefix("ssl_"): value for name, value in of_tls.items()})
            parts = parts._replace(scheme="redis")
        address = text
        if tls or len(options) < given:
            address = parts._replace(query=urlencode(options)).geturl()
        return cls(address, parts.hostname or "", cluster == "true", tls)

    @property
    def is_local(self) -> bool:
        """Whether the connection does not leave this machine."""
        return not self.host or is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether `host`, a name or an address without port, is this machine."""
    if is_address(host):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def is_address(host: str) -> bool:
    """Return whether `host` is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _parts(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        known = parts.path if parts.scheme == "unix" else parts.hostname and parts.port != 0
    except ValueError:  # brackets around something other than an IPv6 address, a port that is not a number
        known = None
    if not known or parts.scheme not in _SCHEMES:
        raise _wrong("must be a URL such as rediss://user:password@host:6379/0")
    return parts


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # a name that is too long, a folder that may not be read
        return False


def _wrong(rule: str) -> ConfigurationError:
    return ConfigurationError("MAILER_STORE_URL", rule)
