"""docs/security.md names the routes, sources, keys of the store and limits that there are, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guides import first_column, section
from mailer.email import limits
from mailer.http_api.routes import ROUTES
from mailer.triggers.queue import SOURCES

pytestmark = pytest.mark.once

GUIDE = (Path(__file__).parents[1] / "docs/security.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its first two lines."""
    lines = [line for line in section(GUIDE, heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(heading: str) -> list[str]:
    return [name for row in rows(heading) for name in re.findall(r"`([^`]+)`", row[0])]


def test_every_route_has_its_guard() -> None:
    assert sorted(names("Doors of the HTTP function")) == sorted(
        f"{route.method} {route.path}" for route in ROUTES
    )
    for route in ROUTES:
        (guard,) = [
            row[1] for row in rows("Doors of the HTTP function") if row[0] == f"`{route.method} {route.path}`"
        ]
        assert (f"`{route.permission}`" in guard) if route.permission else "API key" not in guard


def test_every_source_is_named() -> None:
    triggers = {source.trigger for source in SOURCES} | {"invoke", "schedule"}
    assert sorted(names("Doors of the queue and the schedule function")) == sorted(triggers)


def test_every_key_of_the_store_has_its_life() -> None:
    assert sorted(names("What is stored")) == sorted(first_column("Store keys"))


def test_every_limit_is_the_one_in_force() -> None:
    in_guide: dict[str, int] = {}
    for row in rows("Limits"):
        found = re.findall(r"`([^`]+)`", row[0])
        in_guide |= dict(zip(found, map(int, row[1].split(",")), strict=True))
    assert in_guide == {name: value for name, value in vars(limits).items() if name.startswith("MAX_")}
