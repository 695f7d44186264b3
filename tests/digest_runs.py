"""Digests for tests: a mailer.toml, items, and runs through the schedule function."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from factories import LambdaContext
from mailer.config.digests import DigestConfig
from mailer.digest.items import add_items
from mailer.triggers.schedule import handle

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

TOML = """
[defaults]
from = "Shop <noreply@mail.shop.example>"

[digests.daily]
from = "Shop <digest@mail.shop.example>"
subject = "{{ total }} updates"
template_id = 100092
max_items = 3
[digests.daily.data]
count = "{{ total }}"
list = "{% for item in items %}- {{ item.title }};{% endfor %}{% if more %}and {{ more }} more{% endif %}"

[digests.morning]
subject = "News"
template_id = 100092
hour = 9
time_zone = "Asia/Singapore"
order = "newest"
keep = 5
max_items = 2
quiet_hours = [22, 7]
data = {count = "{{ total }}", list = "{{ items | map(attribute='title') | join(',') }} +{{ more }}"}

[digests.broken]
subject = "{{ items[0].title }}"
template_id = 100092
data = {count = "{{ total }}", list = "{{ items[0].no.such }}"}
"""
NINE = "2026-05-01T09:00:00Z"
TEN = "2026-05-01T10:00:00Z"


def digest(**keys: Any) -> DigestConfig:
    """Return the digest `daily` with these keys of its table, beside those that it must have."""
    table = {"subject": "s", "template_id": 1, "from": "a@mail.example", **keys}
    return DigestConfig.from_toml("daily", table, defaults={})


def item(number: int, recipient: str = "ann@customer.example", **fields: Any) -> dict[str, Any]:
    return {"recipient": recipient, "item_id": f"c-{number}", "item": {"title": f"News {number}"}, **fields}


def add(runtime: Runtime, *items: dict[str, Any], digest: str = "daily") -> tuple[int, int]:
    """Add items to a digest; return how many are new and how many are not."""
    return add_items(digest, items, runtime)


def run(at: str = NINE, digest: str = "daily", job: str = "digest") -> dict[str, Any]:
    """Run the job of a scheduled time through the schedule function and return its counts."""
    answer = handle({"job": job, "digest": digest, "scheduled_time": at}, LambdaContext())
    answer.pop("job")
    return answer


def lists(ses: Emulator) -> list[str]:
    """Return the template variable `list` of every email in the inbox."""
    return [json.loads(mail.raw["Template"]["TemplateData"])["list"] for mail in ses.inbox()]
