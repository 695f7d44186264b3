"""The tables `[digests.NAME]` of mailer.toml: structure and values; the expressions are `render`'s."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from mailer.email.request import EmailRequest
from mailer.errors import ConfigurationError, InvalidRequest

from .time_zones import is_time_zone

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_HOURS = range(24)
_RESERVED_FIELDS = frozenset(
    {"to", "cc", "bcc", "subject", "template", "simple", "idempotency_key", "send_at"}
)


@dataclass(frozen=True)
class DigestConfig:
    """One digest: what it says, to how many items, and when it goes out.

    `subject` and the values of `data` are Jinja2 expressions; `email` has further fields of its EmailRequest.
    `hour` is the local hour of each recipient, None for every run; in `quiet_hours` (from, to) nothing goes
    out. `keep` is how many items are kept for a recipient, for `ttl_days` days.
    """

    name: str
    subject: str
    template_id: int
    data: dict[str, str] = field(default_factory=dict)
    email: dict[str, Any] = field(default_factory=dict)
    max_items: int = 20
    order: str = "oldest"
    group_by: str | None = None
    hour: int | None = None
    time_zone: str = "UTC"
    quiet_hours: tuple[int, int] | None = None
    keep: int = 200
    ttl_days: int = 30
    escape: bool = True

    @property
    def newest_first(self) -> bool:
        """Whether the newest items come first, and are kept where not all can be."""
        return self.order == "newest"

    @classmethod
    def check(cls, name: str, table: Any, defaults: dict[str, Any]) -> DigestConfig:
        """Return the digest that a table describes; raises ConfigurationError, which names table and key."""
        place = f"mailer.toml [digests.{name}]"
        if not _NAME.fullmatch(name):
            raise ConfigurationError(place, "must be named with 1 to 32 of a-z, 0-9, - and _")
        if not isinstance(table, dict):
            raise ConfigurationError(place, "must be a table")
        fields = dict(table)
        if "from" in fields:
            fields["email"] = {**_email(place, fields.get("email", {})), "from": fields.pop("from")}
        for key, value in fields.items():
            if key not in _RULES:
                raise ConfigurationError(f"{place} {key}", "is no key of a digest")
            holds, rule = _RULES[key]
            if not holds(value):
                raise ConfigurationError(f"{place} {key}", rule)
        for key in ("subject", "template_id"):
            if key not in fields:
                raise ConfigurationError(f"{place} {key}", "is missing")
        fields["email"] = _email(place, fields.get("email", {}))
        if "quiet_hours" in fields:
            fields["quiet_hours"] = tuple(fields["quiet_hours"])
        digest = cls(name=name, **fields)
        digest.check_request(place, defaults)
        return digest

    def check_request(self, place: str, defaults: dict[str, Any]) -> None:
        """Return if the digest's emails can be valid requests; raises ConfigurationError."""
        try:
            self.request("someone@mail.example", "-", {}, defaults)
        except InvalidRequest as error:
            first = error.errors[0]
            key = first.pointer.strip("/").replace("/", ".")
            raise ConfigurationError(f"{place} {key}", first.detail) from error

    def request(
        self, recipient: str, subject: str, data: dict[str, str], defaults: dict[str, Any]
    ) -> EmailRequest:
        """Return the email that tells `recipient` what was rendered; raises InvalidRequest."""
        template = {"id": self.template_id, "data": data}
        own = {"to": recipient, "subject": subject, "template": template}
        shared = {key: value for key, value in defaults.items() if key not in _RESERVED_FIELDS}
        return EmailRequest.parse({**shared, **self.email, **own})


def _email(place: str, table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{place} email", "must be a table of EmailRequest fields")
    if own := sorted(_RESERVED_FIELDS & table.keys()):
        raise ConfigurationError(f"{place} email.{own[0]}", "is set by the digest itself")
    return table


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _whole(low: int, high: int) -> Any:
    return lambda value: type(value) is int and low <= value <= high


def _is_path(value: Any) -> bool:
    try:
        return _text(value) and bool(jmespath.compile(value))
    except JMESPathError:
        return False


def _is_hours(value: Any) -> bool:
    return (
        isinstance(value, list)
        and [type(hour) for hour in value] == [int, int]
        and all(hour in _HOURS for hour in value)
        and value[0] != value[1]
    )


def _is_data(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(expression, str) for expression in value.values())


_RULES: dict[str, tuple[Any, str]] = {
    "subject": (_text, "must be a Jinja2 expression"),
    "template_id": (_whole(1, 2**64 - 1), "must be the number of a template"),
    "data": (_is_data, "must be a table of Jinja2 expressions, one for each template variable"),
    "email": (lambda value: isinstance(value, dict), "must be a table of EmailRequest fields"),
    "max_items": (_whole(1, 1000), "must be a whole number from 1 to 1000"),
    "order": (lambda value: value in {"oldest", "newest"}, "must be `oldest` or `newest`: which come first"),
    "group_by": (_is_path, "must be a JMESPath expression over an item"),
    "hour": (_whole(0, 23), "must be a whole number from 0 to 23"),
    "time_zone": (is_time_zone, "must be an IANA time zone, such as `Asia/Singapore`"),
    "quiet_hours": (_is_hours, "must be two different hours from 0 to 23, such as [22, 7]"),
    "keep": (_whole(1, 10_000), "must be a whole number from 1 to 10000"),
    "ttl_days": (_whole(1, 90), "must be a whole number from 1 to 90"),
    "escape": (lambda value: isinstance(value, bool), "must be true or false"),
}
