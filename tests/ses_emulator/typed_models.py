"""Calls through the typed models of the official SDK, whose answers are checked field by field."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.ses.v20201002 import models
from tencentcloud.ses.v20201002.ses_client import SesClient

from local.ses_emulator.errors import COMMON_CODES

# What the SDK of another language (Go) documents for each action.
DOCUMENTED_CODES: dict[str, list[str]] = json.loads(
    (Path(__file__).parents[1] / "data" / "ses_action_codes.json").read_text(encoding="utf-8")
)
PLAIN_TYPES = {"str": str, "int": int, "bool": bool}
_FIELD = re.compile(
    r":param _(?P<field>\w+): (?P<text>(?:(?!:param ).)*?):type \w+: "
    r"(?P<list>list of )?(?::class:`[\w.]+\.)?(?P<type>\w+)",
    re.DOTALL,
)


class TypedClient(SesClient):  # type: ignore[misc]  # the SDK has no types
    """The SDK's client, which keeps what the service answered: the models drop fields they do not know."""

    answered: dict[str, Any]

    def call(self, *arguments: Any, **options: Any) -> Any:
        """Return the body of the service's answer."""
        body = super().call(*arguments, **options)
        self.answered = json.loads(body)["Response"]
        return body

    def answer(self, action: str, **parameters: Any) -> Any:
        """Return the typed answer to an action: each field is set to a value of its type, none is unknown.

        A parameter or a nested field that the models do not have is a warning of the SDK, and fails the test.
        """
        request = getattr(models, f"{action}Request")()
        request._deserialize(parameters)
        typed = getattr(self, action)(request)
        assert set(self.answered) == set(fields_of(type(typed)))
        assert_complete(typed)
        return typed

    def code(self, action: str, **parameters: Any) -> str:
        """Return the code with which an action fails: one that is documented for it."""
        with pytest.raises(TencentCloudSDKException) as caught:
            self.answer(action, **parameters)
        assert caught.value.requestId
        code: str = caught.value.code
        assert code in DOCUMENTED_CODES[action] or code in COMMON_CODES
        return code


class Field(NamedTuple):
    """The type of a field of a typed model, by its name, and whether the answer may leave the field null."""

    name: str
    many: bool
    nullable: bool


def fields_of(model: type) -> dict[str, Field]:
    """Return the documented fields of a typed model."""
    documentation = getattr(model, "__init__").__doc__ or ""  # noqa: B009 -- mypy takes it for an instance's
    fields = {
        match["field"]: Field(match["type"], bool(match["list"]), "null" in match["text"])
        for match in _FIELD.finditer(documentation)
    }
    assert set(fields) == {name for name, member in vars(model).items() if isinstance(member, property)}
    return fields


def assert_complete(value: Any) -> None:
    """Fail unless each field of a typed model has a value of the documented type, at any depth."""
    for name, expected in fields_of(type(value)).items():
        found = getattr(value, f"_{name}")  # reading a deprecated property warns
        if found is None:
            assert expected.nullable, f"{type(value).__name__}.{name} is not set"
            continue
        assert isinstance(found, list) == expected.many, name
        for item in found if expected.many else [found]:
            assert type(item).__name__ == expected.name
            if expected.name not in PLAIN_TYPES:
                assert_complete(item)
