"""The OpenAPI document by the linters of others, with their recommended rules.

Each linter reads a broken document too, so that its settings cannot switch off what it is there for.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from docs.openapi.document import openapi

HERE = Path(__file__).parent
OFFLINE = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.fixture
def documents(tmp_path: Path) -> list[Path]:
    """The document, and one with an array without items and an example that is none."""
    broken = openapi()
    components = {**broken["components"], "schemas": json.loads(json.dumps(broken["components"]["schemas"]))}
    del components["schemas"]["Batch"]["properties"]["emails"]["items"]
    media = broken["paths"]["/emails"]["post"]["requestBody"]["content"]["application/json"]
    media["examples"] = {"wrong": {"value": {"subject": 1}}}
    paths = [tmp_path / "openapi.json", tmp_path / "broken.json"]
    for path, document in zip(paths, (openapi(), {**broken, "components": components}), strict=True):
        path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return paths


def found_by(program: str, *arguments: str | Path) -> list[Any]:
    """Run a linter; return the JSON texts that it prints one after the other."""
    ran = subprocess.run(
        [HERE / "node_modules/.bin" / program, "lint", *arguments, "--format", "json"],
        cwd=HERE, env={**os.environ, **OFFLINE},
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    rest, found = ran.stdout, []
    while rest.strip():
        one, end = json.JSONDecoder().raw_decode(rest.lstrip())
        found.append(one)
        rest = rest.lstrip()[end:]
    assert found, ran.stderr
    return found


@pytest.mark.compatible(
    "Clients of the API", "Redocly CLI", "rules `recommended`: no problem", package="@redocly/cli"
)
def test_redocly_finds_no_problem(documents: list[Path]) -> None:
    whole, broken = found_by("redocly", *documents, "--config", "redocly.yaml")
    assert whole["problems"] == []
    assert whole["totals"]["ignored"] == 0
    assert {one["ruleId"] for one in broken["problems"]} == {"no-invalid-media-type-examples"}


@pytest.mark.compatible(
    "Clients of the API", "Spectral", "rules `spectral:oas`: no problem", package="@stoplight/spectral-cli"
)
def test_spectral_finds_no_problem(documents: list[Path]) -> None:
    (found,) = found_by("spectral", *documents, "--ruleset", "spectral.yaml", "--quiet")
    problems = {(Path(one["source"]).name, one["code"]) for one in found}
    assert problems == {("broken.json", "array-items"), ("broken.json", "oas3-valid-media-example")}
