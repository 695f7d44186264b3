"""The OpenAPI document by itself: what generators of clients and linters need, and the list of codes."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docs.openapi.document import openapi
from docs.openapi.operations import TAGS
from docs.openapi.problems import CODES, OWN_CODES, UNNAMED
from mailer.delivery.outcome import Disposition
from mailer.http_api.emails import STATUS
from mailer.ses.error_table import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.once, pytest.mark.no_cover]

LAYER = Path(__file__).parents[1] / "layers/mailer/mailer"
# What ECMAScript lets a pattern escape with its flag `u`, and in a class a hyphen too.
ESCAPE = re.compile(r"\\(?:[\^$\\.*+?()\[\]{}|/dDsSwWbBfnrtv0-]|u[0-9a-f]{4})")
CAMEL_CASE = re.compile(r"[A-Z][A-Za-z0-9]*(\.[A-Z][A-Za-z0-9]*)*")
# Codes that dead letters and logs have, and no answer to a request.
OF_QUEUES = {"BatchTooLarge"}
BASES = {"MailerError"}


def schemas_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the document that is, or may be, a schema; examples are none."""
    if isinstance(value, dict):
        yield value
        for name, one in value.items():
            if name not in {"example", "examples"}:
                yield from schemas_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from schemas_in(one)


SCHEMAS = list(schemas_in(openapi()))
OPERATIONS = [operation for methods in openapi()["paths"].values() for operation in methods.values()]


def test_patterns_are_valid_for_every_engine() -> None:
    patterns = {schema["pattern"] for schema in SCHEMAS if isinstance(schema.get("pattern"), str)}
    assert len(patterns) > 5
    for pattern in patterns:
        assert "\\" not in ESCAPE.sub("", pattern), pattern
        re.compile(pattern)


def test_every_array_says_what_its_items_are() -> None:
    for schema in SCHEMAS:
        kinds = schema.get("type", ())
        if kinds == "array" or (isinstance(kinds, list) and "array" in kinds):
            assert "items" in schema, schema


def test_every_enum_has_one_type_which_it_names() -> None:
    enums = [schema for schema in SCHEMAS if isinstance(schema.get("enum"), list)]
    assert len(enums) > 5
    for schema in enums:
        assert {type(value).__name__ for value in schema["enum"]} == {"str"}
        assert schema["type"] == "string"


def test_alternatives_repeat_no_properties() -> None:
    """A generator makes a type of each: two with the same properties would be the same type twice."""
    for schema in SCHEMAS:
        assert "allOf" not in schema
        assert not ({"anyOf", "oneOf"} & schema.keys() and "properties" in schema), schema


def test_every_operation_has_a_tag_a_name_and_a_summary_of_its_own() -> None:
    assert [tag["name"] for tag in openapi()["tags"]] == list(TAGS)
    assert {tag for operation in OPERATIONS for tag in operation["tags"]} == set(TAGS)
    for key in ("operationId", "summary"):
        assert len({operation[key] for operation in OPERATIONS}) == len(OPERATIONS)
    for operation in OPERATIONS:
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", operation["operationId"])
        assert len(operation["summary"]) < 70


def test_authentication_is_explained() -> None:
    text = openapi()["info"]["description"]
    for word in ("Bearer", "MAILER_API_KEYS", "`may`", "401", "403", "scheme", "MAILER_CALLBACK_TOKEN"):
        assert word in text
    for name, scheme in openapi()["components"]["securitySchemes"].items():
        assert scheme["description"], name


# Codes


def _constant(node: ast.expr | None) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _constant(value)


def codes_in_code() -> set[str]:
    """Return the codes that the layer writes: of `problem(…)`, of errors, and of outcomes."""
    codes: set[str] = set()
    for path in LAYER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                named = [one.value for one in node.keywords if one.arg == "code"]
                if getattr(node.func, "id", "") == "problem":
                    named.append(node.args[1])
                codes.update(code for value in named for code in _constant(value))
            elif isinstance(node, ast.ClassDef):
                for one in node.body:
                    if isinstance(one, ast.Assign) and getattr(one.targets[0], "id", "") == "code":
                        codes.update(_constant(one.value))
    return codes


def test_every_code_that_a_problem_can_have_is_listed() -> None:
    codes = codes_in_code()
    assert {"InFlight", "BrokenEncoding", "InvalidHeader", "Expired", "RedeliveryRequired"} <= codes
    assert codes - OF_QUEUES - BASES <= CODES.keys()
    assert OWN_CODES.keys() - UNNAMED <= codes
    assert CODES.keys() - OWN_CODES.keys() == TABLE.keys() - OWN_CODES.keys()
    assert openapi()["components"]["schemas"]["ProblemCode"]["enum"] == list(CODES)


def test_an_outcome_without_a_code_has_its_dispositions() -> None:
    refused = {one for one, status in STATUS.items() if status >= 400} - {Disposition.KEY_REUSED}
    assert {one.name.title().replace("_", "") for one in refused} == UNNAMED
    assert CODES.keys() >= UNNAMED


def test_codes_are_in_camel_case() -> None:
    assert [code for code in CODES.keys() | codes_in_code() if not CAMEL_CASE.fullmatch(code)] == []
