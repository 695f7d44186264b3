"""`[digests.NAME]` of mailer.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailer.config.file import Config
from mailer.errors import ConfigurationError

if TYPE_CHECKING:
    from mailer.runtime import Runtime

BASE = {"subject": "News", "template_id": 100092, "from": "a@mail.example"}


@pytest.mark.usefixtures("digests_toml")
def test_tables_of_the_file_are_digests(runtime: Runtime) -> None:
    assert set(runtime.config.digests) == {"daily", "morning", "broken"}
    assert runtime.config.digests["morning"].quiet_hours == (22, 7)
    assert runtime.config.digests["daily"].sender == "Shop <digest@mail.shop.example>"
    assert runtime.config.digests["morning"].newest_first
    assert runtime.config.digests["morning"].max_stored_items == 5


@pytest.mark.parametrize(
    ("tables", "setting"),
    [
        ("text", "[digests]"),
        ({"Daily News": BASE}, "[digests.Daily News]"),
        ({"d": 7}, "[digests.d]"),
        ({"d": {"subject": "x"}}, "[digests.d] template_id"),
        ({"d": {"template_id": 1}}, "[digests.d] subject"),
        ({"d": {**BASE, "colour": "red"}}, "[digests.d] colour"),
        ({"d": {**BASE, "subject": ""}}, "[digests.d] subject"),
        ({"d": {**BASE, "template_id": True}}, "[digests.d] template_id"),
        ({"d": {**BASE, "data": {"x": 1}}}, "[digests.d] data.x"),
        ({"d": {**BASE, "max_items": 0}}, "[digests.d] max_items"),
        ({"d": {**BASE, "order": "random"}}, "[digests.d] order"),
        ({"d": {**BASE, "group_by": "]["}}, "[digests.d] group_by"),
        ({"d": {**BASE, "hour": 24}}, "[digests.d] hour"),
        ({"d": {**BASE, "time_zone": "Mars/Olympus"}}, "[digests.d] time_zone"),
        ({"d": {**BASE, "quiet_hours": [7]}}, "[digests.d] quiet_hours"),
        ({"d": {**BASE, "keep": 0}}, "[digests.d] keep"),
        ({"d": {**BASE, "ttl_days": 91}}, "[digests.d] ttl_days"),
        ({"d": {**BASE, "escape": 1}}, "[digests.d] escape"),
        ({"d": {**BASE, "email": "x"}}, "[digests.d] email"),
        ({"d": {"subject": "x", "template_id": 1, "email": []}}, "[digests.d] email"),
        ({"d": {**BASE, "email": {"to": "a@b.example"}}}, "[digests.d] email.to"),
        ({"d": {**BASE, "email": {"colour": "red"}}}, "[digests.d] email.colour"),
        ({"d": {**BASE, "email": {"reply_to": "nobody"}}}, "[digests.d] email.reply_to"),
        ({"d": {**BASE, "from": "nobody"}}, "[digests.d] from"),
        ({"d": {"subject": "x", "template_id": 1}}, "[digests.d] from"),
        ({"d": {**BASE, "name": "x"}}, "[digests.d] name"),
        ({"d": {**BASE, "max_stored_items": 5}}, "[digests.d] max_stored_items"),
    ],
)
def test_invalid_table_is_named_with_its_key(tables: Any, setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_toml({"digests": tables})
    assert caught.value.setting == f"mailer.toml {setting}"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"hour": 24}, "hour: must be a whole number from 0 to 23"),
        ({"hour": True}, "hour: must be a whole number from 0 to 23"),
        ({"quiet_hours": [7, 7]}, "quiet_hours: must be two different hours from 0 to 23, such as [22, 7]"),
        ({"order": []}, "order: must be `oldest` or `newest`: which come first"),
        ({"data": []}, "data: must be a table"),
        ({"email": {"to": "a@b.example"}}, "email.to: is set by the digest itself"),
    ],
)
def test_message_has_table_key_and_rule(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_toml({"digests": {"daily": {**BASE, **keys}}})
    assert str(caught.value) == f"mailer.toml [digests.daily] {message}"


def test_unknown_key_is_reported_before_the_key_that_it_misspells() -> None:
    with pytest.raises(ConfigurationError, match=r"\] template: unknown digest key, must be one of: data, "):
        Config.from_toml({"digests": {"daily": {"subject": "News", "template": 1}}})


def test_digest_takes_the_other_fields_of_an_email() -> None:
    config = Config.from_toml(
        {
            "defaults": {"from": "a@mail.example", "reply_to": "help@mail.example"},
            "digests": {"d": {"subject": "s", "template_id": 1, "email": {"unsubscribe": "english"}}},
        }
    )
    request = config.digests["d"].request("b@customer.example", "News", {"x": "y"}, config.defaults)
    assert (request.sender, request.reply_to, request.unsubscribe) == (
        "a@mail.example",
        "help@mail.example",
        "1",
    )
