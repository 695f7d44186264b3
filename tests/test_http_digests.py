"""`POST /digests/{digest}/items`: items are added over HTTP and sent with the digest's run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext
from http_calls import call
from mailer.triggers.schedule import handle

if TYPE_CHECKING:
    from pathlib import Path

    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

TOML = """
[defaults]
from = "Shop <digest@mail.shop.example>"
[digests.daily]
subject = "{{ total }} updates"
template_id = 100092
data = {count = "{{ total }}", list = "{{ items[0].title }}"}
"""
ITEM = {"recipient": "ann@customer.example", "item_id": "c-1", "item": {"title": "A comment"}}


@pytest.fixture(autouse=True)
def config(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "mailer.toml"
    path.write_text(TOML)
    monkeypatch.setenv("MAILER_CONFIG", str(path))


def test_items_are_added_once_and_sent_with_the_run(runtime: Runtime, ses: Emulator) -> None:
    status, _, answer = call("POST", "/digests/daily/items", ITEM)
    assert (status, answer) == (202, {"digest": "daily", "accepted": 1, "duplicates": 0})
    more = [ITEM, {**ITEM, "item_id": "c-2", "digest": "daily"}]
    status, _, answer = call("POST", "/digests/daily/items", more)
    assert (status, answer) == (202, {"digest": "daily", "accepted": 1, "duplicates": 1})
    handle({"job": "digest", "digest": "daily", "scheduled_time": "2026-05-01T09:00:00Z"}, LambdaContext())
    (mail,) = ses.inbox()
    assert (mail.subject, mail.to) == ("2 updates", ["ann@customer.example"])


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({**ITEM, "recipient": "nobody"}, "/recipient"),
        ([ITEM, {**ITEM, "item": "text"}], "/1/item"),
        ({**ITEM, "digest": "weekly"}, "/digest"),
        ([], ""),
        ("text", ""),
        ([ITEM] * 101, ""),
    ],
)
def test_bad_items_are_refused_and_none_is_stored(
    runtime: Runtime, ses: Emulator, document: Any, pointer: str
) -> None:
    status, _, problem = call("POST", "/digests/daily/items", document)
    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert call("POST", "/digests/daily/items", ITEM)[2]["accepted"] == 1


def test_unknown_digest_is_404(runtime: Runtime) -> None:
    assert call("POST", "/digests/weekly/items", ITEM)[0] == 404


def test_items_need_a_key(runtime: Runtime) -> None:
    assert call("POST", "/digests/daily/items", ITEM, headers={"Authorization": "Bearer wrong"})[0] == 401
