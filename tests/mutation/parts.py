"""The parts of the code that are mutated, and the tests that must notice."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent


def read_toml(name: str) -> dict[str, Any]:
    """Return the content of a TOML file of this folder."""
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Part:
    """A part: glob patterns of its modules below the layer, and the arguments that choose its tests."""

    name: str
    modules: list[str]
    tests: list[str]


def _files(test: str) -> list[Path]:
    return sorted((ROOT / "tests").glob(test))


def chosen_parts(only: str) -> list[Part]:
    """Return the parts that `only` names, all when it is empty; raises SystemExit with what can be named.

    `only` is a list with commas: `ses` is a part, `ledger/keys` a module of one.
    """
    parts = read_toml("parts.toml")
    left_out = parts.pop("leave_out")["tests"]
    chosen = []
    for choice in only.split(",") if only else parts:
        name, _, module = choice.strip().removesuffix(".py").partition("/")
        if name not in parts:
            raise SystemExit(f"ONLY={choice}: choose of {', '.join(parts)}, or a module such as ledger/keys")
        chosen.append(
            Part(
                name,
                [f"src/{folder}/{module or '*'}.py" for folder in parts[name]["code"]],
                [
                    *(str(path.relative_to(ROOT)) for test in parts[name]["tests"] for path in _files(test)),
                    *(f"--deselect=tests/{test}" for test in left_out),
                ],
            )
        )
    return chosen
