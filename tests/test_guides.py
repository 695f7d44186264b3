"""The guides name what exists: paths, links, states, store keys, and the fields that the scripts write."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from guides import ARCHITECTURE, first_column, section
from layer_parts import PARTS
from mailer.ledger.record import State

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
LAYER = "layers/mailer/mailer/"
LEDGER = ROOT / LAYER / "ledger"
SCRIPTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((LEDGER / "scripts").glob("*.lua"))}
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
GUIDES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    ROOT / "local/ses_emulator/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:md|toml|yml|py)|Makefile")
DRILLS = {
    "A webhook scheme": "config/webhook_schemes.py",
    "A queue source": "triggers/queue.py",
    "A SendEmail parameter": "email/request.py",
    "An error code": "ses/error_table.py",
    "A route": "http_api/routes.py",
    "A digest field": "config/digests.py",
    "A setting": "config/settings.py",
    "A command": "__main__.py",
}
HISTORY_WRITERS = "transition|add_history|accept|accepted|finish_unsent|reject|store_for_later"
WITHOUT_EVENT = {"An error code", "A setting", "A command"}


def prose(text: str) -> str:
    """Return a guide without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def named_paths(text: str) -> list[str]:
    """Return the paths from the root of the repository that a guide names as code."""
    spans = re.findall(r"`([^`\n]+)`", prose(text))
    paths = [span for span in spans if PATH.fullmatch(span) and span != "M/"]
    return [LAYER + path.removeprefix("M/") if path.startswith("M/") else path for path in paths]


def anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


# Paths and links


@pytest.mark.parametrize("text", [CONTRIBUTING, ARCHITECTURE], ids=["CONTRIBUTING.md", "architecture.md"])
def test_every_path_that_is_named_exists(text: str) -> None:
    paths = named_paths(text)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(guide: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(guide.read_text(encoding="utf-8"))):
        if re.match(r"https?:", target):
            continue
        name, _, fragment = target.partition("#")
        path = guide.parent / name if name else guide
        assert path.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.*)$", prose(path.read_text(encoding="utf-8")), re.MULTILINE)
            assert fragment in map(anchor, headings), target


@pytest.mark.parametrize("drill", DRILLS)
def test_every_kind_of_change_names_its_files_its_test_and_its_guide(drill: str) -> None:
    text = CONTRIBUTING.partition(f"### {drill}\n")[2].partition("\n### ")[0]
    paths = named_paths(text)
    assert LAYER + DRILLS[drill] in paths
    assert [path for path in paths if path.startswith("tests/")]
    assert "Guide: " in text
    assert drill in WITHOUT_EVENT or [path for path in paths if path.startswith("events/")]


# The architecture


def test_every_part_of_the_layer_is_on_the_map_in_its_order() -> None:
    rows = [line for line in section(ARCHITECTURE, "Packages").splitlines() if line[:3] == "| `"]
    assert [row.split("|")[1].strip(" `") for row in rows] == list(PARTS)


def test_the_diagram_has_every_state() -> None:
    (diagram,) = re.findall(r"```mermaid\n(.*?)```", ARCHITECTURE, re.DOTALL)
    transitions = re.findall(r"^\s*(\S+) --> (\S+)", diagram, re.MULTILINE)
    nodes = {node for transition in transitions for node in transition}
    assert nodes == {"[*]", "admit", *(state.value for state in State)}


def test_every_script_is_described() -> None:
    assert sorted(first_column("What each script does")) == sorted(
        SCRIPTS.keys() - {"record", "clock", "digest"}
    )


# Keys of the store


def _constants(nodes: list[ast.expr]) -> Iterator[str]:
    """Yield the leading constants among the arguments of a call."""
    for node in nodes:
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            return
        yield node.value


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _calls() -> Iterator[ast.Call]:
    for path in sorted(LEDGER.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def keys_in_code() -> set[str]:
    """Return the constant beginning of every key: of `key("…", …)` and of `map(key, ("…", …))`."""
    keys: set[str] = set()
    for call in _calls():
        if _name(call.func) == "key":
            keys.add(":".join(_constants(call.args)))
        if _name(call.func) == "map" and _name(call.args[0]) == "key" and isinstance(call.args[1], ast.Tuple):
            keys.update(_constants(call.args[1].elts))
    return keys - {""}


def digest_keys_in_code() -> set[str]:
    """Return a digest's keys: from calls of `_key` and `digest_key`, and the tuples called `names`."""
    tree = ast.parse((LEDGER / "digests.py").read_text(encoding="utf-8"))
    keys: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in {"_key", "digest_key"}:
            keys.update(_constants(node.args[1 if _name(node.func) == "_key" else 2 :]))
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Tuple)
            and _name(node.targets[0]) == "names"
        ):
            keys.update(_constants(node.value.elts))
    return keys


def test_every_store_key_is_in_the_table() -> None:
    documented = first_column("Store keys")
    keys = keys_in_code()
    assert {"email", "due", "halt:account", "rate_slots", "digest"} <= keys
    assert {key for key in keys if not any(f"{row}:".startswith(f"{key}:") for row in documented)} == set()
    assert {row for row in documented if not any(f"{row}:".startswith(f"{key}:") for key in keys)} == set()


def test_every_digest_key_is_in_the_table() -> None:
    assert {row.partition(":")[0] for row in first_column("Digest keys")} == digest_keys_in_code()


# Fields


def code_of(script: str) -> str:
    """Return a script without its comments and without what makes a reply, which is no record."""
    text = re.sub(r"--.*", "", SCRIPTS[script])
    return re.sub(r"^local function reply\(.*?^end$", "", text, flags=re.DOTALL | re.MULTILINE)


def names_in(table: str) -> set[str]:
    return set(re.findall(r"(\w+)\s*=(?!=)", table))


def hset_fields(text: str, key: str) -> set[str]:
    """Return the constant names of fields that `HSET` and the like write to the key in the variable `key`."""
    calls = re.findall(rf"redis\.call\('H(?:SET|SETNX|INCRBY)', {key}, ([^\n]*)\)", text)
    return {name for call in calls for name in re.findall(r"'(\w+)'", call)}


def record_fields() -> set[str]:
    """Return every field of an email record that a script writes."""
    fields: set[str] = set()
    for script in SCRIPTS:
        text = code_of(script)
        for table in re.findall(r"set_fields\(keys\.record, record, \{(.*?)\}\)", text, re.DOTALL):
            fields |= names_in(table)
        for table in re.findall(r"local fields = \{(.*?)\}\n", text, re.DOTALL):
            fields |= names_in(table)
        fields |= {
            name
            for names in re.findall(r"((?:fields\.\w+(?:, )?)+) =", text)
            for name in re.findall(r"\.(\w+)", names)
        }
        fields |= hset_fields(text, r"keys\.record")
    return fields


def history_fields() -> set[str]:
    """Return every field of an entry of the history: a table that a function enters, or one named `note`."""
    fields: set[str] = set()
    for script in SCRIPTS:
        text = code_of(script)
        for table in re.findall(rf"(?:{HISTORY_WRITERS})\([^{{}}()]*\{{(.*?)\}}[^)]*\)", text, re.DOTALL):
            fields |= names_in(table)
        for table in re.findall(r"local note = \{(.*?)\}\n", text, re.DOTALL):
            fields |= names_in(table)
        fields |= {
            name
            for names in re.findall(r"((?:note\.\w+(?:, )?)+) =(?!=)", text)
            for name in re.findall(r"\.(\w+)", names)
        }
    return fields


def halt_fields() -> set[str]:
    return hset_fields(code_of("settle"), "blocked") | hset_fields(code_of("admit"), "key")


def digest_fields() -> set[str]:
    """Return every field of a digest's recipient."""
    fields: set[str] = set()
    for script in [name for name in SCRIPTS if name.startswith("digest")]:
        text = code_of(script)
        fields |= hset_fields(text, r"keys\.recipient")
        for table in re.findall(r"set_fields\(keys\.recipient, recipient, \{(.*?)\}\)", text, re.DOTALL):
            fields |= names_in(table)
    return fields


def test_every_field_of_a_record_is_in_the_table() -> None:
    assert {"id", "state", "token", "due_at", "ses_message_id", "resend_allowed_at"} <= record_fields()
    assert sorted(first_column("Fields of an email record")) == sorted(record_fields())


def test_every_field_of_the_history_is_in_the_table() -> None:
    assert {"state", "at", "evidence", "recipient"} <= history_fields()
    assert sorted(first_column("Entries of the history")) == sorted(history_fields())


def test_every_field_of_a_halt_is_in_the_table() -> None:
    assert sorted(first_column("Fields of a halt")) == sorted(halt_fields())


def test_every_field_of_a_digests_recipient_is_in_the_table() -> None:
    assert {"address", "window", "last_window"} <= digest_fields()
    assert sorted(first_column("Fields of a digest's recipient")) == sorted(digest_fields())
