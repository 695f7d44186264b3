from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.config.settings import Settings
from mailer.config.store_url import StoreUrl
from mailer.errors import ConfigurationError

STORE = "rediss://user:store-password@store.example:6379/0"
DIGEST = hashlib.sha256(b"key").hexdigest()
OF_NOTHING = hashlib.sha256(b"").hexdigest()
VARIABLES = [
    "MAILER_STORE_URL", "MAILER_SES_ENDPOINT", "MAILER_SES_REGION", "MAILER_ACCOUNT", "MAILER_RATE",
    "MAILER_UNKNOWN_GRACE", "MAILER_DEFERRED_MAX", "MAILER_RETENTION_DAYS", "MAILER_DEAD_LETTERS_MAX",
    "MAILER_CONFIG", "MAILER_CALLBACK_TOKEN", "MAILER_API_KEYS", "MAILER_HASH_KEY",
    "MAILER_BASE_PATH",
]  # fmt: skip


def settings(**variables: str) -> Settings:
    return Settings.from_environment({"MAILER_STORE_URL": STORE, **variables})


def test_the_store_is_the_only_setting_that_must_be_given() -> None:
    given = settings()
    assert (given.ses_scheme, given.ses_host, given.ses_region) == (
        "https",
        "ses.intl.tencentcloudapi.com",
        "ap-singapore",
    )
    assert (given.account, given.rate, given.unknown_grace, given.deferred_max) == (
        "default",
        20,
        900,
        10_000,
    )
    assert (given.retention_days, given.dead_letters_max) == (30, 67_108_864)
    assert (given.store_url, given.config_path, given.callback_tokens, given.api_keys) == (
        STORE,
        None,
        (),
        {},
    )


def test_an_empty_variable_counts_as_not_set() -> None:
    assert settings(**dict.fromkeys(VARIABLES[1:], "")) == settings()


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("MAILER_STORE_URL", "redis://h", "store_url", "redis://h"),
        ("MAILER_STORE_URL", "valkey://[::1]:6379/1", "store_url", "valkey://[::1]:6379/1"),
        ("MAILER_STORE_URL", "unix:///run/valkey.sock", "store_url", "unix:///run/valkey.sock"),
        ("MAILER_STORE_URL", "redis://h/0?cluster=true", "store_url", "redis://h/0?cluster=true"),
        ("MAILER_STORE_URL", "redis://h/1?cluster=false", "store_url", "redis://h/1?cluster=false"),
        ("MAILER_STORE_URL", "rediss://h?ssl_cert_reqs=none", "store_url", "rediss://h?ssl_cert_reqs=none"),
        ("MAILER_SES_ENDPOINT", "http://127.0.0.1:8025", "ses_host", "127.0.0.1:8025"),
        ("MAILER_SES_ENDPOINT", "http://127.0.0.1:8025", "ses_scheme", "http"),
        ("MAILER_SES_ENDPOINT", "https://ses.example", "ses_scheme", "https"),
        ("MAILER_SES_ENDPOINT", "ses_emulator:65535", "ses_host", "ses_emulator:65535"),
        ("MAILER_SES_REGION", "ap-hongkong", "ses_region", "ap-hongkong"),
        ("MAILER_ACCOUNT", "shop.eu_1-a", "account", "shop.eu_1-a"),
        ("MAILER_RATE", "1", "rate", 1),
        ("MAILER_RATE", "1000", "rate", 1000),
        ("MAILER_UNKNOWN_GRACE", "86400", "unknown_grace", 86_400),
        ("MAILER_DEFERRED_MAX", "0", "deferred_max", 0),
        ("MAILER_RETENTION_DAYS", "1", "retention_days", 1),
        ("MAILER_RETENTION_DAYS", "365", "retention_days", 365),
        ("MAILER_DEAD_LETTERS_MAX", "65536", "dead_letters_max", 65_536),
        ("MAILER_DEAD_LETTERS_MAX", "999999999", "dead_letters_max", 999_999_999),
        ("MAILER_CONFIG", "mailer.toml", "config_path", "mailer.toml"),
        ("MAILER_CALLBACK_TOKEN", "t0ken-of-16-chars", "callback_tokens", ("t0ken-of-16-chars",)),
        ("MAILER_CALLBACK_TOKEN", f" {'a' * 16}  {'b' * 128} ", "callback_tokens", ("a" * 16, "b" * 128)),
        ("MAILER_BASE_PATH", "/mail", "base_path", "/mail"),
        ("MAILER_BASE_PATH", "/a/.b/c..d/$-_.+!*'(),~", "base_path", "/a/.b/c..d/$-_.+!*'(),~"),
        ("MAILER_BASE_PATH", "/" + "a" * 127, "base_path", "/" + "a" * 127),
        ("MAILER_BASE_PATH", "/", "base_path", ""),
        ("MAILER_BASE_PATH", "", "base_path", None),
        ("MAILER_HASH_KEY", "k" * 16, "hash_keys", ("k" * 16,)),
        ("MAILER_HASH_KEY", f" {'k' * 256}  old!{'o' * 16} ", "hash_keys", ("k" * 256, f"old!{'o' * 16}")),
        ("MAILER_API_KEYS", f"a:{DIGEST}", "api_keys", {DIGEST: "a"}),
        (
            "MAILER_API_KEYS",
            f" a:{DIGEST.upper()} ,, b:{'0' * 64},",
            "api_keys",
            {DIGEST: "a", "0" * 64: "b"},
        ),
    ],
)
def test_a_setting_is_read_from_its_variable(variable: str, text: str, field: str, value: Any) -> None:
    assert getattr(settings(**{variable: text}), field) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        *(
            ("MAILER_STORE_URL", url)
            for url in ("", "host", "host:6379", "http://h", "redis://", "redis:///0")
        ),
        *(
            ("MAILER_STORE_URL", url)
            for url in ("redis://h:x", "redis://h:70000", "redis://h:0", "redis://[::1", "unix://")
        ),
        *(
            ("MAILER_STORE_URL", url)
            for url in (
                "redis://h?cluster=yes",
                "redis://h/1?cluster=true",
                "redis://h?db=1&cluster=true",
                "unix:///run/valkey.sock?cluster=true",
                "redis://h?ssl_ca_certs=ca.pem",
                "unix:///run/valkey.sock?ssl_cert_reqs=none",
                "rediss://h?ssl_cert_reqs=maybe",
                "rediss://h?ssl_check_hostname=maybe",
                "rediss://h?ssl_ca_certs=/nowhere/ca.pem",
                "rediss://h?ssl_certfile=/nowhere/own.pem",
                f"rediss://h?ssl_keyfile={'a' * 300}",
                "rediss://h?ssl_verify_name=no",
                "rediss://h?ssl_validate_ocsp=yes",
            )
        ),
        *(
            ("MAILER_SES_ENDPOINT", host)
            for host in ("ftp://h", "http://", "h/", "h/path", "h:", "h:99999", "h h")
        ),
        *(("MAILER_SES_ENDPOINT", host) for host in ("user@h", "http://h?x", ".h", "h..h", "h:1:2")),
        *(("MAILER_SES_REGION", region) for region in ("singapore", "AP-SINGAPORE", "ap-", "ap singapore")),
        *(("MAILER_ACCOUNT", name) for name in ("a b", "a{b}", "ä", "a" * 65, "a\n")),
        *(
            ("MAILER_RATE", rate)
            for rate in ("0", "1001", "-1", "+5", "2.5", "x", "٣", "²", " 5", "9" * 5000)
        ),
        ("MAILER_UNKNOWN_GRACE", "0"),
        ("MAILER_UNKNOWN_GRACE", "86401"),
        ("MAILER_DEFERRED_MAX", "10000001"),
        ("MAILER_RETENTION_DAYS", "0"),
        ("MAILER_RETENTION_DAYS", "366"),
        ("MAILER_DEAD_LETTERS_MAX", "65535"),
        ("MAILER_DEAD_LETTERS_MAX", "1000000000"),
        *(
            ("MAILER_API_KEYS", keys)
            for keys in ("secret", ":" + DIGEST, "a:", "a:secret", f"a:{DIGEST}0", f"{DIGEST}:a")
        ),
        *(
            ("MAILER_BASE_PATH", path)
            for path in ("mail", "/mail/", "//", "/a//b", "/.", "/a/..", "/a b", "/é", "/%41", "/a?b", "/a\n")
        ),
        ("MAILER_BASE_PATH", "/" + "a" * 128),
        *(("MAILER_HASH_KEY", key) for key in ("k" * 15, "k" * 257, "ä" * 16, "k" * 16 + " old")),
        *(
            ("MAILER_CALLBACK_TOKEN", token)
            for token in ("t", "a" * 15, "a" * 129, "a" * 16 + "/", "a" * 16 + " b")
        ),
    ],
)
def test_a_wrong_setting_is_named(variable: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}: must be ") as refused:
        settings(**{variable: text})
    assert refused.value.setting == variable
    assert refused.value.rule.startswith("must be")


@pytest.mark.parametrize("digest", [OF_NOTHING, OF_NOTHING.upper()])
def test_the_hash_of_an_empty_key_is_refused(digest: str) -> None:
    """It is what the documented command gives for a variable that is not set."""
    with pytest.raises(ConfigurationError, match=r"^MAILER_API_KEYS: must not hold .* \(crm\)$"):
        settings(MAILER_API_KEYS=f"shop:{DIGEST},crm:{digest}")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redis://:a%2Fb@h:1/2?password=c+d", "redis://:a%2Fb@h:1/2?password=c+d"),
        ("unix:///run/valkey.sock?db=1", "unix:///run/valkey.sock?db=1"),
        ("redis://h/1?cluster=false&db=2", "redis://h/1?db=2"),
        ("valkeys://u:a%2Fb@[::1]:1/0?ssl_cert_reqs=none&cluster=true", "redis://u:a%2Fb@[::1]:1/0"),
    ],
)
def test_the_address_is_the_url_without_what_is_not_the_clients(text: str, address: str) -> None:
    assert StoreUrl.parse(text).address == address


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=40)), st.text(max_size=30))
def test_any_environment_is_taken_or_refused_by_name(environment: dict[str, str], rest: str) -> None:
    for start in ("", "redis://", "redis://h:", "unix://", "redis://["):
        try:
            Settings.from_environment({**environment, "MAILER_STORE_URL": start + rest})
        except ConfigurationError as refused:
            named = refused.setting
        else:
            continue
        assert named in VARIABLES


def test_a_refused_key_or_url_is_not_repeated_in_the_error() -> None:
    for variable, text in (("MAILER_API_KEYS", "name:secret"), ("MAILER_STORE_URL", "http://u:secret@h")):
        with pytest.raises(ConfigurationError) as refused:
            settings(**{variable: text})
        assert "secret" not in str(refused.value)


def test_secrets_do_not_show_in_the_settings_text() -> None:
    text = repr(settings(MAILER_CALLBACK_TOKEN="the-callback-secret", MAILER_API_KEYS=f"a:{DIGEST}"))
    assert "default" in text
    assert not [secret for secret in ("store-password", "the-callback-secret", DIGEST) if secret in text]


def test_settings_are_read_without_loading_pydantic() -> None:
    code = "import sys, mailer.config.settings; sys.exit('pydantic' in sys.modules)"
    path = f"import sys; sys.path[:0] = {sys.path!r}; "
    assert subprocess.run([sys.executable, "-c", path + code], check=False).returncode == 0
