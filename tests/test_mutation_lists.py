"""The lists of mutation testing fit the code, so that a run of hours does not end with one that does not."""

from __future__ import annotations

import pytest

from mutation.edits import LAYER, Edit
from mutation.parts import ROOT, chosen_parts, read_toml

pytestmark = pytest.mark.once

EDITS = [Edit(**edit) for edit in read_toml("edits.toml")["edit"]]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_fits_its_file(edit: Edit) -> None:
    assert edit.change


def test_every_script_has_an_edit() -> None:
    scripts = {f"ledger/scripts/{path.name}" for path in (LAYER / "ledger/scripts").glob("*.lua")}
    assert scripts - {edit.file for edit in EDITS} <= {"ledger/scripts/clock.lua"}


def test_an_edit_has_a_name_of_its_own() -> None:
    assert len({edit.name for edit in EDITS}) == len(EDITS)


def test_a_part_names_tests_and_code_that_exist() -> None:
    parts = read_toml("parts.toml")
    named = [(ROOT / "tests", test.partition("::")[0]) for part in parts.values() for test in part["tests"]]
    named += [(LAYER.parent, code) for part in parts.values() for code in part.get("code", ())]
    assert [name for folder, name in named if not list(folder.glob(name))] == []


@pytest.mark.parametrize("only", ["sse", "ses,mail", "/"])
def test_a_part_that_there_is_not_is_refused(only: str) -> None:
    with pytest.raises(SystemExit, match="choose of ses, triggers, ledger, delivery, edits"):
        chosen_parts(only)


def test_a_module_can_be_chosen_alone() -> None:
    (part,) = chosen_parts("ledger/keys.py")
    assert part.modules == ["src/mailer/ledger/keys.py"]


def test_every_survivor_is_explained_once() -> None:
    survivors = read_toml("survivors.toml")["survivor"]
    assert all(survivor["why"] for survivor in survivors)
    assert len({(survivor["place"], survivor["change"]) for survivor in survivors}) == len(survivors)
