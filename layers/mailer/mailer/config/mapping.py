"""JMESPath mappings of mailer.toml: mapping an external JSON payload to an `EmailRequest`."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from pydantic import AfterValidator, Field, model_validator

from mailer.email.field_errors import Location, errors_at
from mailer.email.json_pointer import pointer_location, pointer_token
from mailer.email.request import EmailRequest
from mailer.errors import FieldError, InvalidRequest

from .expressions import Expression, compile_expression
from .table import HTML_FIELDS, EmailFields, NamedTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self


@dataclass(frozen=True)
class PayloadMapping:
    """Constants, compiled expressions, templates and a condition; the first three have a request's shape.

    `escape` says that what comes from outside is text, not HTML: where a request holds HTML, it is escaped.
    Expressions find the `headers` of an HTTP request beside the members of an object, and templates beside
    `payload`.
    """

    constants: dict[str, Any]
    expressions: dict[str, Any]
    when: ParsedResult | None = None
    escape: bool = True
    templates: dict[str, Any] = field(default_factory=dict)

    def matches(self, payload: Any, headers: Mapping[str, str] | None = None) -> bool:
        """Return whether the payload meets the condition; raises InvalidRequest if it cannot be evaluated."""
        return self.when is None or bool(_search(self.when, _beside(payload, headers), ""))

    def request(
        self,
        payload: Any,
        defaults: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> EmailRequest:
        """Return the request for the payload; raises InvalidRequest.

        An error names the field and the expression or template, if its value is one's result. An expression
        that finds nothing is an error; `||` gives a default for what may be missing. The request counts as
        written by the sender of the payload, so that a change of mailer.toml does not change what was asked
        for.
        """
        found = _evaluate(self.expressions, _beside(payload, headers), "")
        fields = _merge(self.constants, _as_text(found) if self.escape else found)
        if self.templates:
            from .rendering import render

            rendered = render(self.templates, payload, headers or {}, escape=self.escape)
            fields = _merge(fields, rendered)
        try:
            request = EmailRequest.parse(fields, defaults)
        except InvalidRequest as error:
            raise error.with_errors(self._explain(one) for one in error.errors) from None
        return request.written_as(payload)

    def _explain(self, error: FieldError) -> FieldError:
        if isinstance(self._source(self.templates, error), str):
            key = ".".join(("render", *pointer_location(error.pointer)))
            return _explained(error, f"from the template `{key}`")
        found = self._source(self.expressions, error)
        if isinstance(found, ParsedResult):
            return _explained(error, f"from the expression `{found.expression}`")
        return error

    def _source(self, found: Any, error: FieldError) -> Any:
        for token in pointer_location(error.pointer):
            if isinstance(found, dict) and token in found:
                found = found[token]
        return found


def _explained(error: FieldError, origin: str) -> FieldError:
    return FieldError(error.pointer, type(error.detail)(f"{error.detail} ({origin})"))


def _beside(payload: Any, headers: Mapping[str, str] | None) -> Any:
    """Return what expressions search: the payload, with the headers as a member if there are any."""
    if headers is None or not isinstance(payload, dict):
        return payload
    return {**payload, "headers": headers}


def _compile_all(value: Any, location: Location = ()) -> Any:
    if isinstance(value, dict):
        return {key: _compile_all(item, (*location, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_compile_all(item, (*location, index)) for index, item in enumerate(value)]
    try:
        return compile_expression(value)
    except ValueError as error:
        raise errors_at([(location, str(error))]) from error


class MappedTable(NamedTable):
    """The keys that map a payload: `when` is a condition, `email` has constants, `map` has expressions.

    `render` has Jinja2 templates, and precedence over both. With `escape = false` the payload brings HTML
    that goes into the email as it is.
    """

    when: Expression | None = None
    email: EmailFields = Field(default_factory=dict)
    map: Annotated[EmailFields, AfterValidator(_compile_all)] = Field(default_factory=dict)
    render: EmailFields = Field(default_factory=dict)
    escape: bool = True

    @model_validator(mode="after")
    def _check_render(self) -> Self:
        """Require templates; raises ConfigurationError. Jinja2 is loaded where there are any."""
        if self.render:
            from .rendering import check_templates

            check_templates((self.SECTION, self.name, "render"), self.render)
        return self

    @property
    def table(self) -> str:
        """The table's section and name, as mailer.toml has them between its brackets."""
        return f"{self.SECTION}.{self.name}"

    @property
    def mapping(self) -> PayloadMapping:
        """The mapping in the keys of this table."""
        return PayloadMapping(self.email, self.map, self.when, self.escape, self.render)


def _evaluate(expressions: Any, payload: Any, pointer: str) -> Any:
    if isinstance(expressions, dict):
        return {
            key: _evaluate(item, payload, f"{pointer}/{pointer_token(key)}")
            for key, item in expressions.items()
        }
    if isinstance(expressions, list):
        return [_evaluate(item, payload, f"{pointer}/{index}") for index, item in enumerate(expressions)]
    found = _search(expressions, payload, pointer)
    if found is None:
        raise InvalidRequest.at(pointer, f"the expression `{expressions.expression}` found nothing")
    return found


def _as_text(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a request with their texts escaped where they become part of HTML."""
    return {
        **fields,
        **{name: _escaped_at(fields[name], part) for name, part in HTML_FIELDS.items() if name in fields},
    }


def _escaped_at(field: Any, part: str) -> Any:
    return {**field, part: _escaped(field[part])} if isinstance(field, dict) and part in field else field


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _escaped(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return html.escape(value) if isinstance(value, str) else value


def _search(expression: ParsedResult, payload: Any, pointer: str) -> Any:
    try:
        return expression.search(payload)
    except JMESPathError as error:
        raise InvalidRequest.at(
            pointer, f"the expression `{expression.expression}` does not fit the payload"
        ) from error


def _merge(constants: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    merged = dict(constants)
    for key, value in found.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
