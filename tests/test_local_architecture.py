"""What holds for the imports of the programs beside the layer: none closes a circle, types included."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]


def modules_of(root: Path, package: str) -> dict[str, Path]:
    """Return the files of a package by module name; a package has its own name."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_names(module: str, path: Path) -> set[str]:
    """Return what a file imports anywhere in it, TYPE_CHECKING included, as absolute dotted names."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            home = package[: len(package) - node.level + 1] if node.level else []
            names |= {".".join(filter(None, [*home, node.module, alias.name])) for alias in node.names}
    return names


def circle_in(root: Path, package: str) -> list[str]:
    """Return modules each of which is imported by the next, the last of them again the first; [] for none."""
    modules = modules_of(root, package)
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        graph[module] = set()
        for name in imported_names(module, path):
            owners = [other for other in modules if name == other or name.startswith(f"{other}.")]
            if owners:
                graph[module].add(max(owners, key=len))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


@pytest.mark.parametrize("package", ["local", "deploy"])
def test_no_import_closes_a_circle(package: str) -> None:
    assert len(modules_of(ROOT, package)) > 5
    assert circle_in(ROOT, package) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("from .b import B\n", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import A\n"),
        ("from . import b\n", "def late():\n    import package.a\n"),
        ("import package.b\n", "from package import a\n"),
        ("from . import NAME\n", ""),
    ],
)
def test_a_circle_would_be_noticed(tmp_path: Path, first: str, second: str) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .a import A\nNAME = 1\n")
    (folder / "a.py").write_text(first)
    (folder / "b.py").write_text(second)
    assert {"package.a"} < set(circle_in(tmp_path, "package"))
