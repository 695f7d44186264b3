from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from factories import EMAIL
from mailer.config.file import Config
from mailer.email.request import EmailRequest
from mailer.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def load(text: str | bytes) -> Config:
        file = tmp_path / "mailer.toml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return Config.load(str(file))

    return load


def test_without_a_file_nothing_has_a_default() -> None:
    assert Config.load(None).defaults == {}


def test_an_empty_file_sets_nothing(load: Any) -> None:
    assert load("").defaults == {}


def test_defaults_are_fields_of_a_request(load: Any) -> None:
    config = load("""
        [defaults]
        from = "Shop <noreply@mail.shop.example>"
        bcc = "log@shop.example"
        reply_to = "help@shop.example"
        unsubscribe = "english"
        trigger_type = "transactional"
        on_unknown = "hold"
        expires_at = 2020-01-01T00:00:00+08:00
        [defaults.template]
        id = 100091
        data = { shop = "Shop", since = 2020-05-17, opens = 09:30:00 }
        [defaults.headers]
        X-Shop = "1"
    """)
    request = EmailRequest.parse({"to": "a@b.example", "subject": "Hi"}, config.defaults)
    assert request.document() == {
        "from": "Shop <noreply@mail.shop.example>",
        "to": ["a@b.example"],
        "bcc": ["log@shop.example"],
        "reply_to": "help@shop.example",
        "subject": "Hi",
        "template": {"id": 100091, "data": {"shop": "Shop", "since": "2020-05-17", "opens": "09:30:00"}},
        "unsubscribe": "1",
        "trigger_type": 1,
        "headers": {"X-Shop": "1"},
        "expires_at": "2019-12-31T16:00:00Z",
        "on_unknown": "hold",
    }


@pytest.mark.parametrize(
    "defaults",
    [
        'simple = { text = "x" }',
        'cc = ["c@d.example"]',
        'bcc = "c@d.example"',
        'to = "x@y.example"',
        'subject = "x"',
    ],
)
def test_any_part_of_a_request_can_be_a_default(load: Any, defaults: str) -> None:
    assert EmailRequest.parse(EMAIL, load(f"[defaults]\n{defaults}").defaults)


@pytest.mark.parametrize(
    ("text", "setting", "rule"),
    [
        ("defaults = 1", "mailer.toml [defaults]", "must be a table of EmailRequest fields"),
        (
            "[defaults]\nform = 'a@b.example'",
            "mailer.toml [defaults] form",
            "unknown field",
        ),
        ("[defaults]\nsubject = 5", "mailer.toml [defaults] subject", "must be a string"),
        ("[defaults]\nto = ['a@b.example', 'x']", "mailer.toml [defaults] to.1", "must be an address"),
        ("[defaults]\ntemplate.id = 'x'", "mailer.toml [defaults] template.id", "must be a whole number"),
        (
            "[defaults]\ntemplate = { id = 1, data = { n = nan } }",
            "mailer.toml [defaults] template.data.n",
            "must be a number",
        ),
        ("[defaults]\ntemplate.id = 1\nsimple.text = 'x'", "mailer.toml [defaults] template", "give either"),
        ("[defaults]\nsimple = {}", "mailer.toml [defaults] simple", "give html"),
        (
            "[defaults]\nsend_at = 2026-05-01T09:00:00",
            "mailer.toml [defaults] send_at",
            "must be an RFC 3339",
        ),
        (
            "[defaults]\nidempotency_key = 'k'",
            "mailer.toml [defaults] idempotency_key",
            "must not be set in [defaults]",
        ),
        ("[defaults]\nFromEmailAddress = 'a@b.example'", "mailer.toml [defaults]", "must use the fields"),
        ("[default]\nfrom = 'a@b.example'", "mailer.toml [default]", "unknown table"),
        ("[defaults", "mailer.toml", "is not TOML"),
        (b"[defaults]\nsubject = '\xff'", "mailer.toml", "is not TOML"),
    ],
)
def test_an_error_names_table_key_and_rule(load: Any, text: str | bytes, setting: str, rule: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(text)
    assert refused.value.setting == setting
    assert refused.value.rule.startswith(rule)


def test_a_file_that_cannot_be_read_names_its_variable(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.toml"):
        with pytest.raises(ConfigurationError, match="MAILER_CONFIG: names no file"):
            Config.load(str(path))
