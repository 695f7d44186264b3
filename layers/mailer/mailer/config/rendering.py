"""The table `render` of mailer.toml: fields of an email, each a Jinja2 template over a payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailer.email.json_pointer import pointer_to
from mailer.errors import ConfigurationError, InvalidRequest

from .table import HTML_FIELDS, setting_at
from .templates import FAILURES, check_template, compiled, failure

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("headers", "payload")


def check_templates(location: tuple[Any, ...], templates: Any) -> None:
    """Return if every text below `templates` is a template; raises ConfigurationError with its location."""
    if isinstance(templates, str):
        check_template(setting_at(*location), templates, NAMES)
        return
    items = _items(templates)
    if items is None:
        raise ConfigurationError(setting_at(*location), "must be a Jinja2 expression")
    for place, item in items:
        check_templates((*location, place), item)


def render(
    templates: Mapping[str, Any], payload: Any, headers: Mapping[str, str], *, escape: bool
) -> dict[str, Any]:
    """Return the fields of a request; raises InvalidRequest with the field, its key and what is undefined.

    With `escape`, values are escaped where a field is HTML.
    """
    names = {"payload": payload, "headers": headers}
    return {name: _rendered(template, names, (name,), escape=escape) for name, template in templates.items()}


def _rendered(template: Any, names: dict[str, Any], path: tuple[Any, ...], *, escape: bool) -> Any:
    if isinstance(template, dict):
        return {name: _rendered(item, names, (*path, name), escape=escape) for name, item in template.items()}
    if isinstance(template, list):
        return [_rendered(item, names, (*path, index), escape=escape) for index, item in enumerate(template)]
    try:
        return compiled(template, escape=escape and path[:2] in HTML_FIELDS.items()).render(names)
    except FAILURES as error:
        key = ".".join(map(str, ("render", *path)))
        why = f"the template `{key}`: {failure(template, error)}"
        raise InvalidRequest.at(pointer_to(path), why) from error


def _items(templates: Any) -> Any:
    if isinstance(templates, dict):
        return templates.items()
    return enumerate(templates) if isinstance(templates, list) else None
