"""`x-codeSamples`: each operation as a curl command and as a Python script, which run as they are.

What differs between deployments comes from the environment: `MAILER_URL`, `MAILER_KEY`, and the secrets and
ids that an operation names. tests/test_code_samples.py runs every one.
"""

from __future__ import annotations

import json
import re
import shlex
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .operations import Operation

KEY_EXAMPLE = "order-1001"
_INDENT = "    "


def code_samples(method: str, path: str, operation: Operation) -> list[dict[str, str]]:
    """Return the samples of an operation, in the form of Redocly's extension `x-codeSamples`.

    In `path` and in the values of headers, `$NAME` is a variable of the environment.
    """
    for name, variable in operation.variables.items():
        path = path.replace(f"{{{name}}}", f"${variable}")
    for name, (_, example) in (operation.path or {}).items():
        path = path.replace(f"{{{name}}}", example)
    headers = {"Authorization": "Bearer $MAILER_KEY"} if operation.permission else {}
    headers |= dict.fromkeys(operation.headers, KEY_EXAMPLE) | dict(operation.proof)
    body = next(iter((operation.examples or {}).values()), None)
    return [
        {"lang": "Shell", "label": "curl", "source": _curl(method, f"$MAILER_URL{path}", headers, body)},
        {"lang": "Python", "label": "Python", "source": _python(operation, method, path, headers, body)},
    ]


def _curl(method: str, url: str, headers: dict[str, str], body: Any) -> str:
    parts = [f'curl {"--head " if method == "HEAD" else ""}"{url}"']
    if body is not None:
        headers = {**headers, "Content-Type": "application/json"}
    parts += [f'-H "{name}: {value}"' for name, value in headers.items()]
    if body is not None:
        parts.append(f"-d {shlex.quote(json.dumps(body, indent=2, ensure_ascii=False))}")
    return " \\\n  ".join(parts)


def _python(operation: Operation, method: str, path: str, headers: dict[str, str], body: Any) -> str:
    arguments = [_text(f"$MAILER_URL{path}")]
    if headers:
        lines = [f"{_INDENT * 2}{_text(name)}: {_text(value)},\n" for name, value in headers.items()]
        arguments.append(f"headers={{\n{''.join(lines)}{_INDENT}}}")
    if body is not None:
        arguments.append(f"json={_literal(body, 1)}")
    if min(operation.answers) >= HTTPStatus.MULTIPLE_CHOICES:
        arguments.append("allow_redirects=False")
    arguments.append("timeout=30")
    call = "".join(f"{_INDENT}{argument},\n" for argument in arguments)
    has_text = operation.has_bodies and any(answer.media for answer in operation.answers.values())
    shown = "response.text" if has_text else "dict(response.headers)"
    return (
        "import os\n\nimport requests\n\n"
        f"response = requests.{method.lower()}(\n{call})\n"
        f"print(response.status_code, {shown})\n"
    )


def _text(value: str) -> str:
    """Return a string literal of Python, in which `$NAME` is read from the environment."""
    if found := re.fullmatch(r"\$(\w+)", value):
        return f'os.environ["{found[1]}"]'
    text = re.sub(r"\$(\w+)", r"{os.environ['\1']}", value)
    return json.dumps(value) if text == value else f'f"{text}"'


def _literal(value: Any, depth: int) -> str:
    """Return a JSON value as Python writes it, an entry a line."""
    if isinstance(value, dict):
        entries, marks = [f"{_text(name)}: {_literal(one, depth + 1)}" for name, one in value.items()], "{}"
    elif isinstance(value, list):
        entries, marks = [_literal(one, depth + 1) for one in value], "[]"
    else:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    lines = "".join(f"{_INDENT * (depth + 1)}{entry},\n" for entry in entries)
    return f"{marks[0]}\n{lines}{_INDENT * depth}{marks[1]}"
