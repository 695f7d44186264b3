"""Settings from environment variables, validated on load; an error names the variable."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from mailer.errors import ConfigurationError

from .store_url import StoreUrl

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "MAILER_"
_HASH = re.compile(r"[0-9a-f]{64}")
_ACCOUNT = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:[0-9]{1,5})?")
_MAX_PORT = 65_535
_NUMBER = re.compile(r"[0-9]{1,9}")
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_BASE_PATH = re.compile(r"/|(?=.{2,128}\Z)(/(?!\.{1,2}(/|\Z))[A-Za-z0-9._~$+!*'(),@:-]+)+")
_KEY = re.compile(r"[!-~]{16,256}")
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,128}")
_HASH_OF_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Settings:
    """The values of the `MAILER_…` variables, where an empty one counts as not set; times are in seconds.

    `api_keys` maps the SHA-256 of each key, in hex, to its name. `hash_keys` are those of the hashes of
    addresses, empty for the one that the store keeps. `ses_scheme` is `http` for the emulator. `base_path` is
    None where each request says it, and empty for none.
    """

    store_url: str = field(repr=False)
    ses_scheme: str
    ses_host: str
    ses_region: str
    account: str
    rate: int
    unknown_grace: int
    deferred_max: int
    retention_days: int
    dead_letters_max: int
    config_path: str | None
    hash_keys: tuple[str, ...] = field(repr=False)
    callback_tokens: tuple[str, ...] = field(repr=False)
    api_keys: Mapping[str, str] = field(repr=False)
    cors_origins: frozenset[str]
    base_path: str | None

    @classmethod
    def current(cls) -> Settings:
        """Return the settings of the environment as it is now; raises ConfigurationError."""
        return _settings(environment_of_mailer())

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in `environment`; raises ConfigurationError."""
        scheme, host = _endpoint(environment.get("MAILER_SES_ENDPOINT") or "ses.intl.tencentcloudapi.com")
        store_url = environment.get("MAILER_STORE_URL", "")
        StoreUrl.parse(store_url)
        return cls(
            store_url=store_url,
            ses_scheme=scheme,
            ses_host=host,
            ses_region=_region(environment.get("MAILER_SES_REGION") or "ap-singapore"),
            account=_account(environment.get("MAILER_ACCOUNT") or "default"),
            rate=_number(environment, "MAILER_RATE", 20, 1, 1000),
            unknown_grace=_number(environment, "MAILER_UNKNOWN_GRACE", 900, 1, 86_400),
            deferred_max=_number(environment, "MAILER_DEFERRED_MAX", 10_000, 0, 10_000_000),
            retention_days=_number(environment, "MAILER_RETENTION_DAYS", 30, 1, 365),
            dead_letters_max=_number(environment, "MAILER_DEAD_LETTERS_MAX", 67_108_864, 65_536, 999_999_999),
            config_path=environment.get("MAILER_CONFIG") or None,
            hash_keys=_hash_keys(environment.get("MAILER_HASH_KEY", "")),
            callback_tokens=_callback_tokens(environment.get("MAILER_CALLBACK_TOKEN", "")),
            api_keys=_api_keys(environment.get("MAILER_API_KEYS", "")),
            cors_origins=_origins(environment.get("MAILER_CORS_ORIGINS", "")),
            base_path=_base_path(environment.get("MAILER_BASE_PATH", "")),
        )


def environment_of_mailer() -> tuple[tuple[str, str], ...]:
    """Return the `MAILER_…` variables as they are now, in the order of their names."""
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(_PREFIX)))


@lru_cache(maxsize=1)
def _settings(environment: tuple[tuple[str, str], ...]) -> Settings:
    return Settings.from_environment(dict(environment))


def _number(environment: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environment.get(name) or str(default)
    if not (_NUMBER.fullmatch(text) and low <= int(text) <= high):
        raise ConfigurationError(name, f"must be a whole number from {low} to {high}")
    return int(text)


def _endpoint(text: str) -> tuple[str, str]:
    scheme, separator, host = text.rpartition("://")
    port = host.partition(":")[2] or "443"
    if (separator and scheme not in {"http", "https"}) or not _HOST.fullmatch(host) or int(port) > _MAX_PORT:
        raise ConfigurationError(
            "MAILER_SES_ENDPOINT", "must be a host, or a URL such as http://127.0.0.1:8080"
        )
    return scheme or "https", host


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ConfigurationError("MAILER_SES_REGION", "must be a region such as ap-singapore")
    return text


def _account(text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        raise ConfigurationError(
            "MAILER_ACCOUNT", "must be 1 to 64 letters, digits, dots, dashes or underscores"
        )
    return text


def _api_keys(text: str) -> dict[str, str]:
    keys = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, separator, digest = entry.partition(":")
        if not (name and separator and _HASH.fullmatch(digest.lower())):
            raise ConfigurationError(
                "MAILER_API_KEYS", 'must be "name:sha256,…", each key as its SHA-256 in 64 hex digits'
            )
        if digest.lower() == _HASH_OF_NOTHING:
            raise ConfigurationError("MAILER_API_KEYS", f"must not hold the SHA-256 of an empty key ({name})")
        keys[digest.lower()] = name
    return keys


def _callback_tokens(text: str) -> tuple[str, ...]:
    tokens = tuple(text.split())
    if not all(map(_TOKEN.fullmatch, tokens)):
        raise ConfigurationError(
            "MAILER_CALLBACK_TOKEN",
            "must be 16 to 128 letters, digits, dots, dashes, underscores or tildes; spaces separate several",
        )
    return tokens


def _hash_keys(text: str) -> tuple[str, ...]:
    keys = tuple(text.split())
    if not all(map(_KEY.fullmatch, keys)):
        raise ConfigurationError(
            "MAILER_HASH_KEY", "must be 16 to 256 printable ASCII characters; spaces separate several keys"
        )
    return keys


def _origins(text: str) -> frozenset[str]:
    origins = frozenset(filter(None, (part.strip() for part in text.split(","))))
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ConfigurationError(
            "MAILER_CORS_ORIGINS", 'must be "https://shop.example,…" (no path), or * for every origin'
        )
    return origins


def _base_path(text: str) -> str | None:
    if not text:
        return None
    if not _BASE_PATH.fullmatch(text):
        raise ConfigurationError(
            "MAILER_BASE_PATH", "must be a path such as /mail, without a slash at its end, or / for none"
        )
    return text.rstrip("/")
