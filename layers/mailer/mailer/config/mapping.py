"""JMESPath mappings of mailer.toml: how a foreign JSON payload becomes an `EmailRequest`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from mailer.email.request import EmailRequest
from mailer.email.strict_json import pointer_token
from mailer.errors import ConfigurationError, FieldError, InvalidRequest

FIELDS = frozenset(field.alias or name for name, field in EmailRequest.model_fields.items())


@dataclass(frozen=True)
class PayloadMapping:
    """Constants, expressions and a condition, all checked; the first two have one shape."""

    constants: dict[str, Any]
    expressions: dict[str, Any]
    when: ParsedResult | None = None

    @classmethod
    def check(cls, place: str, table: dict[str, Any]) -> PayloadMapping:
        """Return the mapping in the keys `email`, `map` and `when` of a table; raises ConfigurationError.

        `place` names the table in errors, such as `mailer.toml [webhooks.billing]`.
        """
        constants, expressions = (_table(place, key, table.get(key, {})) for key in ("email", "map"))
        when = _compile(f"{place} when", table["when"]) if "when" in table else None
        return cls(constants, _compile_all(f"{place} map", expressions), when)

    def matches(self, payload: Any) -> bool:
        """Tell whether the payload meets the condition; raises InvalidRequest if it cannot be told."""
        return self.when is None or bool(_search(self.when, payload, ""))

    def request(self, payload: Any, defaults: dict[str, Any] | None = None) -> EmailRequest:
        """Return the request that the payload becomes.

        Raises InvalidRequest, which names the field and, where one made it, the expression. Check nothing
        is an error: an expression for what may be missing says so with `||`.
        """
        fields = _merge(self.constants, _evaluate(self.expressions, payload, ""))
        try:
            return EmailRequest.parse(fields, defaults)
        except InvalidRequest as error:
            raise InvalidRequest(self._explain(one) for one in error.errors) from None

    def _explain(self, error: FieldError) -> FieldError:
        found: Any = self.expressions
        for token in error.pointer.split("/")[1:]:
            if isinstance(found, dict) and token in found:
                found = found[token]
        if isinstance(found, ParsedResult):
            return FieldError(error.pointer, f"{error.detail} (from the expression `{found.expression}`)")
        return error


def _table(place: str, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{place} {key}", "must be a table")
    if unknown := sorted(set(value) - FIELDS):
        raise ConfigurationError(f"{place} {key}.{unknown[0]}", "is no field of an email request")
    return value


def _compile_all(place: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _compile_all(f"{place}.{key}", item) for key, item in value.items()}
    if isinstance(value, list):
        return [_compile_all(place, item) for item in value]
    return _compile(place, value)


def _compile(place: str, expression: Any) -> ParsedResult:
    try:
        return jmespath.compile(expression)
    except (JMESPathError, TypeError, AttributeError) as error:
        raise ConfigurationError(place, "must be a JMESPath expression") from error


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
