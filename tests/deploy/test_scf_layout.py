"""The zips for SCF, laid out and run as SCF does: code and layer on PYTHONPATH, Python 3.10, two dicts."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy import interpreters
from deploy.targets import FUNCTIONS, TENCENT
from deploy.tencent import variables
from local.platform import ScfFunction
from local.sample_events import sample_event
from local.stack import ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.ses_emulator import Emulator

pytestmark = pytest.mark.compatible("Platforms", "Tencent Cloud SCF, layout of functions and layer")

FILE = Path(__file__).resolve().parents[2] / "serverless.tencent.yml"


@pytest.fixture
def deployed(built: Path, tmp_path: Path, settings: dict[str, str]) -> Iterator[Callable[[str], ScfFunction]]:
    """Starts a function from what was built, as `/var/user` and `/opt` would hold it.

    It has the settings that the template gives to it, and no others.
    """
    template = variables.read(FILE, {}, {}, {})
    python = interpreters.find("3.10")
    assert python is not None, "no Python 3.10 on this machine"
    with zipfile.ZipFile(built / TENCENT.name / "layer-python3.10-x86_64.zip") as layer:
        layer.extractall(tmp_path / "opt")
    running = []

    def start(name: str) -> ScfFunction:
        code = tmp_path / "var" / "user" / name
        with zipfile.ZipFile(built / TENCENT.name / f"{name}.zip") as archive:
            archive.extractall(code)
        given = {**settings, "MAILER_CONFIG": str(code / "mailer.toml")}
        wanted = {
            *template["provider"]["environment"],
            *template["functions"][name].get("environment", ()),
        }
        function = ScfFunction(
            name,
            environment={name: value for name, value in given.items() if name in wanted},
            role=ROLE,
            code=code,
            layer=tmp_path / "opt",
            python=str(python),
            log=tmp_path / f"{name}.log",
        )
        running.append(function)
        return function

    yield start
    for function in running:
        function.close()


def test_function_url_sends_an_email(deployed: Callable[[str], ScfFunction], ses: Emulator) -> None:
    invocation = deployed("http").invoke(sample_event("tencent/http-function-url.json").payload)
    assert invocation.payload["statusCode"] == 200, invocation.payload
    sent = json.loads(invocation.payload["body"])
    assert ses.acceptances(sent["id"]) == 1


def test_ckafka_batch_sends_each_message(deployed: Callable[[str], ScfFunction], ses: Emulator) -> None:
    event = sample_event("tencent/queue-ckafka.json").payload
    invocation = deployed("queue").invoke(event)
    assert not invocation.failed, invocation.payload
    assert ses.counts()["accepted"] == 2  # of the sample's three, SES refuses one


def test_timer_runs_the_sweep(deployed: Callable[[str], ScfFunction]) -> None:
    invocation = deployed("schedule").invoke(sample_event("tencent/schedule-timer.json").payload)
    assert not invocation.failed, invocation.payload
    assert invocation.payload["job"] == "sweep"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_layer_stays_as_it_was_published(
    deployed: Callable[[str], ScfFunction], tmp_path: Path, function: str
) -> None:
    """On SCF the layer cannot be written to; a run must not try."""
    before = sorted((tmp_path / "opt").rglob("*"))
    deployed(function).invoke({})
    assert sorted((tmp_path / "opt").rglob("*")) == before
