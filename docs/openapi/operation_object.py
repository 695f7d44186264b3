"""The OpenAPI Operation Object of an operation."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .code_samples import code_samples
from .problems import PROBLEMS, examples_of
from .schemas import ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .operations import Answer, Operation

_EVERY = (500,)
_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "the authentication that is needed"},
    409: {"Retry-After": "seconds"},
    503: {"Retry-After": "seconds, where trying again can help"},
}


def operation_object(method: str, path: str, operation: Operation) -> dict[str, Any]:
    """Return the OpenAPI Operation Object."""
    made: dict[str, Any] = {
        "tags": [operation.tag],
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.text,
        "responses": {str(status): _success(answer) for status, answer in operation.answers.items()}
        | {str(status): _problem(status, operation) for status in sorted({*operation.problems, *_EVERY})},
        "security": [{"apiKey": [operation.permission]}]
        if operation.permission
        else [{name: []} for name in operation.security],
        "x-codeSamples": code_samples(method, path, operation),
    }
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": text,
            "schema": {"type": "string", "minLength": 1},
            "example": example,
        }
        for name, (text, example) in (operation.path or {}).items()
    ] + [{"$ref": f"#/components/parameters/{name}"} for name in operation.headers]
    if parameters:
        made["parameters"] = parameters
    if not operation.has_bodies:
        for answer in made["responses"].values():
            answer.pop("content", None)
    if operation.takes:
        media = {"schema": ref(operation.takes), "examples": _examples(operation.examples or {})}
        content = {"application/json": media}
        if operation.form:
            fields = {"From": "+6591234567", "Body": "Are you open on Sunday?"}
            content["application/x-www-form-urlencoded"] = {
                "schema": ref("WebhookForm"),
                "examples": _examples({"form": fields}),
            }
        made["requestBody"] = {"required": True, "content": content}
    return made


def _success(answer: Answer) -> dict[str, Any]:
    made: dict[str, Any] = {"description": answer.text}
    if answer.headers:
        made["headers"] = _headers(answer.headers)
    if answer.media:
        kind = (
            {"type": "object", "additionalProperties": True}
            if answer.media == "application/json"
            else {"type": "string"}
        )
        schema = ref(answer.schema) if answer.schema else kind
        made["content"] = {answer.media: {"schema": schema, "examples": _examples(answer.examples)}}
    if answer.plain:
        plain = {"schema": {"type": "string"}, "examples": _examples({"handshake": answer.plain})}
        made["content"]["text/plain"] = plain
    return made


def _problem(status: int, operation: Operation) -> dict[str, Any]:
    examples = examples_of(status, sends=HTTPStatus.CONFLICT in operation.problems)
    media = {"schema": ref("Problem"), "examples": _examples(examples)}
    made: dict[str, Any] = {
        "description": PROBLEMS[status][0],
        "content": {"application/problem+json": media},
    }
    if status in _HEADERS:
        made["headers"] = _headers(_HEADERS[status])
    return made


def _examples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in values.items()}


def _headers(texts: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"description": text, "schema": {"type": "integer" if name == "Retry-After" else "string"}}
        for name, text in texts.items()
    }
