"""The words of a digest: sandboxed Jinja2 over the items, since SES's templates have no loops."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jmespath
from jinja2 import ChainableUndefined, StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jmespath.exceptions import JMESPathError

from mailer.email.limits import MAX_SUBJECT_CHARACTERS
from mailer.errors import ConfigurationError

if TYPE_CHECKING:
    from mailer.config.digests import DigestConfig

NAMES = frozenset({"items", "groups", "total", "more", "recipient"})
# What an expression over foreign data can fail with, beside Jinja2's own errors.
_FAILURES = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)


class RenderFailed(Exception):
    """An expression does not fit: `key` is its key in mailer.toml, `why` names no data."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key
        self.why = why


@dataclass(frozen=True)
class RenderedDigest:
    """What a digest says to one recipient."""

    subject: str
    data: dict[str, str]


def render(digest: DigestConfig, items: list[Any], total: int, recipient: str) -> RenderedDigest:
    """Return the digest's words for its items, of which `total` were gathered; raises RenderFailed.

    The subject is one line, cut to SES's limit; the values of the data are escaped for HTML by `escape`.
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


def check(digest: DigestConfig) -> None:
    """Return if every expression can be compiled and knows its names; raises ConfigurationError."""
    expressions = {"subject": digest.subject, **{f"data.{key}": text for key, text in digest.data.items()}}
    environment = _environment(escape=False)
    for key, expression in expressions.items():
        place = f"mailer.toml [digests.{digest.name}] {key}"
        try:
            unknown = sorted(meta.find_undeclared_variables(environment.parse(expression)) - NAMES)
            _compile(expression, escape=False)
        except TemplateError as error:
            raise ConfigurationError(place, f"is no Jinja2 expression: {error}") from error
        if unknown:
            raise ConfigurationError(place, f"knows no {unknown[0]}, only {', '.join(sorted(NAMES))}")
        _try(place, expression)


def _try(place: str, expression: str) -> None:
    """Render with one item that has every field, empty, so that what can never work is found early."""
    anything = ChainableUndefined()
    groups = [{"name": anything, "items": [anything]}]
    names = {
        "items": [anything],
        "groups": groups,
        "total": 1,
        "more": 0,
        "recipient": "someone@mail.example",
    }
    try:
        _compile(expression, escape=False).render(names)
    except _FAILURES as error:
        raise ConfigurationError(place, f"cannot be rendered: {error}") from error


def _groups(digest: DigestConfig, items: list[Any]) -> list[dict[str, Any]]:
    """Return the items by what `group_by` finds in each, in the order in which the groups appear."""
    if digest.group_by is None:
        return []
    path = jmespath.compile(digest.group_by)
    groups: dict[str, dict[str, Any]] = {}
    for item in items:
        try:
            found = path.search(item)
        except JMESPathError as error:
            raise RenderFailed("group_by", "does not fit an item") from error
        groups.setdefault(repr(found), {"name": found, "items": []})["items"].append(item)
    return list(groups.values())


def _render(key: str, expression: str, names: dict[str, Any], *, escape: bool) -> str:
    try:
        return str(_compile(expression, escape=escape).render(names))
    except _FAILURES as error:
        raise RenderFailed(key, type(error).__name__) from error


@lru_cache(maxsize=256)
def _compile(expression: str, *, escape: bool) -> Any:
    return _environment(escape=escape).from_string(expression)


@lru_cache(maxsize=2)
def _environment(*, escape: bool) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=escape, keep_trailing_newline=True
    )
