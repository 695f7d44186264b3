"""What holds for the code as a whole: its size, its names, and which way its imports point."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from layer_parts import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
LAYER = ROOT / "layers/mailer"
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
HANDLERS = sorted((ROOT / "functions").glob("*/handler.py"))
MODULES = sorted((LAYER / "mailer").rglob("*.py"))

ADAPTERS = {"triggers", "http_api"}
OWNERS = {
    "valkey": {"mailer.ledger.store", "mailer.ledger.tls"},
    "tencentcloud": {"mailer.ses.client", "mailer.ses.transport"},
    "requests": {"mailer.ses.client", "mailer.ses.transport"},
    "urllib3": {"mailer.ses.transport"},
}
BEHIND_DELIVER = {"mailer.ses.client", "mailer.ses.transport", "mailer.ledger.store", "mailer.ledger.records"}

# Where packages are fetched from is a setting of each machine, and so is where the project lies.
REGISTRIES = [  # in pieces, so that this file names none either
    "".join(name)
    for name in (("py", "pi"), ("python", "hosted"), ("npm", "js"), ("yarn", "pkg"), ("npm", "mirror"))
]
FOREIGN = re.compile(
    r"(?<![\w.}])/(?:work|root|tmp|home|Users)/"
    rf"|(?:{'|'.join(REGISTRIES)})\.(?:org|com)"
    r"|pypi\.[a-z]+\.(?:com|cn|edu)|mirrors\.[a-z]+\b"
)


def module_name(path: Path) -> str:
    parts = path.relative_to(LAYER).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Yield every import in a file of the layer, for types or not, as absolute dotted names."""
    package = path.relative_to(LAYER).parent.parts if path.is_relative_to(LAYER) else ()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            home = package[: len(package) - node.level + 1] if node.level else ()
            yield from (".".join(filter(None, [*home, node.module, alias.name])) for alias in node.names)


def imported_parts(path: Path) -> Iterator[str]:
    """Yield every part of the dotted names that a file imports."""
    for name in imports(path):
        yield from name.split(".")


def within(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def part_of(name: str) -> str:
    """Return the part of the layer that a module, or a name in it, belongs to; "" is the layer itself."""
    return next((part for part in PARTS if within(name, f"mailer.{part}")), "")


def graph() -> dict[str, set[str]]:
    """Return the modules of the layer that each module imports."""
    known = {module_name(path) for path in MODULES}
    return {
        module_name(path): {
            max((module for module in known if within(name, module)), key=len)
            for name in imports(path)
            if within(name, "mailer")
        }
        - {module_name(path)}
        for path in MODULES
    }


def test_every_module_belongs_to_a_part() -> None:
    assert {part_of(module_name(path)) for path in MODULES} == {"", *PARTS}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_one_way(path: Path) -> None:
    own = module_name(path)
    below = set(PARTS[: PARTS.index(part_of(own)) + 1] if part_of(own) else PARTS)
    assert {name for name in imports(path) if within(name, "mailer") and part_of(name) not in below} == set()


def test_no_import_closes_a_circle() -> None:
    needed = {module: modules - {"mailer"} for module, modules in graph().items() if module != "mailer"}
    packages = {
        module for module in needed if any(within(other, module) and other != module for other in needed)
    }
    done: set[str] = set()
    while ready := {module for module in needed if module not in done and needed[module] - packages <= done}:
        done |= ready
    assert set(needed) - done == set()


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_used_by_its_owner_alone(library: str) -> None:
    users = {module_name(path) for path in MODULES if any(within(name, library) for name in imports(path))}
    assert users == OWNERS[library]


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if part_of(module_name(path)) in ADAPTERS],
    ids=module_name,
)
def test_adapters_reach_ses_and_the_store_through_deliver_alone(path: Path) -> None:
    assert not [name for name in imports(path) if any(within(name, module) for module in BEHIND_DELIVER)]
    assert not {"mailer.ledger.Store", "mailer.ledger.Ledger"} & set(imports(path))


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.parent.name)
def test_a_handler_names_its_trigger_and_calls_the_layer(path: Path) -> None:
    ours = [name for name in imports(path) if within(name, "mailer")]
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    assert ours
    assert all(name.split(".")[1] in ADAPTERS for name in ours)


def test_there_are_three_functions() -> None:
    assert [path.parent.name for path in HANDLERS] == ["http", "queue", "schedule"]


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_is_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_no_test_module_imports_another() -> None:
    tests = {path.stem for path in TESTS}
    assert {path.name: found for path in TESTS if (found := tests & set(imported_parts(path)))} == {}


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """Every file that is or would be committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is where it is
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_a_module_is_named_for_what_it_is(files: list[Path]) -> None:
    vague = re.compile(r"(utils?|helpers?|managers?|common|misc)(_|\.|$)")
    assert [path for path in files if path.suffix == ".py" and vague.match(path.name)] == []


def test_no_file_names_a_registry_or_a_machine(files: list[Path]) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        for match in FOREIGN.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


@pytest.mark.parametrize("machine", ["work", "root", "tmp", "home", "Users"])
@pytest.mark.parametrize("text", ["cd /{}/x", '"/{}/.cache"', "path=/{}/x"])
def test_a_path_of_a_machine_would_be_noticed(text: str, machine: str) -> None:
    assert FOREIGN.search(text.format(machine))
    assert not FOREIGN.search(f"https://shop.example/{machine}/")


@pytest.mark.parametrize("host", [*REGISTRIES, "mirrors"])
def test_a_registry_would_be_noticed(host: str) -> None:
    assert FOREIGN.search(f"https://files.{host}.org/simple")


# boto3 and botocore

IMPORT_ALL = """
import importlib.util, pkgutil, sys
import mailer

for module in pkgutil.walk_packages(mailer.__path__, "mailer."):
    importlib.import_module(module.name)
for number, path in enumerate(sys.argv[1:]):
    spec = importlib.util.spec_from_file_location(f"handler{number}", path)
    handler = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(handler)
    assert callable(handler.handler)
for name in ("boto3", "botocore"):
    assert name not in sys.modules, f"{name} was imported"
    assert importlib.util.find_spec(name) is None, f"{name} is installed"
print(len([name for name in sys.modules if name.partition(".")[0] == "mailer"]))
"""


def import_all(python: Path) -> int:
    """Import every module and handler in a process of its own; return how many modules there were."""
    done = subprocess.run(
        [
            str(python),
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(LAYER)!r})" + IMPORT_ALL,
            *map(str, HANDLERS),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_nothing_imports_boto3_and_nothing_here_has_it() -> None:
    assert import_all(Path(sys.executable)) == len(MODULES)


@pytest.mark.parametrize("name", ["runtime", "dev", "bootstrap", "lambda"])
def test_what_runs_and_tests_the_functions_locks_no_boto3(name: str) -> None:
    lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    locked = re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE)
    assert locked
    assert not {"boto3", "botocore"} & set(locked)


def test_the_layer_runs_on_its_locked_dependencies_alone(tmp_path: Path) -> None:
    uv, python = ROOT / ".venv/bin/uv", tmp_path / "venv/bin/python"
    for command in (
        ["venv", "--python", sys.executable, str(tmp_path / "venv")],
        [
            "pip",
            "install",
            "--python",
            str(python),
            "--require-hashes",
            "-r",
            str(ROOT / "requirements/runtime.txt"),
        ],
    ):
        done = subprocess.run([str(uv), *command], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert import_all(python) == len(MODULES)
