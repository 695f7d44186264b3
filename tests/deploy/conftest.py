"""What the deployment tests share: the built zips, osls without network, throw-away copies of the project."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aws_stack import Aws
from background import free_port, running
from local.ses_emulator import SECRET_ID, SECRET_KEY, Emulator
from local.stack import API_KEY, ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
MINISTACK = ROOT / ".venv-deploy/bin/ministack"
VERSION = next((ROOT / ".venv-deploy").glob("lib/python3.*")).name.removeprefix("python")
LINKED = ("build", "node_modules", "package.json", ".venv")
COPIED = ("serverless.yml", "serverless.tencent.yml")  # osls takes no link for a configuration
SECRETS = ("AWS_", "TENCENTCLOUD_", "MAILER_", "OSLS_", "SLS_")


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder that `make package` fills."""
    assert (BUILD / "aws" / "template.json").exists(), "run `make tests-deploy`: it packages first"
    return BUILD


@pytest.fixture
def ses() -> Iterator[Emulator]:
    """An SES that knows a plain key and, as on SCF, the temporary key of an execution role."""
    keys = {SECRET_ID: SECRET_KEY, ROLE.secret_id: ROLE.secret_key}
    with Emulator(credentials=keys, tokens={ROLE.secret_id: ROLE.token}) as emulator:
        yield emulator


@pytest.fixture
def settings(store_url: str, ses: Emulator, tmp_path: Path) -> dict[str, str]:
    """What a function needs to send through that SES, in an account of this test's own."""
    return {
        "MAILER_STORE_URL": store_url,
        "MAILER_SES_ENDPOINT": ses.endpoint,
        "MAILER_ACCOUNT": tmp_path.name,
        "MAILER_API_KEYS": f"tests:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
    }


@pytest.fixture(scope="session")
def no_network() -> list[str]:
    """A command prefix that takes the network away, where this machine lets us make a network namespace."""
    prefix = ["unshare", "--user", "--map-root-user", "--net"]
    available = shutil.which("unshare") and not subprocess.run([*prefix, "true"], check=False).returncode
    return prefix if available else []


@pytest.fixture(scope="session")
def bare_environment() -> dict[str, str]:
    """The environment without anyone's credentials or settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SECRETS)}
    return {
        **kept,
        "NODE_NO_WARNINGS": "1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


@pytest.fixture
def workspace(tmp_path: Path, built: Path) -> Path:
    """A folder that osls takes for the project: two of its runs must not write into one `.serverless`."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    for name in COPIED:
        shutil.copyfile(ROOT / name, folder / name)
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def osls(
    workspace: Path, bare_environment: dict[str, str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs osls in the workspace: ``osls("package", OSLS_OFFLINE="1")``; the output holds errors too."""

    def run(
        *arguments: str, prefix: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix, "node_modules/.bin/osls", *arguments],
            cwd=workspace,
            env=bare_environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def aws(tmp_path: Path, bare_environment: dict[str, str]) -> Iterator[Aws]:
    port = free_port()
    environment = {
        **bare_environment,
        "TMPDIR": str(tmp_path),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
    }
    log = tmp_path / "ministack.log"
    with running([str(MINISTACK)], cwd=tmp_path, environment=environment, port=port, log=log):
        yield Aws(port)


@pytest.fixture
def run(
    osls: Callable[..., subprocess.CompletedProcess[str]], aws: Aws, ses: Emulator, settings: dict[str, str]
) -> Callable[..., str]:
    """Runs osls against the emulator; returns what it printed."""

    def run(*arguments: str) -> str:
        parameters = {
            "python": VERSION,
            "arch": {"x86_64": "x86_64", "aarch64": "arm64"}[os.uname().machine],
            "sesEndpoint": ses.endpoint,
            "account": settings["MAILER_ACCOUNT"],
            "config": "mailer.toml",
            "maxReceives": "1",
            "visibility": "8",  # longer than a cold start: what comes again by then counts as dead
        }
        given = [argument for pair in parameters.items() for argument in ("--param", "=".join(pair))]
        done = osls(
            *arguments,
            *given,
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{aws.port}",
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            SLS_AWS_MONITORING_FREQUENCY="200",
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


@pytest.fixture
def deployed(aws: Aws, run: Callable[..., str], settings: dict[str, str]) -> Aws:
    """The stack, with its secret in Secrets Manager as on AWS."""
    secret = {
        "secret_id": SECRET_ID,
        "secret_key": SECRET_KEY,
        "store_url": settings["MAILER_STORE_URL"],
        "api_keys": settings["MAILER_API_KEYS"],
        "callback_token": "unguessable-unguessable",
    }
    aws.call("secretsmanager.CreateSecret", {"Name": "mailer/dev", "SecretString": json.dumps(secret)})
    run("deploy")
    printed = run("info", "--verbose")
    aws.outputs = dict(re.findall(r"^  (\w+): (\S+)$", printed, re.MULTILINE))
    return aws
