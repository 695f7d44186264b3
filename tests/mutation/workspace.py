"""The folder in which mutmut works on one part: the project as mutmut wants it laid out."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from mutation.mutants import is_killed
from mutation.parts import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from mutation.parts import Part

# What the tests read beside the layer and themselves.
READ_BY_TESTS = (
    "docs",
    "events",
    "functions",
    "local",
    "mailer.toml",
    "serverless.yml",
    "serverless.tencent.yml",
)


def prepare(part: Part, *, resume: bool) -> Path:
    """Return the part's folder, with mutmut's configuration.

    To `resume` is to keep what an earlier run has killed, and to test the rest.
    """
    folder = ROOT / "build" / "mutants" / part.name
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in {
        "src": "layers/mailer",
        **{name: name for name in ("tests", *READ_BY_TESTS)},
    }.items():
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT / target)
    # mutmut names a mutant for its path below src/, and copies beside Python files only those that are new.
    for script in (folder / "mutants" / "src").rglob("*.lua"):
        script.unlink()
    for meta in (folder / "mutants" / "src").rglob("*.py.meta"):
        _forget_survivors(meta)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").replace("layers/mailer", "src")
    (folder / "pyproject.toml").write_text(project + _mutmut(part), encoding="utf-8")
    return folder


def _forget_survivors(meta: Path) -> None:
    found = json.loads(meta.read_text(encoding="utf-8"))
    for name, exit_code in found["exit_code_by_key"].items():
        if not is_killed(exit_code):
            found["exit_code_by_key"][name] = None
    meta.write_text(json.dumps(found), encoding="utf-8")


def _mutmut(part: Part) -> str:
    settings = {
        "source_paths": ["src"],
        "only_mutate": part.modules,
        "also_copy": list(READ_BY_TESTS),
        "pytest_add_cli_args": ["-p", "mutation.chosen_tests", "-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": part.tests,
        "type_check_command": ["mypy", "--output", "json", "--no-warn-unused-ignores", "src"],
        "timeout_multiplier": 6.0,  # fixtures and other work of the machine are not in the estimate
        "timeout_constant": 4.0,
        "track_dependencies": False,
        "use_git_change_detection": False,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join(["", "[tool.mutmut]", *lines, ""])
