"""A pytest plugin of mutation testing: the order of the chosen tests, the scripts that each runs, one edit.

`MUTATION_SCRIPTS` names the file to which the scripts and durations of the tests are written;
`MUTATION_EDIT` is an edit as JSON, in force in this process.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import sys
from functools import lru_cache
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import CodeType

    import pytest

LAYER = Path(__file__).parents[2] / "layers/mailer/mailer"
STATS = Path("mutmut-stats.json")  # mutmut runs the tests in the folder that has it
_written: dict[str, dict[str, Any]] = {}
_scripts: set[str] = set()
_edit: dict[str, str] = json.loads(os.environ.get("MUTATION_EDIT", '{"file": ""}'))


@lru_cache(maxsize=1)
def _durations(_written_at: int) -> dict[str, float]:
    stats: dict[str, dict[str, float]] = json.loads(STATS.read_text(encoding="utf-8"))
    return stats["duration_by_test"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if STATS.exists():
        known = _durations(STATS.stat().st_mtime_ns)
        items.sort(key=lambda item: known.get(item.nodeid, 0.0))


class _EditedModule(importlib.machinery.SourceFileLoader):
    """Loads the module of the edited file with the edit."""

    def get_code(self, _name: str) -> CodeType:
        text = Path(self.path).read_text(encoding="utf-8").replace(_edit["old"], _edit["new"])
        code: CodeType = compile(text, self.path, "exec")
        return code


class _EditedModuleFinder(importlib.abc.MetaPathFinder):
    """Finds the edited module before any other finder does."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        del path, target
        file = LAYER / _edit["file"]
        if name != "mailer." + _edit["file"].removesuffix(".py").replace("/", "."):
            return None
        return spec_from_file_location(name, file, loader=_EditedModule(name, str(file)))


def _edit_script(edit: dict[str, str]) -> None:
    from mailer.ledger.store import Store

    read = Store.script_text

    def edited(self: Store, name: str) -> str:
        text = read(self, name)
        return text.replace(edit["old"], edit["new"]) if name == Path(edit["file"]).stem else text

    Store.script_text = edited  # type: ignore[method-assign]


def _record_scripts() -> None:
    from mailer.ledger.store import Store

    make = Store.script

    def recorded(self: Store, name: str, **options: Any) -> Any:
        run = make(self, name, **options)

        def noted(*args: Any, **kwargs: Any) -> Any:
            _scripts.update({name, *options.get("shared", ())})
            return run(*args, **kwargs)

        return noted

    Store.script = recorded  # type: ignore[method-assign]


def pytest_configure() -> None:
    if _edit["file"].endswith(".lua"):
        _edit_script(_edit)
    if os.environ.get("MUTATION_SCRIPTS"):
        _record_scripts()


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    test = _written.setdefault(item.nodeid, {"seconds": 0.0, "scripts": []})
    test["seconds"] += call.duration
    if call.when == "teardown":
        test["scripts"] = sorted(_scripts)
        _scripts.clear()


def pytest_sessionfinish() -> None:
    if path := os.environ.get("MUTATION_SCRIPTS"):
        Path(path).write_text(json.dumps(_written), encoding="utf-8")


if _edit["file"].endswith(".py"):  # before any module of the layer is imported
    sys.meta_path.insert(0, _EditedModuleFinder())
