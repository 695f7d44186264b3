"""The OpenAPI document of the HTTP API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mailer
from mailer.email.limits import MAX_KEY_CHARACTERS

from .code_samples import KEY_EXAMPLE
from .operation_object import operation_object
from .operations import OPERATIONS, TAGS
from .schemas import SCHEMAS
from .security import SECURITY

_QUOTABLE = r'[!#-\[\]-~]|\\["\\]'
_KEY = rf'^(?:[!#-~](?:[ -~]*[!-~])?|"(?:{_QUOTABLE})(?:(?: |{_QUOTABLE})*(?:{_QUOTABLE}))?")$'


def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the HTTP API."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = operation_object(method, path, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mailer",
            "version": mailer.__version__,
            "description": Path(__file__).with_name("introduction.md").read_text(encoding="utf-8"),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "the host of this document, with its base path"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "parameters": {
                "Idempotency-Key": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "names the request, plain or quoted (IETF Idempotency-Key draft); "
                    "kept for 30 days after the email's end",
                    "schema": {"type": "string", "maxLength": MAX_KEY_CHARACTERS, "pattern": _KEY},
                    "example": KEY_EXAMPLE,
                }
            },
            "securitySchemes": SECURITY,
        },
    }


def document_text() -> str:
    """Return the document indented, for reading."""
    return json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n"


def served_text() -> str:
    """Return the document as it is served: without spaces."""
    return json.dumps(openapi(), separators=(",", ":"))
