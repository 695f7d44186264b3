"""The account's email templates: loading, and rendering of `{{variable}}`."""

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_BUILT_IN = Path(__file__).with_name("templates.json")
_VARIABLE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
_FILE_NAME = re.compile(r"(?P<id>\d+)(?:-(?P<name>.+))?")
APPROVED, IN_REVIEW, REJECTED = 0, 1, 2


@dataclass(frozen=True)
class Template:
    """An email template; `status` is 0 approved, 1 in review, 2 rejected, as in ListEmailTemplates.

    `created` is in Unix seconds.
    """

    id: int
    name: str
    html: str = ""
    text: str = ""
    status: int = APPROVED
    review_reason: str = ""
    created: int = 0


class Templates:
    """The templates by id: the built-in ones, those of a file or directory, those added at run time."""

    def __init__(self, source: Path | None = None) -> None:
        self._initial = [*_from_json(_BUILT_IN), *(_from_source(source) if source else ())]
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Return to the built-in templates and those of the source."""
        with self._lock:
            self._by_id = {template.id: template for template in self._initial}
            self._last_id = max(self._by_id)

    def add(self, template: Template) -> None:
        """Store the template, in place of one with the same id."""
        with self._lock:
            self._by_id = {**self._by_id, template.id: template}
            self._last_id = max(self._last_id, template.id)

    def create(self, template: Template) -> Template:
        """Store the template under a new id and return it."""
        with self._lock:
            self._last_id += 1
            created = replace(template, id=self._last_id)
            self._by_id = {**self._by_id, created.id: created}
            return created

    def remove(self, template_id: int) -> bool:
        """Delete the template with this id; return whether there was one."""
        with self._lock:
            known = template_id in self._by_id
            self._by_id = {key: kept for key, kept in self._by_id.items() if key != template_id}
            return known

    def get(self, template_id: int) -> Template | None:
        """Return the template with this id, or None."""
        return self._by_id.get(template_id)

    def all(self) -> list[Template]:
        """Return all templates in the order of their ids."""
        return [self._by_id[template_id] for template_id in sorted(self._by_id)]


def render(source: str, data: Mapping[str, Any]) -> str:
    """Return `source` with every variable replaced by its value, verbatim; a missing or null one is empty."""

    def value_of(match: "re.Match[str]") -> str:
        value = data.get(match[1])
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value)

    return _VARIABLE.sub(value_of, source)


def missing_variables(sources: Iterable[str], data: Mapping[str, Any]) -> list[str]:
    """Return the variables in `sources` without a value in `data`, in order of appearance."""
    return [name for name in variables_in(sources) if data.get(name) is None]


def variables_in(sources: Iterable[str]) -> list[str]:
    """Return the names of the variables in `sources`, in order of appearance."""
    return list(dict.fromkeys(name for source in sources for name in _VARIABLE.findall(source)))


def from_json(fields: Any) -> Template:
    """Return the template in a JSON object; raises ValueError for an unknown field or a wrong type."""
    try:
        template = Template(**fields)
    except TypeError as error:
        raise ValueError(f"not a template: {error}") from error
    texts = (template.name, template.html, template.text, template.review_reason)
    numbers = (template.id, template.status, template.created)
    if not all(type(number) is int for number in numbers) or not all(isinstance(text, str) for text in texts):
        raise ValueError("a template's id, status and created must be numbers, its other fields strings")
    return template


def _from_source(source: Path) -> list[Template]:
    """Return the templates in a JSON file, or in a directory of such files, ID-name.html and ID-name.txt."""
    if not source.is_dir():
        return _from_json(source)
    templates = [template for path in sorted(source.glob("*.json")) for template in _from_json(path)]
    bodies: dict[int, dict[str, Any]] = {}
    for path in sorted([*source.glob("*.html"), *source.glob("*.txt")]):
        match = _FILE_NAME.fullmatch(path.stem)
        if match is None:
            raise ValueError(f"{path.name}: a template file must be named ID-name.html or ID-name.txt")
        body = bodies.setdefault(int(match["id"]), {"name": match["name"] or match["id"]})
        body["html" if path.suffix == ".html" else "text"] = path.read_text(encoding="utf-8")
    return templates + [Template(id=template_id, **body) for template_id, body in bodies.items()]


def _from_json(path: Path) -> list[Template]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return [from_json(fields) for fields in (content if isinstance(content, list) else [content])]
