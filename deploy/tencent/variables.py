"""Reads a Serverless file without Node.js: resolves the variables of serverless.tencent.yml as osls does.

``${env:NAME}``, ``${param:NAME}``, ``${opt:stage}``, ``${sls:stage}`` and ``${self:PATH}``, each with
fallbacks after commas, the last of which may be a quoted text or a number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from deploy.tencent.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INNERMOST = re.compile(r"\$\{([^${}]*)\}")
QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
NUMBER = re.compile(r"-?\d+(\.\d+)?|true|false|null")
MISSING = object()


def read(
    path: Path, options: Mapping[str, str], parameters: Mapping[str, str], environment: Mapping[str, str]
) -> Any:
    """Return the file as plain data with every variable resolved.

    ``options`` are the command line's (``stage``), ``parameters`` its ``--param``.
    Raises ConfigurationError naming each variable that has no value.
    """
    return _Resolver(
        yaml.safe_load(path.read_text(encoding="utf-8")), options, parameters, environment
    ).resolve()


class _Resolver:
    def __init__(
        self,
        document: Any,
        options: Mapping[str, str],
        parameters: Mapping[str, str],
        environment: Mapping[str, str],
    ) -> None:
        self.document = document
        self.options = options
        self.environment = environment
        self.problems: dict[str, str] = {}
        self.stage = str(
            options.get("stage") or self._value(document["provider"].get("stage", "dev"), "provider.stage")
        )
        declared = document.get("params", {})
        self.parameters = {**declared.get("default", {}), **declared.get(self.stage, {}), **parameters}

    def resolve(self) -> Any:
        resolved = {key: self._walk(value, key) for key, value in self.document.items() if key != "params"}
        if self.problems:
            raise ConfigurationError(self.problems)
        return resolved

    def _walk(self, node: Any, place: str) -> Any:
        if isinstance(node, dict):
            return {key: self._walk(value, f"{place}.{key}") for key, value in node.items()}
        if isinstance(node, list):
            return [self._walk(value, f"{place}.{index}") for index, value in enumerate(node)]
        return self._value(node, place)

    def _value(self, node: Any, place: str) -> Any:
        while isinstance(node, str) and (found := INNERMOST.search(node)):
            value = self._variable(found.group(1), place)
            if found.group(0) == node:
                node = self._walk(value, place)
            else:
                node = node[: found.start()] + str(value) + node[found.end() :]
        return node

    def _variable(self, expression: str, place: str) -> Any:
        for alternative in expression.split(","):
            value = self._source(alternative.strip(), place)
            if value is not MISSING and value is not None:
                return value
        self.problems[place] = f"${{{expression}}} has no value"
        return ""

    def _source(self, text: str, place: str) -> Any:
        if quoted := QUOTED.fullmatch(text):
            return quoted.group(1) if quoted.group(1) is not None else quoted.group(2)
        if NUMBER.fullmatch(text):
            return yaml.safe_load(text)
        kind, _, name = text.partition(":")
        if kind == "self":
            return self._path(name)
        sources: dict[str, Mapping[str, Any]] = {
            "env": self.environment,
            "param": getattr(self, "parameters", {}),
            "opt": self.options,
            "sls": {"stage": getattr(self, "stage", MISSING)},
        }
        if kind not in sources:
            self.problems[place] = f"${{{text}}}: variables of this kind need osls"
            return ""
        return sources[kind].get(name, MISSING)

    def _path(self, path: str) -> Any:
        node = self.document
        for part in path.split("."):
            if not isinstance(node, dict) or part not in node:
                return MISSING
            node = node[part]
        return node
