"""Jinja2 templates as values of mailer.toml: one sandboxed environment for all of them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, UndefinedError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailer.errors import ConfigurationError

from .template_filters import FILTERS, RuleBroken

if TYPE_CHECKING:
    from collections.abc import Collection

    from jinja2 import Template

FAILURES = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)
"""Exceptions of templates over data from outside, beside Jinja2's own."""


class _Undefined(StrictUndefined):
    """What a template names and its values do not have; the error has its name alone."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return str(self._undefined_name)


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, in which a field of an object has precedence over a method of Python's dict."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@lru_cache(maxsize=256)
def compiled(text: str, *, escape: bool) -> Template:
    """Return the template in `text`; with `escape` its values are escaped for HTML. Raises TemplateError."""
    return _environment(escape=escape).from_string(text)


def check_template(setting: str, text: str, names: Collection[str]) -> None:
    """Return if the template compiles and uses no other `names`; raises ConfigurationError."""
    try:
        unknown = sorted(meta.find_undeclared_variables(_environment(escape=False).parse(text)) - set(names))
        compiled(text, escape=False)
    except TemplateError as error:
        raise ConfigurationError(setting, f"must be a Jinja2 expression: {error}") from error
    if unknown:
        known = ", ".join(sorted(names))
        raise ConfigurationError(setting, f"unknown name {unknown[0]}, must be one of: {known}")


def failure(text: str, error: Exception) -> str:
    """Return why a template failed: what of it is undefined, or a filter's rule; nothing of its values."""
    if isinstance(error, UndefinedError):
        name = re.escape(str(error.message))
        found = re.search(rf"[\w.]*(?<!\w){name}(?!\w)", text) if name else None
        return f"`{found[0]}` is undefined" if found else "a field is undefined"
    return str(error) if isinstance(error, RuleBroken) else type(error).__name__


@lru_cache(maxsize=2)
def _environment(*, escape: bool) -> _Environment:
    environment = _Environment(undefined=_Undefined, autoescape=escape, keep_trailing_newline=True)
    environment.filters |= FILTERS
    return environment
