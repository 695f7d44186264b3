"""The local Lambda and SCF, with functions that respond, raise, hang and exit; then with Mailer's own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from factories import body
from local.platform import Function, LambdaFunction, ScfFunction
from local.platform.tencent import RoleKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.ses_emulator import Emulator

HANDLER = """
import os
import sys
import time

import beside

started = []


def handler(event, context):
    started.append(event)
    print("the handler prints")
    return DO[event["do"]](event, context)


def fail(event, context):
    raise ValueError("wrong input")


DO = {
    "count": lambda event, context: len(started),
    "echo": lambda event, context: event,
    "exit": lambda event, context: os._exit(3),
    "fail": fail,
    "hang": lambda event, context: time.sleep(60),
    "path": lambda event, context: [beside.__name__, os.getcwd(), *sys.path[:3]],
    "unserialisable": lambda event, context: {1, 2},
    "variables": lambda event, context: dict(os.environ),
    "context": lambda event, context: context if isinstance(context, dict) else {
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "function_name": context.function_name,
        "time_limit_in_ms": context.get_remaining_time_in_millis(),
    },
}
"""
CLOUDS = pytest.mark.parametrize("cloud", [LambdaFunction, ScfFunction])

Deploy = Callable[..., Function]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "handler.py").write_text(HANDLER)
    (folder / "beside.py").write_text("")
    return folder


@pytest.fixture
def deploy(code: Path) -> Iterator[Deploy]:
    """Deploy the function above, and close it at the end of the test."""
    functions = []

    def deploy(cloud: type[Function], name: str = "probe", **options: Any) -> Function:
        functions.append(cloud(name, **{"code": code, **options}))
        return functions[-1]

    yield deploy
    for function in functions:
        function.close()


@CLOUDS
def test_event_and_response_go_through_json(deploy: Deploy, cloud: type[Function]) -> None:
    event = {"do": "echo", "text": "Grüße ✉", "none": None, "list": [1, 2.5, True]}
    invocation = deploy(cloud).invoke(event)
    assert invocation.payload == event
    assert not invocation.failed


@CLOUDS
def test_instance_stays_warm(deploy: Deploy, cloud: type[Function]) -> None:
    function = deploy(cloud)
    assert [function.invoke({"do": "count"}).payload for _ in range(3)] == [1, 2, 3]


@CLOUDS
def test_function_folder_and_layer_are_on_the_path(
    deploy: Deploy, cloud: type[Function], code: Path, tmp_path: Path
) -> None:
    name, folder, *path = deploy(cloud, layer=tmp_path / "layer").invoke({"do": "path"}).payload
    assert (name, folder) == ("beside", str(code))
    assert set(path) == {str(code), str(tmp_path / "layer")}


@CLOUDS
def test_function_sees_its_own_variables_and_not_the_developers(
    deploy: Deploy, cloud: type[Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_DEVELOPER", "private")
    variables = deploy(cloud, environment={"MAILER_RATE": "7"}).invoke({"do": "variables"}).payload
    assert variables["MAILER_RATE"] == "7"
    assert "OF_THE_DEVELOPER" not in variables


@pytest.mark.parametrize(
    ("cloud", "name"), [(LambdaFunction, "AWS_LAMBDA_RUNTIME_API"), (ScfFunction, "TENCENTCLOUD_SECRETID")]
)
def test_reserved_variable_is_rejected(deploy: Deploy, cloud: type[Function], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        deploy(cloud, environment={name: "mine"})


@CLOUDS
def test_context_has_request_and_time_limit(deploy: Deploy, cloud: type[Function]) -> None:
    invocation = deploy(cloud, timeout=20).invoke({"do": "context"})
    context = invocation.payload
    assert context["request_id"] == invocation.request_id
    assert context["function_name"] == "probe"
    assert 0 < context["time_limit_in_ms"] <= 20_000


def test_scf_role_is_in_the_environment_and_in_the_context(deploy: Deploy) -> None:
    function = deploy(ScfFunction, role=RoleKey("an-id", "a-key", "a-token"))
    variables = function.invoke({"do": "variables"}).payload
    context = function.invoke({"do": "context"}).payload
    for environment in (variables, json.loads(context["environment"])):
        assert environment["TENCENTCLOUD_SECRETID"] == "an-id"
        assert environment["TENCENTCLOUD_SESSIONTOKEN"] == "a-token"


def test_lambda_reports_an_exception_as_function_error(deploy: Deploy) -> None:
    invocation = deploy(LambdaFunction).invoke({"do": "fail"})
    assert invocation.failed
    assert invocation.payload["errorType"] == "ValueError"
    assert invocation.payload["errorMessage"] == "wrong input"
    assert "in fail" in invocation.payload["stackTrace"][-1]


def test_scf_reports_an_exception_with_status_430(deploy: Deploy) -> None:
    invocation = deploy(ScfFunction).invoke({"do": "fail"})
    trace = invocation.payload.pop("stackTrace")
    assert invocation.failed
    assert invocation.payload == {
        "errorCode": -1,
        "errorMessage": "user code exception caught",
        "requestId": invocation.request_id,
        "statusCode": 430,
    }
    assert trace.startswith("Traceback")
    assert "wrong input" in trace


@CLOUDS
def test_instance_survives_an_exception(deploy: Deploy, cloud: type[Function]) -> None:
    function = deploy(cloud)
    assert function.invoke({"do": "fail"}).failed
    assert function.invoke({"do": "count"}).payload == 2


@CLOUDS
def test_response_that_is_not_json_is_an_error(deploy: Deploy, cloud: type[Function]) -> None:
    assert deploy(cloud).invoke({"do": "unserialisable"}).failed


@pytest.mark.parametrize(
    ("cloud", "error"),
    [
        (LambdaFunction, {"errorType": "Sandbox.Timedout"}),
        (ScfFunction, {"statusCode": 433, "errorMessage": "Invoking task timed out after 0.5 seconds"}),
    ],
)
def test_handler_that_takes_too_long_is_killed(
    deploy: Deploy, cloud: type[Function], error: dict[str, Any]
) -> None:
    function = deploy(cloud, timeout=0.5)
    invocation = function.invoke({"do": "hang"})
    assert invocation.failed
    assert invocation.payload.items() >= error.items()
    function.timeout = 30.0
    assert function.invoke({"do": "count"}).payload == 1


@pytest.mark.parametrize(
    ("cloud", "error"),
    [(LambdaFunction, {"errorType": "Runtime.ExitError"}), (ScfFunction, {"statusCode": 439})],
)
def test_process_that_ends_is_reported_and_replaced(
    deploy: Deploy, cloud: type[Function], error: dict[str, Any]
) -> None:
    function = deploy(cloud)
    invocation = function.invoke({"do": "exit"})
    assert invocation.failed
    assert invocation.payload.items() >= error.items()
    assert function.invoke({"do": "count"}).payload == 1


@CLOUDS
def test_killed_instance_is_replaced(deploy: Deploy, cloud: type[Function]) -> None:
    function = deploy(cloud)
    function.invoke({"do": "count"})
    function.kill()
    assert function.invoke({"do": "count"}).payload == 1


@pytest.mark.parametrize(
    ("cloud", "error"),
    [(LambdaFunction, {"errorType": "Runtime.ImportModuleError"}), (ScfFunction, {"statusCode": 430})],
)
def test_handler_that_cannot_be_loaded_is_reported(
    deploy: Deploy, cloud: type[Function], error: dict[str, Any], code: Path
) -> None:
    (code / "beside.py").write_text("import no_such_module")
    function = deploy(cloud)
    for _ in range(2):
        invocation = function.invoke({"do": "echo"})
        assert invocation.failed
        assert invocation.payload.items() >= error.items()


@CLOUDS
def test_output_goes_to_the_log(deploy: Deploy, cloud: type[Function], tmp_path: Path) -> None:
    function = deploy(cloud, log=tmp_path / "log")
    function.invoke({"do": "fail"})
    function.close()
    text = (tmp_path / "log").read_text()
    assert "the handler prints" in text
    assert "wrong input" in text


@CLOUDS
def test_invocations_of_several_threads_run_one_by_one(deploy: Deploy, cloud: type[Function]) -> None:
    function = deploy(cloud)
    counts: list[int] = []
    callers = [
        threading.Thread(target=lambda: counts.append(function.invoke({"do": "count"}).payload))
        for _ in range(8)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(counts) == list(range(1, 9))


def batch(cloud: type[Function], document: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(document)
    if cloud is LambdaFunction:
        return {"Records": [{"messageId": "m-1", "eventSource": "aws:sqs", "body": text, "attributes": {}}]}
    return {"Records": [{"Ckafka": {"topic": "emails", "partition": 0, "offset": 1, "msgBody": text}}]}


@CLOUDS
def test_function_killed_during_the_call_of_ses_does_not_send_again(
    cloud: type[Function], environment: dict[str, str], ses: Emulator
) -> None:
    event = batch(cloud, body(to="slow@fault.example"))
    with closing(cloud("queue", environment=environment)) as function:
        first: list[Any] = []
        caller = threading.Thread(target=lambda: first.append(function.invoke(event)))
        caller.start()
        deadline = time.monotonic() + 60
        while not ses.inbox() and time.monotonic() < deadline:
            time.sleep(0.01)
        function.kill()
        caller.join()
        again = function.invoke(event)
    assert first[0].failed
    if cloud is LambdaFunction:
        assert again.payload == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    else:
        assert "RedeliveryRequired" in again.payload["stackTrace"]
    assert len(ses.calls()) == len(ses.inbox()) == 1
