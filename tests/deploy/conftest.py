"""What the deployment tests share: the built zips, osls without network, throw-away copies of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """Runs osls in the workspace: ``osls("package", …, OSLS_OFFLINE="1")``; standard error is part of the output."""

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
