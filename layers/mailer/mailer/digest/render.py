"""Digest rendering: sandboxed Jinja2 over the items, since SES's templates have no loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import ChainableUndefined
from jmespath.exceptions import JMESPathError

from mailer.config.digests import SAMPLE_ADDRESS
from mailer.config.table import setting_at
from mailer.config.templates import FAILURES, check_template, compiled
from mailer.email.limits import MAX_SUBJECT_CHARACTERS
from mailer.errors import ConfigurationError

if TYPE_CHECKING:
    from mailer.config.digests import DigestConfig

NAMES = frozenset({"items", "groups", "total", "more", "recipient"})


class RenderFailed(Exception):
    """An expression failed: `key` is its key in mailer.toml, `why` has no data of the items."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key
        self.why = why


@dataclass(frozen=True)
class RenderedDigest:
    """Rendered subject and template data."""

    subject: str
    data: dict[str, str]


def render(digest: DigestConfig, items: list[Any], total: int, recipient: str) -> RenderedDigest:
    """Return the rendered digest of `items`, of which there were `total` in all; raises RenderFailed.

    The subject is one line, cut to SES's limit; `escape` escapes the values of items in the data for HTML.
    """
    names = {
        "items": items,
        "groups": _groups(digest, items),
        "total": total,
        "more": total - len(items),
        "recipient": recipient,
    }
    subject = " ".join(_render("subject", digest.subject, names, escape=False).split())
    data = {
        key: _render(f"data.{key}", expression, names, escape=digest.escape)
        for key, expression in digest.data.items()
    }
    return RenderedDigest(subject[:MAX_SUBJECT_CHARACTERS], data)


def check_expressions(digest: DigestConfig) -> None:
    """Return if every expression compiles, knows its names and can be rendered; raises ConfigurationError."""
    expressions = {"subject": digest.subject, **{f"data.{key}": text for key, text in digest.data.items()}}
    for key, expression in expressions.items():
        setting = setting_at(digest.SECTION, digest.name, key)
        check_template(setting, expression, NAMES)
        _render_sample(setting, expression)


def _render_sample(setting: str, expression: str) -> None:
    """Render with one item that has every field, empty, to find what fails whatever the items are."""
    anything = ChainableUndefined()
    names = {
        "items": [anything],
        "groups": [{"name": anything, "items": [anything]}],
        "total": 1,
        "more": 0,
        "recipient": SAMPLE_ADDRESS,
    }
    try:
        compiled(expression, escape=False).render(names)
    except FAILURES as error:
        raise ConfigurationError(setting, f"cannot be rendered: {error}") from error


def _groups(digest: DigestConfig, items: list[Any]) -> list[dict[str, Any]]:
    """Return the items by the value of `group_by` in each, in the order in which the groups appear."""
    if digest.group_by is None:
        return []
    groups: dict[str, dict[str, Any]] = {}
    for item in items:
        try:
            found = digest.group_by.search(item)
        except JMESPathError as error:
            raise RenderFailed("group_by", "does not fit an item") from error
        groups.setdefault(repr(found), {"name": found, "items": []})["items"].append(item)
    return list(groups.values())


def _render(key: str, expression: str, names: dict[str, Any], *, escape: bool) -> str:
    try:
        return compiled(expression, escape=escape).render(names)
    except FAILURES as error:
        raise RenderFailed(key, type(error).__name__) from error
