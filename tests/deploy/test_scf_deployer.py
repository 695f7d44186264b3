from __future__ import annotations

import copy
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from deploy.tencent.__main__ import main
from deploy.tencent.api import ATTEMPTS, POLLS, Scf
from deploy.tencent.deployer import KEPT_VERSIONS, Deployer
from deploy.tencent.errors import (
    ApiError,
    CannotChangeError,
    ConfigurationError,
    NoAnswerError,
    NotReadyError,
    ThrottledError,
)
from deploy.tencent.service import ENVIRONMENT_BYTES, Service
from scf_fake import SECRET_ID, SECRET_KEY, FakeScf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.compatible(
    "Platforms",
    "Tencent Cloud SCF, deployment of functions and layer",
    "emulator with the models of",
    package="tencentcloud-sdk-python-scf",
)

Json = dict[str, Any]

CREDENTIALS = {"TENCENTCLOUD_SECRET_ID": SECRET_ID, "TENCENTCLOUD_SECRET_KEY": SECRET_KEY}
DIGEST_TIMER = {
    "timer": {"name": "digest", "cron": "0 0 * * * * *", "message": '{"job":"digest","digest":"daily"}'}
}
FIRST_DEPLOYMENT = ["PublishLayerVersion"]
FIRST_DEPLOYMENT += ["CreateFunction", "CreateTrigger"] * 2 + [
    "CreateFunction",
    "CreateTrigger",
    "CreateTrigger",
]


@pytest.fixture
def scf() -> Iterator[FakeScf]:
    with FakeScf() as fake:
        yield fake


@pytest.fixture
def document(tmp_path: Path, scf: FakeScf) -> Json:
    """A resolved Serverless file with three functions, and the zips that it names."""

    def function(name: str, *events: Json) -> Json:
        write_zip(tmp_path / f"{name}.zip", "handler.py", f"def handler(event, context): return {name!r}")
        return {
            "name": f"mailer-test-{name}",
            "handler": "handler.handler",
            "memorySize": 256,
            "timeout": 60,
            "package": {"artifact": str(tmp_path / f"{name}.zip")},
            "events": list(events),
        }

    write_zip(tmp_path / "layer.zip", "mailer/__init__.py", "")
    return {
        "service": "mailer",
        "provider": {
            "name": "tencent",
            "stage": "test",
            "region": "ap-singapore",
            "endpoint": scf.endpoint,
            "runtime": "Python3.10",
            "role": "mailer-role",
            "environment": {"MAILER_STORE_URL": "rediss://:hidden@store.example", "MAILER_RATE": "20"},
        },
        "layers": {"mailer": {"name": "mailer-test", "package": {"artifact": str(tmp_path / "layer.zip")}}},
        "functions": {
            "http": function("http", {"url": {}}),
            "queue": function("queue", {"ckafka": {"instance": "ckafka-abc", "topic": "mail"}}),
            "schedule": function(
                "schedule",
                {"timer": {"name": "sweep", "cron": "0 * * * * * *", "message": '{"job":"sweep"}'}},
                DIGEST_TIMER,
            ),
        },
    }


class Deployment:
    """Deploys a document, and keeps what was said and how long it would have waited."""

    def __init__(self, document: Json, environment: dict[str, str] = CREDENTIALS) -> None:
        service = Service.parse(document)
        self.pauses: list[float] = []
        provider = service.provider
        connection = Scf(
            provider.region,
            provider.namespace,
            endpoint=provider.endpoint,
            environment=environment,
            pause=self.pauses.append,
        )
        self.said: list[str] = []
        self.deployer = Deployer(service, connection, self.said.append)


def deploy(document: Json) -> Deployment:
    deployment = Deployment(document)
    deployment.deployer.deploy()
    return deployment


def write_zip(path: Path, name: str, text: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)


def edited(document: Json, **changes: Any) -> Json:
    """A copy with ``provider__role="x"`` style changes."""
    copied = copy.deepcopy(document)
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = copied
        for parent in parents:
            node = node[parent]
        node[last] = value
    return copied


class TestFirstDeployment:
    def test_creates_layer_functions_and_open_triggers(self, scf: FakeScf, document: Json) -> None:
        deploy(document)
        assert scf.changing_calls() == FIRST_DEPLOYMENT
        assert {function["Status"] for function in scf.functions.values()} == {"Active"}
        triggers = [trigger for name in scf.triggers for trigger in scf.triggers[name]]
        assert sorted(trigger["Type"] for trigger in triggers) == ["ckafka", "http", "timer", "timer"]
        assert all(trigger["Enable"] == 1 and trigger["Qualifier"] == "$DEFAULT" for trigger in triggers)

    def test_functions_get_layer_role_environment_and_code(
        self, scf: FakeScf, document: Json, tmp_path: Path
    ) -> None:
        deploy(document)
        function = scf.functions["mailer-test-queue"]
        assert function["Role"] == "mailer-role"
        assert [(layer["LayerName"], layer["LayerVersion"]) for layer in function["Layers"]] == [
            ("mailer-test", 1)
        ]
        assert {"Key": "MAILER_RATE", "Value": "20"} in function["Environment"]["Variables"]
        assert (function["MemorySize"], function["Timeout"], function["Runtime"]) == (256, 60, "Python3.10")
        assert scf.code["mailer-test-queue"] == (tmp_path / "queue.zip").read_bytes()

    def test_timer_carries_its_job_as_message(self, scf: FakeScf, document: Json) -> None:
        deploy(document)
        sweep = scf.triggers["mailer-test-schedule"][0]
        assert json.loads(sweep["TriggerDesc"]) == {"cron": "0 * * * * * *"}
        assert json.loads(sweep["CustomArgument"]) == {"job": "sweep"}

    def test_runs_in_the_given_vpc(self, scf: FakeScf, document: Json) -> None:
        deploy(edited(document, provider__vpc={"id": "vpc-1", "subnet": "subnet-1"}))
        assert scf.functions["mailer-test-http"]["VpcConfig"] == {"VpcId": "vpc-1", "SubnetId": "subnet-1"}

    def test_kafka_source_left_empty_makes_no_trigger(self, scf: FakeScf, document: Json) -> None:
        document["functions"]["queue"]["events"][0]["ckafka"] = {"instance": "", "topic": ""}
        deploy(document)
        assert scf.triggers["mailer-test-queue"] == []

    def test_a_function_has_its_own_variables_beside_those_of_all(self, scf: FakeScf, document: Json) -> None:
        deploy(edited(document, functions__http__environment={"MAILER_API_KEYS": "a:b", "MAILER_RATE": "5"}))
        http, queue = (
            {pair["Key"]: pair["Value"] for pair in function["Environment"]["Variables"]}
            for function in (scf.functions["mailer-test-http"], scf.functions["mailer-test-queue"])
        )
        assert queue == document["provider"]["environment"]
        assert http == {**queue, "MAILER_API_KEYS": "a:b", "MAILER_RATE": "5"}

    def test_requests_at_the_same_time_are_limited_before_there_is_a_url(
        self, scf: FakeScf, document: Json
    ) -> None:
        deploy(edited(document, functions__http__reservedConcurrency=20))
        assert scf.reserved == {"mailer-test-http": 20 * 256}
        calls = scf.changing_calls()
        assert calls.index("PutReservedConcurrencyConfig") < calls.index("CreateTrigger")


class TestRedeployment:
    def test_limit_is_changed_where_it_differs_and_left_to_scf_where_there_is_none(
        self, scf: FakeScf, document: Json
    ) -> None:
        limited = edited(document, functions__http__reservedConcurrency=20)
        deploy(limited)
        scf.forget_calls()
        assert deploy(limited).said == []
        deploy(document)
        assert scf.changing_calls() == []
        more = edited(limited, functions__http__memorySize=512)
        assert "reserved memory 5120 -> 10240 MB" in deploy(more).said[1]
        assert scf.reserved == {"mailer-test-http": 20 * 512}

    def test_without_change_calls_nothing_that_changes(self, scf: FakeScf, document: Json) -> None:
        deploy(document)
        scf.forget_calls()
        assert deploy(document).said == []
        assert scf.changing_calls() == []

    def test_changed_code_updates_that_function_alone(
        self, scf: FakeScf, document: Json, tmp_path: Path
    ) -> None:
        deploy(document)
        scf.forget_calls()
        write_zip(tmp_path / "http.zip", "handler.py", "def handler(event, context): return 'new'")
        deploy(document)
        assert scf.changing_calls() == ["UpdateFunctionCode", "UpdateFunctionConfiguration"]
        assert scf.code["mailer-test-http"] == (tmp_path / "http.zip").read_bytes()
        scf.forget_calls()
        deploy(document)
        assert scf.changing_calls() == []

    def test_changed_environment_updates_configuration_and_tells_names_only(
        self, scf: FakeScf, document: Json
    ) -> None:
        deploy(document)
        scf.forget_calls()
        changed = {"MAILER_STORE_URL": "rediss://:other@store.example", "MAILER_ACCOUNT": "shop"}
        said = deploy(edited(document, provider__environment=changed)).said
        assert scf.changing_calls() == ["UpdateFunctionConfiguration"] * 3
        assert (
            said[0]
            == "~ function mailer-test-http: environment (MAILER_ACCOUNT, MAILER_RATE, MAILER_STORE_URL)"
        )
        assert "other@store" not in "".join(said)

    def test_changed_layer_is_published_once_and_bound_to_all(
        self, scf: FakeScf, document: Json, tmp_path: Path
    ) -> None:
        deploy(document)
        scf.forget_calls()
        write_zip(tmp_path / "layer.zip", "mailer/__init__.py", "VERSION = 2")
        deploy(document)
        assert scf.changing_calls() == ["PublishLayerVersion"] + ["UpdateFunctionConfiguration"] * 3
        assert {f["Layers"][0]["LayerVersion"] for f in scf.functions.values()} == {2}

    def test_going_back_uses_the_layer_version_that_is_still_there(
        self, scf: FakeScf, document: Json, tmp_path: Path
    ) -> None:
        deploy(document)
        write_zip(tmp_path / "layer.zip", "mailer/__init__.py", "VERSION = 2")
        deploy(document)
        scf.forget_calls()
        write_zip(tmp_path / "layer.zip", "mailer/__init__.py", "")
        deploy(document)
        assert scf.changing_calls() == ["UpdateFunctionConfiguration"] * 3
        assert {f["Layers"][0]["LayerVersion"] for f in scf.functions.values()} == {1}

    def test_old_layer_versions_are_deleted_in_the_end(
        self, scf: FakeScf, document: Json, tmp_path: Path
    ) -> None:
        for number in range(KEPT_VERSIONS + 2):
            write_zip(tmp_path / "layer.zip", "mailer/__init__.py", f"VERSION = {number}")
            deploy(document)
        versions = [version["LayerVersion"] for version in scf.layers["mailer-test"]]
        assert versions == list(range(3, KEPT_VERSIONS + 3))

    def test_removed_trigger_is_deleted(self, scf: FakeScf, document: Json) -> None:
        deploy(document)
        scf.forget_calls()
        document["functions"]["schedule"]["events"].remove(DIGEST_TIMER)
        deploy(document)
        assert scf.changing_calls() == ["DeleteTrigger"]
        assert [trigger["TriggerName"] for trigger in scf.triggers["mailer-test-schedule"]] == ["sweep"]

    def test_trigger_made_by_hand_is_left_alone(self, scf: FakeScf, document: Json) -> None:
        deploy(document)
        by_hand = {
            "TriggerName": "by-hand",
            "Type": "timer",
            "Qualifier": "$LATEST",
            "TriggerDesc": "{}",
            "Enable": 1,
        }
        scf.triggers["mailer-test-schedule"].append(by_hand)
        scf.forget_calls()
        deploy(document)
        assert scf.changing_calls() == []

    def test_changed_cron_and_closed_trigger_are_updated(self, scf: FakeScf, document: Json) -> None:
        deploy(document)
        scf.triggers["mailer-test-http"][0]["Enable"] = 0
        scf.forget_calls()
        document["functions"]["schedule"]["events"][0]["timer"]["cron"] = "0 */2 * * * * *"
        deploy(document)
        assert scf.changing_calls() == ["UpdateTrigger", "UpdateTrigger"]
        assert scf.triggers["mailer-test-http"][0]["Enable"] == 1
        assert "*/2" in scf.triggers["mailer-test-schedule"][0]["TriggerDesc"]

    def test_more_triggers_than_a_page_are_all_seen(self, scf: FakeScf, document: Json) -> None:
        deploy(document)
        others = [
            {
                "TriggerName": f"by-hand-{number}",
                "Type": "cos",
                "Qualifier": "$LATEST",
                "TriggerDesc": "{}",
                "Enable": 1,
            }
            for number in range(120)
        ]
        scf.triggers["mailer-test-schedule"][:0] = others
        scf.forget_calls()
        deploy(document)
        assert scf.changing_calls() == []

    def test_runtime_cannot_be_changed(self, document: Json) -> None:
        deploy(document)
        with pytest.raises(CannotChangeError, match="remove it first"):
            deploy(edited(document, provider__runtime="Python3.9"))


class TestFailures:
    @pytest.mark.parametrize("action", sorted(set(FIRST_DEPLOYMENT)))
    @pytest.mark.parametrize("skipped", [0, 1, 2])
    def test_deployment_that_broke_off_is_finished_by_the_next(
        self, scf: FakeScf, document: Json, action: str, skipped: int
    ) -> None:
        """Whichever call fails, the next run makes what is missing and nothing twice."""
        if FIRST_DEPLOYMENT.count(action) <= skipped:
            skipped = FIRST_DEPLOYMENT.count(action) - 1
        stop_at = [index for index, call in enumerate(FIRST_DEPLOYMENT) if call == action][skipped]
        scf.refuse(action, "InternalError.System", after=FIRST_DEPLOYMENT[:stop_at].count(action))
        with pytest.raises(ApiError, match=r"InternalError\.System"):
            deploy(document)
        deploy(document)
        assert scf.changing_calls() == [*FIRST_DEPLOYMENT[:stop_at], action, *FIRST_DEPLOYMENT[stop_at:]]

    @pytest.mark.parametrize("action", ["PublishLayerVersion", "CreateFunction", "CreateTrigger"])
    def test_lost_answer_is_not_repeated_blindly(self, scf: FakeScf, document: Json, action: str) -> None:
        scf.lose_answer(action)
        with pytest.raises(NoAnswerError, match="Run the same command again"):
            deploy(document)
        assert scf.changing_calls().count(action) == 1
        for versions in scf.layers.values():
            versions[0]["Status"] = "Active"
        deploy(document)
        assert scf.changing_calls() == FIRST_DEPLOYMENT

    def test_code_update_that_broke_off_before_its_hash_was_noted_is_made_again(
        self, scf: FakeScf, document: Json, tmp_path: Path
    ) -> None:
        deploy(document)
        write_zip(tmp_path / "http.zip", "handler.py", "def handler(event, context): return 'new'")
        scf.refuse("UpdateFunctionConfiguration", "InternalError")
        with pytest.raises(ApiError):
            deploy(document)
        scf.forget_calls()
        deploy(document)
        assert scf.changing_calls() == ["UpdateFunctionCode", "UpdateFunctionConfiguration"]

    def test_throttling_is_waited_out_with_growing_pauses(self, scf: FakeScf, document: Json) -> None:
        scf.throttle("PublishLayerVersion", 3)
        assert deploy(document).pauses[:3] == [0.5, 1.0, 2.0]
        assert len(scf.functions) == 3

    def test_endless_throttling_ends_in_its_own_error(self, scf: FakeScf, document: Json) -> None:
        scf.throttle("PublishLayerVersion", 100)
        with pytest.raises(ThrottledError):
            deploy(document)
        assert scf.changing_calls() == ["PublishLayerVersion"] * ATTEMPTS

    def test_read_is_repeated_when_its_answer_is_lost(self, scf: FakeScf, document: Json) -> None:
        scf.lose_answer("GetFunction")
        scf.refuse("GetFunction", "InternalError")
        deploy(document)
        assert scf.changing_calls() == FIRST_DEPLOYMENT

    def test_wrong_region_says_what_to_check(self, document: Json) -> None:
        with pytest.raises(ApiError, match="check the parameter region") as caught:
            deploy(edited(document, provider__region="ap-nowhere"))
        assert caught.value.code == "UnsupportedRegion"

    def test_unknown_role_says_what_to_do(self, document: Json) -> None:
        with pytest.raises(ApiError, match="create the role first"):
            deploy(edited(document, provider__role="nobody"))

    def test_limit_beyond_the_quota_of_the_region_says_what_to_do(self, document: Json) -> None:
        with pytest.raises(ApiError, match="lower httpConcurrency"):
            deploy(edited(document, functions__http__reservedConcurrency=1000))

    def test_wrong_key_is_refused_by_the_signature(self, document: Json) -> None:
        with pytest.raises(ApiError, match="SECRET_KEY") as caught:
            Deployment(document, {**CREDENTIALS, "TENCENTCLOUD_SECRET_KEY": "wrong"}).deployer.deploy()
        assert caught.value.code == "AuthFailure.SignatureFailure"

    def test_missing_key_is_told_before_any_call(self, scf: FakeScf, document: Json) -> None:
        with pytest.raises(ConfigurationError, match="TENCENTCLOUD_SECRET_KEY"):
            Deployment(document, {"TENCENTCLOUD_SECRET_ID": "x"})
        assert scf.calls == []

    def test_function_whose_creation_failed_is_deleted_and_created_anew(
        self, scf: FakeScf, document: Json
    ) -> None:
        scf.settles_as["mailer-test-http"] = "CreateFailed"
        with pytest.raises(NotReadyError, match="CreateFailed"):
            deploy(document)
        deploy(document)
        assert scf.functions["mailer-test-http"]["Status"] == "Active"

    def test_function_that_stays_in_creation_is_not_waited_for_forever(
        self, scf: FakeScf, document: Json
    ) -> None:
        deploy(edited(document, functions={}))
        scf.reads_until_settled = POLLS + 2
        with pytest.raises(NotReadyError, match="Creating"):
            deploy(document)


class TestPlan:
    def test_plan_shows_all_and_changes_nothing(self, scf: FakeScf, document: Json) -> None:
        plan = Deployment(document)
        plan.deployer.plan()
        assert scf.changing_calls() == []
        assert [line[:2] for line in plan.said] == ["+ "] * 8
        assert any("trigger timer sweep of mailer-test-schedule" in line for line in plan.said)

    def test_plan_of_what_is_deployed_is_empty(self, document: Json) -> None:
        deploy(document)
        assert Deployment(document).deployer.plan() == []

    def test_plan_names_old_and_new_value(self, document: Json) -> None:
        deploy(document)
        plan = Deployment(edited(document, functions__http__timeout=30))
        plan.deployer.plan()
        assert plan.said == ["~ function mailer-test-http: Timeout 60 -> 30"]


class TestRemove:
    def test_removes_everything_and_can_be_repeated(self, scf: FakeScf, document: Json) -> None:
        deploy(document)
        Deployment(document).deployer.remove()
        assert (scf.functions, scf.layers) == ({}, {})
        scf.forget_calls()
        Deployment(document).deployer.remove()
        assert scf.changing_calls() == []

    def test_removal_that_broke_off_is_finished_by_the_next(self, scf: FakeScf, document: Json) -> None:
        deploy(document)
        scf.refuse("DeleteLayerVersion", "InternalError")
        with pytest.raises(ApiError):
            Deployment(document).deployer.remove()
        Deployment(document).deployer.remove()
        assert (scf.functions, scf.layers) == ({}, {})


class TestInfo:
    def test_names_state_url_and_triggers(self, document: Json) -> None:
        deploy(document)
        lines = Deployment(document).deployer.info()
        assert any("mailer-test-http: Active, mailer-test:1" in line for line in lines)
        assert any("https://125-mailer-test-http" in line for line in lines)
        assert any("timer sweep: on, 0 * * * * * *" in line for line in lines)

    def test_says_what_is_not_deployed(self, document: Json) -> None:
        assert Deployment(document).deployer.info()[0] == "function mailer-test-http: not deployed"


WRONG: dict[str, tuple[str, Any, str]] = {
    "reserved variable": (
        "provider__environment",
        {"TENCENTCLOUD_X": "1"},
        "SCF keeps names that start with",
    ),
    "reserved variable of SCF": ("provider__environment", {"SCF_X": "1"}, "SCF keeps names that start with"),
    "reserved variable of QCLOUD": (
        "provider__environment",
        {"QCLOUD_X": "1"},
        "SCF keeps names that start with",
    ),
    "reserved variable of a function": (
        "functions__http__environment",
        {"SCF_X": "1"},
        "SCF keeps names that start with",
    ),
    "too much environment with a function's own": (
        "functions__http__environment",
        {"X": "x" * (ENVIRONMENT_BYTES - 59)},
        r"functions: .*the environment of http has \d+ bytes",
    ),
    "no request at all": ("functions__http__reservedConcurrency", 0, "greater than or equal to 1"),
    "variable name": ("provider__environment", {"1X": "1"}, "starts with a letter"),
    "too much environment": ("provider__environment", {"X": "x" * ENVIRONMENT_BYTES}, "4097 bytes"),
    "memory": ("functions__http__memorySize", 200, "steps of 128"),
    "timeout": ("functions__http__timeout", 901, "900"),
    "function name": ("functions__http__name", "mailer-", "pattern"),
    "handler": ("functions__http__handler", "handler", "pattern"),
    "layer name": ("layers__mailer__name", "-layer", "pattern"),
    "no store": ("provider__environment", {"MAILER_STORE_URL": ""}, "MAILER_STORE_URL is not set"),
    "no way to sign": ("provider__role", "", "MAILER_SECRET_ID"),
    "runtime": ("provider__runtime", "Python3.12", "Python3.10"),
    "missing zip": ("functions__http__package__artifact", "nowhere.zip", "make build"),
    "half a VPC": ("provider__vpc", {"id": "vpc-1"}, "needs its subnet"),
    "cron of five fields": (
        "functions__schedule__events",
        [{"timer": {"name": "t", "cron": "* * * * *"}}],
        "seven",
    ),
    "long message": (
        "functions__schedule__events",
        [{"timer": {"name": "t", "cron": "0 * * * * * *", "message": "x" * 4097}}],
        "4096",
    ),
    "Kafka batch": (
        "functions__queue__events",
        [{"ckafka": {"instance": "c", "topic": "t", "batch": 10001}}],
        "10000",
    ),
    "Kafka without topic": (
        "functions__queue__events",
        [{"ckafka": {"instance": "c", "topic": ""}}],
        "needs a topic",
    ),
    "two URLs": ("functions__http__events", [{"url": {}}, {"url": {}}], "at most one URL"),
    "two timers of a name": ("functions__schedule__events", [DIGEST_TIMER, DIGEST_TIMER], "the same name"),
    "too many triggers": (
        "functions__schedule__events",
        [{"timer": {"name": f"t{number}", "cron": "0 * * * * * *"}} for number in range(11)],
        "at most 10",
    ),
    "event of two kinds": ("functions__http__events", [{"url": {}, **DIGEST_TIMER}], "one of"),
    "unknown event": ("functions__http__events", [{"apigw": {}}], "one of|not permitted"),
    "unknown setting": ("functions__http__memory", 128, "not permitted"),
}


class TestConfiguration:
    @pytest.mark.parametrize("case", WRONG)
    def test_what_scf_would_refuse_is_refused_before_any_call(
        self, scf: FakeScf, document: Json, case: str
    ) -> None:
        path, value, message = WRONG[case]
        with pytest.raises(ConfigurationError, match=message):
            deploy(edited(document, **{path: value}))
        assert scf.calls == []

    def test_zip_over_50_megabytes_is_refused(self, document: Json, tmp_path: Path) -> None:
        with (tmp_path / "http.zip").open("wb") as large:
            large.truncate(50 * 1024 * 1024 + 1)
        with pytest.raises(ConfigurationError, match="52,428,801 bytes"):
            Service.parse(document)

    def test_every_fault_is_told_at_once(self, document: Json) -> None:
        wrong = edited(document, functions__http__timeout=0, functions__queue__memorySize=1)
        with pytest.raises(ConfigurationError) as caught:
            Service.parse(wrong)
        assert set(caught.value.problems) == {"functions.http.timeout", "functions.queue.memorySize"}

    def test_empty_variable_is_not_set(self, scf: FakeScf, document: Json) -> None:
        document["provider"]["environment"]["MAILER_API_KEYS"] = ""
        deploy(document)
        keys = [variable["Key"] for variable in scf.functions["mailer-test-http"]["Environment"]["Variables"]]
        assert keys == ["MAILER_RATE", "MAILER_STORE_URL"]


class TestFake:
    """The stand-in is strict: what the deployer never sends, it refuses."""

    def test_unknown_field_is_refused(self, scf: FakeScf, document: Json) -> None:
        connection = Deployment(document).deployer.scf
        with pytest.raises(ApiError) as caught:
            connection.call("CreateFunction", {"FunctionName": "mailer", "Colour": "red"})
        assert caught.value.code == "UnknownParameter"
        with pytest.raises(ApiError) as nested:
            connection.call("PublishLayerVersion", {"LayerName": "mailer", "Content": {"Zip": ""}})
        assert nested.value.code == "UnknownParameter"
        assert scf.functions == {}

    def test_change_during_an_update_is_refused(self, document: Json) -> None:
        connection = deploy(document).deployer.scf
        call = {"FunctionName": "mailer-test-http", "Timeout": 5}
        connection.call("UpdateFunctionConfiguration", call)
        with pytest.raises(ApiError, match="the function is Updating"):
            connection.call("UpdateFunctionConfiguration", call)

    def test_trigger_left_without_enable_is_closed(self, scf: FakeScf, document: Json) -> None:
        connection = deploy(document).deployer.scf
        trigger = {"TriggerName": "new", "Type": "timer", "TriggerDesc": "0 0 0 1 1 * *"}
        connection.call("CreateTrigger", {"FunctionName": "mailer-test-http", **trigger})
        assert scf.triggers["mailer-test-http"][-1]["Enable"] == 0


class TestCommandLine:
    @pytest.fixture
    def run(
        self,
        document: Json,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> Any:
        path = tmp_path / "serverless.yml"
        path.write_text(json.dumps(document))  # JSON is YAML
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("deploy.tencent.api.FIRST_POLL", 0)

        def run(*arguments: str) -> tuple[int, str]:
            code = main([*arguments, "--config", str(path)])
            captured = capsys.readouterr()
            return code, captured.out + captured.err

        return run

    def test_plan_then_deploy_then_info_then_remove(self, run: Any, scf: FakeScf) -> None:
        assert run("plan")[1].endswith("8 changes to make\n")
        assert run("deploy", "--dry-run")[1].endswith("8 changes to make\n")
        assert scf.functions == {}
        code, output = run("deploy")
        assert code == 0
        assert "8 changes made" in output
        assert "0 changes made" in run("deploy")[1]
        assert "https://125-mailer-test-http" in run("info")[1]
        assert run("remove")[0] == 0
        assert scf.functions == {}

    def test_error_is_one_clear_text_and_exit_code_1(self, run: Any, scf: FakeScf) -> None:
        scf.refuse("ListLayerVersions", "UnauthorizedOperation.CAM")
        code, output = run("deploy")
        assert code == 1
        assert output.startswith("error: ListLayerVersions was refused: UnauthorizedOperation.CAM")
        assert "Traceback" not in output
