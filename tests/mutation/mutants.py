"""What a part's tests did about its mutants."""

from __future__ import annotations

import ast
import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# mutmut's exit codes: pytest's, and its own.
PASSED, FAILED, INTERNAL_ERROR, NO_TESTS, REFUSED_BY_MYPY = 0, 1, 3, 33, 37
TIMEOUTS = (-24, 24, 36, 152, 255)


KILLS = frozenset({"test", "mypy", "timeout"})


@dataclass(frozen=True)
class Mutant:
    """One change and what came of it: killed by a `test`, by `mypy`, by a `timeout`, or `survived`.

    `place` is the function or script; `change` has the lines taken away and added, as in a diff.
    `outcome` is what is unexpected otherwise, such as a segmentation fault: no kill either.
    """

    place: str
    change: str
    outcome: str

    @property
    def killed(self) -> bool:
        return self.outcome in KILLS


def _outcome(exit_code: int | None) -> str:
    if exit_code in (FAILED, INTERNAL_ERROR):
        return "test"
    if exit_code == REFUSED_BY_MYPY:
        return "mypy"
    if exit_code in TIMEOUTS:
        return "timeout"
    if exit_code in (PASSED, NO_TESTS):
        return "survived"
    return f"exit code {exit_code}"


def is_killed(exit_code: int | None) -> bool:
    """Return whether the mutant with this exit code was killed."""
    return _outcome(exit_code) in KILLS


def diff(old: Iterable[str], new: Iterable[str]) -> str:
    """Return the lines that differ, `- ` before an old one and `+ ` before a new one, without indentation."""
    lines = difflib.ndiff([line.strip() for line in old], [line.strip() for line in new])
    return "\n".join(line for line in lines if line.startswith(("- ", "+ ")))


def _functions(path: Path) -> dict[str, list[str]]:
    """Return the lines of each function of a mutated file, of methods too, by mutmut's name for it."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    return {
        node.name: [
            lines[node.lineno - 1].replace(node.name, "function", 1),
            *lines[node.lineno : node.end_lineno],
        ]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    }


def _place(mangled: str) -> str:
    """Return the dotted name of a function that mutmut calls `module.x_name` or `module.xǁClassǁname`."""
    module, _, name = mangled.rpartition(".")
    return f"{module}." + (name[2:] if name.startswith("x_") else name[2:].replace("ǁ", "."))


def read_mutants(folder: Path) -> list[Mutant]:
    """Return every mutant of a part's folder, after mutmut ran in it."""
    found = []
    for meta in sorted((folder / "mutants" / "src").rglob("*.py.meta")):
        outcomes: dict[str, int | None] = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        functions = _functions(meta.with_suffix("")) if outcomes else {}
        for name, exit_code in outcomes.items():
            mangled = name.partition("__mutmut_")[0]
            original = functions[mangled.rpartition(".")[2] + "__mutmut_orig"]
            change = diff(original, functions[name.rpartition(".")[2]])
            found.append(Mutant(_place(mangled), change, _outcome(exit_code)))
    return found
