"""The guides keep step with what they describe."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from deploy.tencent import variables
from mailer.http_api.app import app

if TYPE_CHECKING:
    from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


class AnyTag(yaml.SafeLoader):
    """Reads `!Ref` and the like as their plain value."""


AnyTag.add_multi_constructor("!", lambda _loader, _tag, node: getattr(node, "value", None))


def service(file: str) -> Any:
    return yaml.load((ROOT / file).read_text(encoding="utf-8"), AnyTag)  # noqa: S506 - a SafeLoader


@pytest.mark.parametrize(
    ("file", "heading"),
    [
        ("serverless.yml", "## Parameters of `serverless.yml`"),
        ("serverless.tencent.yml", "## Parameters of `serverless.tencent.yml`"),
    ],
)
def test_every_parameter_is_documented_and_used(file: str, heading: str) -> None:
    section = OPERATIONS.partition(heading)[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    documented = set(re.findall(r"`(\w+)`", " ".join(rows)))
    declared = set(service(file)["params"]["default"])
    assert documented == declared
    sources = [ROOT / file, *(ROOT / "deploy" / "aws").rglob("*.yml")]
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    assert {name for name in declared if f"${{param:{name}}}" not in text} == set()


def test_every_alarm_is_documented(built: Path) -> None:
    resources = json.loads((built / "aws" / "template.json").read_text())["Resources"].values()
    alarms = {
        resource["Properties"]["AlarmName"].removeprefix("mailer-dev-")
        for resource in resources
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    table = OPERATIONS.partition("## Alarms")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([\w-]+)`", " ".join(rows))) == alarms


def test_every_route_of_the_function_is_one_of_the_gateway() -> None:
    """A path that is not declared never reaches the function."""
    declared = {
        re.sub(r"\{\w+\}", "*", event["httpApi"])
        for event in service("serverless.yml")["functions"]["http"]["events"]
    }
    routes = {
        re.sub(r"<\w+>", "*", f"{route.method} {route.path}")
        for route in (*app._static_routes, *app._dynamic_routes)
    }
    assert routes
    assert routes <= declared


def test_both_clouds_get_the_same_settings() -> None:
    """What a function reads from its environment does not depend on where it runs."""
    aws, tencent = service("serverless.yml"), variables.read(ROOT / "serverless.tencent.yml", {}, {}, {})
    assert set(aws["provider"]["environment"]) == set(tencent["provider"]["environment"])
    for name, function in aws["functions"].items():
        assert set(function.get("environment", ())) == set(tencent["functions"][name].get("environment", ()))
