"""Errors of pydantic models as locations and rules: shared by requests, digest items and mailer.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mailer.errors import SizeRule

from .limits import MAX_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pydantic import GetCoreSchemaHandler, ValidationError

Location = tuple[Any, ...]

MESSAGES: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "unknown field",
    "rule": "{rule}",
    "value_error": "{error}",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_too_long": "has at most {max_length} characters",
    "tuple_type": "must be a list",
    "too_long": "has at most {max_length} items",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "greater_than": "must be greater than {gt}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
}
TOO_MANY_FIELDS = SizeRule(f"has at most {MAX_MEMBERS} fields")
_SIZE_TYPES = frozenset({"string_too_long", "too_long"})


@dataclass(frozen=True)
class Rule:
    """The rule of a field, as metadata of its type: `text` is the message for whatever breaks it.

    `is_valid` gets a value that has the field's type. The location of an error is the field, never below it.
    """

    text: str
    is_valid: Callable[[Any], bool] = lambda _value: True

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of the field's type with this rule and its message."""
        schema = core_schema.no_info_after_validator_function(self._check, handler(source))
        return core_schema.custom_error_schema(
            schema, "rule", custom_error_message="{rule}", custom_error_context={"rule": self.text}
        )

    def _check(self, value: Any) -> Any:
        if not self.is_valid(value):
            raise ValueError(self.text)
        return value


def whole_number(low: int, high: int) -> Rule:
    """Return the rule of an integer from `low` to `high`, both included."""
    return Rule(f"must be a whole number from {low} to {high}", lambda value: low <= value <= high)


def errors_at(errors: Iterable[tuple[Location, str]]) -> PydanticCustomError:
    """Return the error for a validator to raise: locations below the checked value, and their rules."""
    return PydanticCustomError("errors_at", "rules are broken", {"errors_at": list(errors)})


def field_errors(
    error: ValidationError, messages: Mapping[str, str] = MESSAGES
) -> Iterator[tuple[Location, str]]:
    """Yield each location and its rule; `messages` maps pydantic's error types to texts.

    A rule about a size, by pydantic's type or as it was raised, is a SizeRule.
    """
    for detail in error.errors(include_url=False, include_input=False):
        context = detail.get("ctx", {})
        if "errors_at" in context:
            yield from ((detail["loc"] + location, rule) for location, rule in context["errors_at"])
        else:
            text = messages.get(detail["type"], "is wrong").format(**context)
            yield detail["loc"], SizeRule(text) if _is_about_size(detail["type"], context) else text


def _is_about_size(kind: str, context: Mapping[str, Any]) -> bool:
    raised = getattr(context.get("error"), "args", ())
    return kind in _SIZE_TYPES or any(isinstance(rule, SizeRule) for rule in (context.get("rule"), *raised))
