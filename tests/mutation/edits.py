"""Edits of single files: a test that runs the edited file must fail."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mutation.mutants import FAILED, PASSED, Mutant, diff
from mutation.parts import ROOT, read_toml
from mutation.run_mutmut import environment

if TYPE_CHECKING:
    from mutation.parts import Part

LAYER = ROOT / "layers/mailer/mailer"
SHARED = {"clock", "record"}  # every script begins with them
PYTEST = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "mutation.chosen_tests", "-p", "no:cacheprovider"]


class Edit(NamedTuple):
    """One edit: `file` of the layer has `old` once, which becomes `new`; `name` says what it breaks."""

    name: str
    file: str
    old: str
    new: str

    @property
    def change(self) -> str:
        """The lines taken away and added, as in a diff; raises SystemExit where the edit does not fit."""
        text = (LAYER / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise SystemExit(f"{self.name}: {self.file} has {text.count(self.old)} of {self.old!r}")
        return diff(text.splitlines(), text.replace(self.old, self.new).splitlines())


class _Tests:
    """The tests, with the scripts that each of them runs and the seconds that it takes."""

    def __init__(self, part: Part) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scripts.json"
            clean = _run(part.tests, {"MUTATION_SCRIPTS": str(path)}, timeout=None)
            if clean.returncode != PASSED:
                raise SystemExit(f"the tests fail without any edit:\n{clean.stdout}")
            self._tests = json.loads(path.read_text(encoding="utf-8"))

    def of(self, file: str) -> list[str]:
        """Return the tests that may run `file`, the fastest first."""
        script = Path(file).stem
        everywhere = not file.endswith(".lua") or script in SHARED
        return sorted(
            (name for name, test in self._tests.items() if everywhere or script in test["scripts"]),
            key=lambda name: float(self._tests[name]["seconds"]),
        )

    def seconds(self, names: list[str]) -> float:
        return float(sum(self._tests[name]["seconds"] for name in names))


def _run(
    tests: list[str], variables: dict[str, str], *, timeout: float | None
) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as chosen:
        chosen.write("\n".join(tests))
        chosen.flush()
        return subprocess.run(
            [*PYTEST, f"@{chosen.name}"], cwd=ROOT, env={**environment(), **variables}, timeout=timeout,
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


def _outcome(edit: Edit, tests: _Tests) -> str:
    names = tests.of(edit.file)
    try:
        done = _run(
            names, {"MUTATION_EDIT": json.dumps(edit._asdict())}, timeout=60 + 5 * tests.seconds(names)
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    return {FAILED: "test", PASSED: "survived"}.get(done.returncode, f"exit code {done.returncode}")


def run_edits(part: Part) -> list[Mutant]:
    """Test every edit of edits.toml; raises SystemExit where one does not fit its file."""
    edits = [Edit(**edit) for edit in read_toml("edits.toml")["edit"]]
    changes = [edit.change for edit in edits]
    tests = _Tests(part)
    found = []
    for edit, change in zip(edits, changes, strict=True):
        found.append(Mutant(edit.file, change, _outcome(edit, tests)))
        print(f"edits: {len(found)} of {len(edits)}, {edit.name}: {found[-1].outcome}", flush=True)
    return found
