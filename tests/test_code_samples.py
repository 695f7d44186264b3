"""The code samples of the OpenAPI document: each is run as it is written, against the local server."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from client_samples import served_api
from docs.openapi.document import openapi
from local.signing import CALLBACK_TOKEN, WEBHOOK_SECRETS
from local.stack import API_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.once, pytest.mark.no_cover]

OPERATIONS = {
    operation["operationId"]: operation
    for methods in openapi()["paths"].values()
    for operation in methods.values()
}
SAMPLES = {
    f"{name}-{sample['label']}": sample["source"]
    for name, operation in OPERATIONS.items()
    for sample in operation["x-codeSamples"]
}


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the samples read from the environment; curl prints the status below what it prints."""
    home = tmp_path_factory.mktemp("home")
    (home / ".curlrc").write_text('silent\nshow-error\nnoproxy = "*"\nwrite-out = "\\n%{http_code}"\n')
    with served_api(home / "logs") as url:
        variables = {
            "MAILER_URL": url,
            "MAILER_KEY": API_KEY,
            "WEBHOOK_TOKEN": WEBHOOK_SECRETS["MAILER_WEBHOOK_CONTACT"],
            "CALLBACK_TOKEN": CALLBACK_TOKEN,
            "NO_PROXY": "*",
        }
        sent = run_curl(SAMPLES["sendEmail-curl"], {**variables, "CURL_HOME": str(home)})
        email = json.loads(sent.rpartition("\n")[0])
        yield {**variables, "CURL_HOME": str(home), "EMAIL_ID": email["id"]}


def run_curl(command: str, variables: dict[str, str]) -> str:
    """Run a command of the shell; return what it prints."""
    ran = subprocess.run(
        ["/bin/sh", "-euc", command],
        env={"PATH": os.environ["PATH"], **variables},
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return ran.stdout


def run_python(script: str) -> str:
    """Run a script in this process; return what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(script, "sample", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own document's
    return printed.getvalue()


def test_every_operation_has_a_sample_for_curl_and_for_python() -> None:
    assert SAMPLES.keys() == {f"{name}-{label}" for name in OPERATIONS for label in ("curl", "Python")}


@pytest.mark.compatible("Clients of the API", "curl", "each code sample of the document")
@pytest.mark.parametrize("name", [name for name in SAMPLES if name.endswith("-curl")])
def test_curl_command_gets_its_documented_answer(name: str, variables: dict[str, str]) -> None:
    status = run_curl(SAMPLES[name], variables).splitlines()[-1]
    check(name, status)


@pytest.mark.compatible(
    "Clients of the API", "Python, requests", "each code sample of the document", package="requests"
)
@pytest.mark.parametrize("name", [name for name in SAMPLES if name.endswith("-Python")])
def test_python_script_gets_its_documented_answer(
    name: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    check(name, run_python(SAMPLES[name]).split(maxsplit=1)[0])


def check(name: str, status: str) -> None:
    """Fail unless the status is the first that the sample's operation has: that of success."""
    operation = OPERATIONS[name.partition("-")[0]]
    assert status == next(iter(operation["responses"]))


def test_python_scripts_are_formatted(tmp_path: Path) -> None:
    for name, script in SAMPLES.items():
        if name.endswith("-Python"):
            (tmp_path / f"{name}.py").write_text(script, encoding="utf-8")
    command = ["format", "--check", "--isolated", "--config", "line-length=110", str(tmp_path)]
    ruff = Path(sys.executable).with_name("ruff")
    ran = subprocess.run([ruff, *command], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


def test_samples_hold_no_secret() -> None:
    text = json.dumps(openapi())
    for secret in (API_KEY, CALLBACK_TOKEN, *WEBHOOK_SECRETS.values()):
        assert not re.search(re.escape(secret), text)
