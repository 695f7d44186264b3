"""The page at `/docs`: the document as HTML, without a script or anything loaded from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment

from .document import openapi


def page() -> str:
    """Return the page as HTML."""
    environment = Environment(autoescape=True)
    template = environment.from_string(Path(__file__).with_name("page.html.j2").read_text(encoding="utf-8"))
    return template.render(**openapi(), name_of=_name_of, json=_pretty) + "\n"


def _name_of(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
