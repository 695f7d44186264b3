"""What the deployment tests share: the built zips, osls without network, throw-away copies of the project."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.ses_emulator import SECRET_ID, SECRET_KEY, Emulator
from local.world import API_KEY, ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
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
