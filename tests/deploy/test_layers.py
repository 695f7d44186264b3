from __future__ import annotations

import re
import struct
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy import build, interpreters, sizes
from deploy.prune import LICENCES
from deploy.targets import AWS, FUNCTIONS, MEGABYTE, TARGETS, TENCENT, Cloud, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MACHINES = {"x86_64": 62, "arm64": 183}  # ELF e_machine
NATIVE = [target for target in TARGETS if target.architecture == "x86_64"]
PACKAGES = ["mailer", "tencentcloud.ses.v20201002.ses_client", "pydantic", "valkey", "jinja2", "jmespath"]
PACKAGES += ["aws_lambda_powertools.metrics", "aws_lambda_powertools.event_handler", "certifi"]


def layer(folder: Path, target: Target) -> zipfile.ZipFile:
    return zipfile.ZipFile(folder / target.cloud.name / target.file_name)


def compiled(source: str, target: Target) -> str:
    """The name of a module's bytecode in the zip (PEP 3147)."""
    path = Path(source)
    return str(path.parent / "__pycache__" / f"{path.stem}.cpython-{target.python.replace('.', '')}.pyc")


@pytest.fixture(params=TARGETS, ids=str)
def target(request: pytest.FixtureRequest) -> Target:
    chosen: Target = request.param
    return chosen


@pytest.fixture
def opened(built: Path, target: Target) -> Iterator[zipfile.ZipFile]:
    with layer(built, target) as archive:
        yield archive


class TestReproducible:
    def test_two_builds_are_equal_byte_for_byte(self, built: Path, tmp_path: Path) -> None:
        rebuilt = ["--target", str(NATIVE[0]), "--target", str(NATIVE[-1])]
        assert build.main(["--root", str(ROOT), "--out", str(tmp_path), *rebuilt]) == 0
        made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.zip"))
        assert len(made) == 2 * len(FUNCTIONS) + 2
        for path in made:
            assert (built / path).read_bytes() == (tmp_path / path).read_bytes(), path

    def test_bytecode_names_the_place_where_the_layer_is_mounted(
        self, opened: zipfile.ZipFile, target: Target
    ) -> None:
        """What tracebacks show; the folder of the build is random, and would differ from build to build."""
        for source in [name for name in opened.namelist() if name.endswith(".py")]:
            content = opened.read(compiled(source, target))
            assert f"{target.cloud.mount}/{source}".encode() in content, source

    def test_entries_are_sorted_dated_and_readable_by_all(self, opened: zipfile.ZipFile) -> None:
        entries = opened.infolist()
        assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 & 0o777 for entry in entries} == {0o644}


class TestContent:
    def test_packages_lie_where_the_cloud_looks_for_them(
        self, opened: zipfile.ZipFile, target: Target
    ) -> None:
        folder = {"aws": "python/", "tencent": ""}[target.cloud.name]
        assert f"{folder}mailer/__init__.py" in opened.namelist()
        assert f"{folder}tencentcloud/ses/v20201002/models.py" in opened.namelist()

    def test_the_whole_package_is_there(self, opened: zipfile.ZipFile, target: Target) -> None:
        package = ROOT / "layers" / "mailer"
        sources = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        for source in sources:
            name = target.cloud.folder + source.relative_to(package).as_posix()
            assert opened.read(name) == source.read_bytes()
        assert any(source.suffix == ".lua" for source in sources)

    @pytest.mark.parametrize("unwanted", ["boto3/", "botocore/", "tests/", "bin/"])
    def test_nothing_is_shipped_that_no_function_needs(self, opened: zipfile.ZipFile, unwanted: str) -> None:
        assert [name for name in opened.namelist() if f"/{unwanted}" in f"/{name}"] == []

    def test_of_each_dist_info_only_identity_and_licence_stay(self, opened: zipfile.ZipFile) -> None:
        kept = {Path(name).name.upper() for name in opened.namelist() if ".dist-info/" in name}
        assert all(name.startswith(("METADATA", *LICENCES)) for name in kept)
        assert any(name.endswith("pydantic-2.14.3.dist-info/METADATA") for name in opened.namelist())

    def test_compiled_modules_fit_processor_python_and_glibc(
        self, opened: zipfile.ZipFile, target: Target
    ) -> None:
        modules = [name for name in opened.namelist() if name.endswith(".so")]
        assert modules
        for name in modules:
            content = opened.read(name)
            assert struct.unpack_from("<H", content, 18) == (MACHINES[target.architecture],), name
            assert f"cpython-{target.python.replace('.', '')}" in name or "abi3" in name
            needed = {tuple(map(int, v.split(b"."))) for v in re.findall(rb"GLIBC_(\d+\.\d+)", content)}
            assert max(needed) <= (2, 17), name

    def test_bytecode_is_there_for_every_module(self, opened: zipfile.ZipFile, target: Target) -> None:
        for source in [name for name in opened.namelist() if name.endswith(".py")]:
            flags = struct.unpack_from("<I", opened.read(compiled(source, target)), 4)
            assert flags == (0b01,), source  # hash-based, unchecked

    def test_viewer_of_the_document_is_there_and_small(self, opened: zipfile.ZipFile, target: Target) -> None:
        """Compressed once: the zip cannot make it smaller, and the function need not."""
        folder = f"{target.cloud.folder}mailer/http_api/static/"
        page = opened.read(f"{folder}docs.html").decode()
        linked = {f"{folder}docs/{name}.gz" for name in re.findall(r'"\./docs/([^"]+)"', page)}
        entries = {one.filename: one for one in opened.infolist() if one.filename.startswith(f"{folder}docs")}
        assert set(entries) == {f"{folder}docs.html", *linked}
        assert len(linked) == 5
        assert sum(one.compress_size for one in entries.values()) < 1.5 * MEGABYTE

    def test_sizes_keep_the_limits_with_room_to_spare(self, built: Path, target: Target) -> None:
        size = sizes.measure(built / target.cloud.name / target.file_name, target)
        assert size.zipped < target.cloud.zipped_limit / 4
        assert size.unzipped < target.cloud.unzipped_limit / 4
        assert sum(unzipped for _, unzipped in size.packages.values()) == size.unzipped


class TestImport:
    @pytest.fixture(params=NATIVE, ids=str)
    def unpacked(self, request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> tuple[Target, Path]:
        target: Target = request.param
        with layer(built, target) as archive:
            archive.extractall(tmp_path)
        return target, tmp_path / target.cloud.folder

    def test_bytecode_alone_imports_everything(self, unpacked: tuple[Target, Path]) -> None:
        """With every source spoilt, an import that works comes from bytecode; nothing is written."""
        target, folder = unpacked
        interpreter = interpreters.find(target.python)
        assert interpreter is not None, f"no Python {target.python} on this machine"
        for source in folder.rglob("*.py"):
            source.write_text("raise SystemExit('the source was used')")
        before = sorted(folder.rglob("*"))
        program = f"import sys; sys.path.append({str(folder)!r}); import {', '.join(PACKAGES)}"
        program += "; print('boto3' in sys.modules or 'botocore' in sys.modules)"
        run = subprocess.run(
            [interpreter, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
        )
        assert (run.returncode, run.stdout) == (0, "False\n"), run.stderr
        assert sorted(folder.rglob("*")) == before


def test_layer_without_its_generated_files_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build.main(["--root", str(tmp_path)]) == 1
    assert "docs, docs.html, openapi.json are not in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


class TestMissingInterpreter:
    @pytest.fixture(autouse=True)
    def nowhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interpreters, "find", lambda _: None)

    def test_layer_is_built_without_bytecode_and_says_so(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert build.main(["--root", str(ROOT), "--out", str(tmp_path), "--target", str(NATIVE[0])]) == 0
        assert "built without bytecode" in capsys.readouterr().err
        with layer(tmp_path, NATIVE[0]) as archive:
            assert not [name for name in archive.namelist() if name.endswith(".pyc")]

    def test_or_fails_when_bytecode_is_required(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["--root", str(ROOT), "--out", str(tmp_path), "--target", str(NATIVE[0])]
        assert build.main([*arguments, "--require-bytecode"]) == 1
        assert "no Python 3.12 on this machine" in capsys.readouterr().err


def test_shim_that_does_not_run_is_no_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interpreters.find("3.99") is None


class TestLimits:
    @pytest.mark.parametrize("cloud", [AWS._replace(zipped_limit=10), TENCENT._replace(unzipped_limit=10)])
    def test_layer_over_a_limit_is_refused_by_name(self, cloud: Cloud) -> None:
        target = Target(cloud, "3.12", "x86_64")
        message = sizes.over_limit(sizes.Size(100, 100, {}), target)
        assert message is not None
        assert f"{cloud.name} takes" in message
        assert sizes.over_limit(sizes.Size(10, 10, {}), target) is None


class TestFunctions:
    @pytest.mark.parametrize("cloud", [AWS, TENCENT], ids=lambda cloud: cloud.name)
    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_handler_and_configuration_lie_at_the_root(
        self, built: Path, cloud: Cloud, function: str
    ) -> None:
        with zipfile.ZipFile(built / cloud.name / f"{function}.zip") as archive:
            assert archive.read("handler.py") == (ROOT / "functions" / function / "handler.py").read_bytes()
            assert archive.read("mailer.toml") == (ROOT / "mailer.toml").read_bytes()

    def test_private_authority_of_the_store_lies_beside_them(self, tmp_path: Path) -> None:
        for function in FUNCTIONS:
            (tmp_path / "functions" / function).mkdir(parents=True)
            (tmp_path / "functions" / function / "handler.py").touch()
        (tmp_path / "mailer.toml").touch()
        (tmp_path / "ca.pem").write_text("a certificate")
        build.build_functions(tmp_path, tmp_path / "build")
        for archive in (tmp_path / "build").rglob("*.zip"):
            with zipfile.ZipFile(archive) as files:
                assert sorted(files.namelist()) == ["ca.pem", "handler.py", "mailer.toml"]
                assert files.read("ca.pem") == b"a certificate"
