"""`[keys.NAME]` of mailer.toml: what an API key may do, from which senders, and in which namespace."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import body, sent_by_version_0_1_0
from http_calls import SHAPES, call
from mailer.config.file import Config
from mailer.errors import ConfigurationError, Forbidden
from mailer.runtime import Runtime

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from local.ses_emulator import Emulator

TOML = """
[keys.shop]
may = ["send", "read"]
from = ["*@mail.shop.example", "boss@shop.example"]
namespace = "shop"
[keys.reader]
may = ["read"]
[keys.items]
may = ["digest"]
[keys.operator]
may = ["operate"]
[keys.nobody]
may = []
"""
NAMES = ("shop", "reader", "items", "operator", "nobody", "other")


@pytest.fixture(autouse=True)
def _keys(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = [f"{name}:{hashlib.sha256(name.encode()).hexdigest()}" for name in NAMES]
    monkeypatch.setenv("MAILER_API_KEYS", ",".join(keys))
    (tmp_path / "mailer.toml").write_text(TOML, encoding="utf-8")
    monkeypatch.setenv("MAILER_CONFIG", str(tmp_path / "mailer.toml"))


def ask(name: str, method: str, path: str, document: Any = None, **more: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {name}", **more.pop("headers", {})}
    status, _, answer = call(method, path, document, headers=headers, **more)
    return status, answer


ROUTES: dict[str, tuple[str, str, Any]] = {
    "send": ("POST", "/emails", body()),
    "read": ("GET", f"/emails/{'a' * 32}", None),
    "digest": ("POST", "/digests/daily/items", []),
}
ALLOWED = {
    "shop": {"send", "read"},
    "reader": {"read"},
    "items": {"digest"},
    "operator": set(),
    "nobody": set(),
    "other": {"send", "read", "digest"},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize("permission", ROUTES)
def test_key_may_do_what_its_table_says(ses: Emulator, name: str, permission: str, shape: Any) -> None:
    status, answer = ask(name, *ROUTES[permission], shape=shape)
    if permission in ALLOWED[name]:
        assert status in {200, 404}
        return
    assert (status, answer["code"], answer["title"]) == (403, "Forbidden", "Forbidden")
    assert answer["detail"] == f"the key `{name}` lacks the permission `{permission}`"
    assert ses.calls() == []


def test_permission_is_checked_before_the_body() -> None:
    assert ask("reader", "POST", "/emails", "{", headers={"Content-Type": "text/plain"})[0] == 403
    assert ask("reader", "POST", "/emails/batch", "{")[0] == 403


@pytest.mark.parametrize(
    "sender", ["a@mail.shop.example", "Shop <Any.One@MAIL.shop.example>", "BOSS@shop.example"]
)
def test_key_may_use_senders_that_fit_its_patterns(sender: str) -> None:
    Runtime.current().config.key("shop").check_sender(sender, None)


@pytest.mark.parametrize(
    "sender",
    [
        "a@shop.example",
        "a@x.mail.shop.example",
        "a@mail.shop.example.evil.example",
        "a@mailXshop.example",
        "noreply@mail.shop.example <boss@evil.example>",
        "notboss@shop.example",
    ],
)
def test_key_may_use_no_other_sender(ses: Emulator, log: io.StringIO, sender: str) -> None:
    status, answer = ask("shop", "POST", "/emails", body(**{"from": sender}))
    assert (status, answer["code"]) == (403, "Forbidden")
    address = sender.rpartition("<")[2].rstrip(">")
    assert answer["detail"] == f"the key `shop` may not send as `{address}`"
    assert address not in log.getvalue()
    assert ses.calls() == []


def test_email_of_a_batch_is_forbidden_alone(ses: Emulator) -> None:
    emails = [body(), body(sender="boss@evil.example"), body(to="bob@customer.example")]
    status, answer = ask("shop", "POST", "/emails/batch", {"emails": emails})
    assert status == 200
    assert [result["status"] for result in answer["results"]] == [200, 403, 200]
    assert answer["results"][1]["error"]["code"] == "Forbidden"
    assert len(ses.inbox()) == 2


def test_sender_of_the_defaults_and_of_the_native_form_is_checked_too(
    ses: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "defaults.toml"
    path.write_text(f'{TOML}[defaults]\nfrom = "default@evil.example"\n', encoding="utf-8")
    monkeypatch.setenv("MAILER_CONFIG", str(path))
    unsigned = {name: value for name, value in body().items() if name != "from"}
    assert ask("shop", "POST", "/emails", unsigned)[0] == 403
    native = {
        "FromEmailAddress": "boss@evil.example",
        "Destination": ["ann@customer.example"],
        "Subject": "Hi",
        "Template": {"TemplateID": 100091, "TemplateData": "{}"},
    }
    assert ask("shop", "POST", "/emails", native)[0] == 403


def test_namespace_keeps_the_idempotency_keys_of_its_key_apart(ses: Emulator) -> None:
    header = {"Idempotency-Key": "order-1"}
    ids = {name: ask(name, "POST", "/emails", body(), headers=header)[1]["id"] for name in ("shop", "other")}
    assert ids["shop"] != ids["other"]
    in_body = {name: ask(name, "POST", "/emails", body(idempotency_key="order-1"))[1] for name in ids}
    assert {name: answer["id"] for name, answer in in_body.items()} == ids
    assert all(answer["replayed"] for answer in in_body.values())
    batch = {"emails": [body(to="bob@customer.example")]}
    results = [ask(name, "POST", "/emails/batch", batch, headers=header)[1]["results"][0] for name in ids]
    assert results[0]["id"] != results[1]["id"]
    assert len(ses.inbox()) == 4


def test_key_with_a_namespace_reads_its_own_emails_alone(ses: Emulator) -> None:
    own, others = (ask(name, "POST", "/emails", body())[1]["id"] for name in ("shop", "other"))
    assert ask("shop", "GET", f"/emails/{own}")[0] == 200
    assert ask("shop", "GET", f"/emails/{others}")[0] == 404
    assert [ask("reader", "GET", f"/emails/{email}")[0] for email in (own, others)] == [200, 200]


def test_email_that_version_0_1_0_sent_is_a_duplicate_in_a_namespace_too(ses: Emulator) -> None:
    runtime = Runtime.current()
    sent_by_version_0_1_0(runtime, "order-1")
    header = {"Idempotency-Key": "order-1"}
    assert ask("shop", "POST", "/emails", body(), headers=header)[1]["replayed"] is True
    assert ses.calls() == []


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ("send", r"\[keys\.a\]: must be a table"),
        ({"may": "send"}, r"\[keys\.a\] may: must be a list"),
        ({"may": ["sned"]}, r"\[keys\.a\] may\.0: must be one of: send, read, digest, operate"),
        ({"may": [1]}, "may.0: must be one of"),
        ({"from": "*@a.example"}, r"\[keys\.a\] from: must be a list"),
        ({"from": ["a.example"]}, r"from\.0: must be an address, in which \*"),
        ({"from": ["a@b@c"]}, "from.0"),
        ({"from": [""]}, "from.0"),
        ({"namespace": ""}, "namespace: must be 1 to 64 letters"),
        ({"namespace": "a:b"}, "namespace"),
        ({"namespace": "a\0"}, "namespace"),
        ({"namespace": "a\n"}, "namespace"),
        ({"can": ["send"]}, "can: unknown key of an API key's table"),
    ],
)
def test_wrong_table_is_named(table: Any, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        Config.from_toml({"keys": {"a": table}})


def test_table_of_a_key_that_does_not_exist_is_an_error_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_API_KEYS", f"shop:{hashlib.sha256(b'shop').hexdigest()}")
    with pytest.raises(
        ConfigurationError, match=r"mailer\.toml \[keys\.items\]: names no key of MAILER_API_KEYS"
    ):
        Runtime.current()
    assert ask("shop", "GET", "/health")[0] == 503


def test_function_without_keys_has_no_use_for_their_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAILER_API_KEYS")
    assert Runtime.current().config.keys.keys() == {"shop", "reader", "items", "operator", "nobody"}


def test_empty_list_of_senders_allows_none() -> None:
    key = Config.from_toml({"keys": {"a": {"from": []}}}).key("a")
    with pytest.raises(Forbidden):
        key.check_sender("a@b.example")


def test_log_names_the_key_of_a_forbidden_request(log: io.StringIO) -> None:
    ask("reader", "POST", "/emails", body())
    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["caller"], line["code"]) == ("reader", "Forbidden")
