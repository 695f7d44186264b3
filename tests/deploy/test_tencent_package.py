from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deploy.tencent import variables
from deploy.tencent.errors import ConfigurationError
from deploy.tencent.service import Service
from scf_fake import SECRET_ID, SECRET_KEY, FakeScf

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "serverless.tencent.yml"
SETTINGS = {
    "MAILER_STORE_URL": "rediss://store.example",
    "MAILER_SECRET_ID": "id",
    "MAILER_SECRET_KEY": "key",
}


SECRETS_OF_HTTP = {"MAILER_API_KEYS": "shop:hash", "MAILER_CALLBACK_TOKEN": "unguessable-unguessable"}


class TestOsls:
    def test_packages_without_credentials_and_network(
        self, osls: Callable[..., subprocess.CompletedProcess[str]], no_network: list[str]
    ) -> None:
        run = osls("package", "--config", "serverless.tencent.yml", prefix=tuple(no_network))
        assert run.returncode == 0, run.stdout

    def test_event_that_is_misspelt_is_refused(
        self, osls: Callable[..., subprocess.CompletedProcess[str]], workspace: Path
    ) -> None:
        text = FILE.read_text().replace("- timer:", "- tiemr:", 1)
        (workspace / "serverless.tencent.yml").write_text(text)
        run = osls("package", "--config", "serverless.tencent.yml")
        assert run.returncode != 0
        assert "unsupported function event" in run.stdout

    def test_deploys_shows_and_removes_through_osls(
        self, osls: Callable[..., subprocess.CompletedProcess[str]]
    ) -> None:
        """The whole way: osls resolves, the plugin hands over, Python calls SCF."""
        with FakeScf() as scf:
            environment = {
                **SETTINGS,
                "TENCENTCLOUD_SECRET_ID": SECRET_ID,
                "TENCENTCLOUD_SECRET_KEY": SECRET_KEY,
            }

            def run(command: str) -> str:
                parameter = ("--param", f"scfEndpoint={scf.endpoint}")
                done = osls(command, "--config", "serverless.tencent.yml", *parameter, **environment)
                assert done.returncode == 0, done.stdout
                return done.stdout

            assert "8 changes to make" in run("plan")
            assert "8 changes made" in run("deploy")
            assert "mailer-dev-schedule: Active" in run("info")
            scf.forget_calls()
            assert "0 changes made" in run("deploy")
            assert scf.changing_calls() == []
            run("remove")
            assert scf.functions == {}

    def test_failed_deployment_fails_the_command(
        self, osls: Callable[..., subprocess.CompletedProcess[str]]
    ) -> None:
        run = osls("deploy", "--config", "serverless.tencent.yml", **SETTINGS)
        assert run.returncode != 0
        assert "TENCENTCLOUD_SECRET_ID" in run.stdout


class TestWithoutNode:
    @pytest.mark.parametrize(
        ("stage", "parameters"),
        [("dev", {}), ("live", {"rate": "50", "ckafkaInstance": "ckafka-x", "ckafkaTopic": "t"})],
    )
    def test_resolves_the_file_as_osls_does(
        self, osls: Callable[..., subprocess.CompletedProcess[str]], stage: str, parameters: dict[str, str]
    ) -> None:
        given = [argument for pair in parameters.items() for argument in ("--param", "=".join(pair))]
        arguments = ["--config", "serverless.tencent.yml", "--format", "json", "--stage", stage, *given]
        printed = osls("print", *arguments, **SETTINGS).stdout
        expected = json.loads(printed[printed.index("{") :])
        resolved = variables.read(FILE, {"stage": stage}, parameters, SETTINGS)
        assert {key: resolved[key] for key in ("service", "provider", "layers")} == {
            key: expected[key] for key in ("service", "provider", "layers")
        }
        assert Service.parse(resolved) == Service.parse(expected)

    def test_stage_has_its_own_parameters(self, tmp_path: Path) -> None:
        document = yaml.safe_load(FILE.read_text())
        document["params"]["live"] = {"rate": 5}
        (tmp_path / "file.yml").write_text(yaml.safe_dump(document))
        read = variables.read(tmp_path / "file.yml", {"stage": "live"}, {}, SETTINGS)
        assert read["provider"]["environment"]["MAILER_RATE"] == 5
        assert (
            variables.read(tmp_path / "file.yml", {"stage": "live"}, {"rate": "7"}, {})["provider"][
                "environment"
            ]["MAILER_RATE"]
            == "7"
        )

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("${env:A}", "1"),
            ("${env:B, env:A}", "1"),
            ("${env:B, 'b'}", "b"),
            ('${env:B, "b"}', "b"),
            ("${env:B, 5}", 5),
            ("${env:B, false}", False),
            ("x-${env:A}-${sls:stage}", "x-1-dev"),
            ("${self:provider.of}", {"one": "1"}),
            ("${self:provider.${env:NAME}.one}", "1"),
        ],
    )
    def test_variable_has_the_value_that_osls_gives_it(self, tmp_path: Path, text: str, value: Any) -> None:
        document = {"provider": {"stage": "dev", "of": {"one": "${env:A}"}}, "text": text}
        (tmp_path / "file.yml").write_text(yaml.safe_dump(document))
        assert variables.read(tmp_path / "file.yml", {}, {}, {"A": "1", "NAME": "of"})["text"] == value

    @pytest.mark.parametrize("text", ["${env:NOWHERE}", "${param:none}", "${self:a.b}", "${ssm:/path}"])
    def test_variable_without_value_is_named_with_its_place(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "file.yml").write_text(yaml.safe_dump({"provider": {"stage": "dev"}, "a": [{"c": text}]}))
        with pytest.raises(ConfigurationError) as caught:
            variables.read(tmp_path / "file.yml", {}, {}, {})
        assert list(caught.value.problems) == ["a.0.c"]


def test_every_zip_of_the_file_keeps_scfs_limits(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parsing checks each zip that the file names."""
    shutil.copytree(built / "tencent", tmp_path / "build" / "tencent")
    monkeypatch.chdir(tmp_path)
    service = Service.parse(variables.read(FILE, {}, {}, SETTINGS))
    assert len(service.functions) == 3
    assert service.functions["http"].reserved_memory == 20 * 512
    assert service.provider.runtime == "Python3.10"


def test_each_function_gets_only_the_secrets_that_it_uses() -> None:
    service = Service.parse(variables.read(FILE, {}, {}, {**SETTINGS, **SECRETS_OF_HTTP}))
    http, queue, schedule = (
        service.environment_of(service.functions[name]) for name in ("http", "queue", "schedule")
    )
    assert queue == schedule
    assert queue.items() >= SETTINGS.items()
    assert http == {**queue, **SECRETS_OF_HTTP}
    assert not queue.keys() & SECRETS_OF_HTTP.keys()


@pytest.mark.parametrize(("parameter", "memory"), [("5", 5 * 512), ("", None)])
def test_requests_at_the_same_time_are_a_parameter(parameter: str, memory: int | None) -> None:
    service = Service.parse(variables.read(FILE, {}, {"httpConcurrency": parameter}, SETTINGS))
    assert service.functions["http"].reserved_memory == memory
