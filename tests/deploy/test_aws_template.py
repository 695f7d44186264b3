from __future__ import annotations

import json
import re
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "cloudformation-template-update-stack.json"
# osls writes a DependsOn beside the reference that says the same.
EXPLAINED = {"W3005"}
CLUSTER = "arn:aws:kafka:eu-west-1:123456789012:cluster/mail/0f0f"
VARIANTS: dict[str, list[str]] = {
    "defaults": [],
    "everything": [
        *(
            "arch=arm64",
            "python=3.13",
            "secrets=environment",
            "network=private",
            "subnets=subnet-0a1b2c3d,subnet-0a1b2c3e",
        ),
        *("securityGroups=sg-0a1b2c3d", "kafka=msk", f"kafkaCluster={CLUSTER}", "intake=queue"),
    ],
    "self-managed Kafka": [
        "kafka=self-managed",
        "kafkaServers=kafka.example:9096",
        "kafkaSecret=arn:aws:secretsmanager:eu-west-1:123456789012:secret:kafka",
    ],
}
SECRETS = {"MAILER_SECRET_ID", "MAILER_SECRET_KEY", "MAILER_STORE_URL"}
SECRETS_OF_HTTP = {"MAILER_API_KEYS", "MAILER_CALLBACK_TOKEN"}
WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}
WITHOUT_RESOURCES = ("ec2:", "xray:")  # IAM takes only "*" for what these functions need of them
LOGS = {
    "logs:CreateLogStream": "each instance writes its own stream",
    "logs:PutLogEvents": "the outcome of every email, and the metrics in it",
}
INTERFACE = {
    "ec2:CreateNetworkInterface": "Lambda puts the function into the VPC",
    "ec2:DescribeNetworkInterfaces": "the same",
    "ec2:DeleteNetworkInterface": "the same",
}
ALLOWED: dict[str, dict[str, str]] = {
    "HttpRole": LOGS,
    "ScheduleRole": LOGS,
    "QueueRole": LOGS
    | {
        "sqs:ReceiveMessage": "Lambda's poller takes messages in the function's name",
        "sqs:DeleteMessage": "and removes what was handled",
        "sqs:GetQueueAttributes": "and reads the queue's settings",
    },
    "TracingPolicy": {
        "xray:PutTraceSegments": "Lambda writes the trace of each sampled invocation",
        "xray:PutTelemetryRecords": "the same",
    },
    "NetworkPolicy": INTERFACE,
    "KafkaPolicy": INTERFACE
    | {
        "kafka:DescribeCluster": "the poller looks the cluster up",
        "kafka:DescribeClusterV2": "the same, in its newer form",
        "kafka:GetBootstrapBrokers": "and its brokers",
        "kafka-cluster:Connect": "it signs in with IAM",
        "kafka-cluster:DescribeGroup": "joins its consumer group",
        "kafka-cluster:AlterGroup": "commits offsets",
        "kafka-cluster:DescribeTopic": "finds the partitions",
        "kafka-cluster:ReadData": "and reads them",
        "kafka-cluster:DescribeClusterDynamicConfiguration": "the poller asks for limits",
        "ec2:DescribeVpcs": "its interfaces stand in the cluster's VPC",
        "ec2:DescribeSubnets": "the same",
        "ec2:DescribeSecurityGroups": "the same",
        "secretsmanager:GetSecretValue": "the password of a self-managed Kafka",
    },
    "QueueIntakeRole": {"sqs:SendMessage": "API Gateway puts the request's body into the queue"},
}


@pytest.fixture
def render(
    osls: Callable[..., subprocess.CompletedProcess[str]], workspace: Path, no_network: list[str]
) -> Callable[[str], Path]:
    """Renders a variant without credentials and without network; returns the template's path."""

    def render(variant: str) -> Path:
        parameters = [argument for pair in VARIANTS[variant] for argument in ("--param", pair)]
        run = osls("package", *parameters, prefix=tuple(no_network), OSLS_OFFLINE="1")
        assert run.returncode == 0, run.stdout
        return workspace / ".serverless" / TEMPLATE

    return render


@pytest.fixture
def resources(built: Path) -> Json:
    """The default template's resources."""
    template: Json = json.loads((built / "aws" / "template.json").read_text())
    found: Json = template["Resources"]
    return found


def of_type(resources: Json, kind: str) -> dict[str, Json]:
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


@pytest.mark.parametrize("variant", VARIANTS)
def test_template_is_rendered_offline_and_cfn_lint_finds_nothing(
    render: Callable[[str], Path], variant: str
) -> None:
    template = render(variant)
    lint = subprocess.run(
        [
            ROOT / ".venv-deploy/bin/cfn-lint",
            "--format",
            "parseable",
            "--regions",
            "eu-west-1",
            "--template",
            template,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    findings = [line for line in lint.stdout.splitlines() if line.split(":")[5] not in EXPLAINED]
    assert findings == []
    assert lint.stderr == ""
    used = actions(json.loads(template.read_text())["Resources"])
    for role, granted in used.items():
        assert granted <= ALLOWED[role].keys(), f"{role} may do more than is explained"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_source_of_batches_reads_which_messages_must_come_again(
    render: Callable[[str], Path], variant: str
) -> None:
    resources = json.loads(render(variant).read_text())["Resources"]
    sources = of_type(resources, "AWS::Lambda::EventSourceMapping")
    for name, source in sources.items():
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
    assert all("ProvisionedPollerConfig" in source for source in sources.values() if "Topics" in source)


def test_every_explained_action_is_granted_somewhere(render: Callable[[str], Path]) -> None:
    granted: dict[str, set[str]] = {}
    for variant in VARIANTS:
        for role, names in actions(json.loads(render(variant).read_text())["Resources"]).items():
            granted.setdefault(role, set()).update(names)
    assert granted == {role: set(explained) for role, explained in ALLOWED.items()}


def actions(resources: Json) -> dict[str, set[str]]:
    """What each role or policy of the template may do."""
    granted: dict[str, set[str]] = {}
    for kind in ("AWS::IAM::Role", "AWS::IAM::Policy"):
        for name, properties in of_type(resources, kind).items():
            documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [properties])]
            for statement in [statement for document in documents for statement in document["Statement"]]:
                action = statement["Action"]
                granted.setdefault(name, set()).update([action] if isinstance(action, str) else action)
                assert statement["Resource"] != "*" or all(
                    one.startswith(WITHOUT_RESOURCES) for one in action
                )
    return granted


def test_planted_mistake_is_found(render: Callable[[str], Path], tmp_path: Path) -> None:
    """The linter does look: a queue that hides messages for less than the function runs is an error."""
    template = json.loads(render("defaults").read_text())
    template["Resources"]["Emails"]["Properties"]["VisibilityTimeout"] = 5
    (tmp_path / "wrong.json").write_text(json.dumps(template))
    lint = subprocess.run(
        [ROOT / ".venv-deploy/bin/cfn-lint", "--template", tmp_path / "wrong.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "E3505" in lint.stdout


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_function_gets_only_the_secrets_that_it_uses(
    render: Callable[[str], Path], variant: str
) -> None:
    resources = json.loads(render(variant).read_text())["Resources"]
    http, queue, schedule = (
        resources[f"{name}LambdaFunction"]["Properties"]["Environment"]["Variables"]
        for name in ("Http", "Queue", "Schedule")
    )
    assert queue == schedule
    assert queue.keys() >= SECRETS
    assert http.keys() - queue.keys() == SECRETS_OF_HTTP | {"MAILER_BASE_PATH"}
    assert {name: http[name] for name in queue} == queue


def test_secrets_are_references_and_never_text(resources: Json) -> None:
    for name, function in of_type(resources, "AWS::Lambda::Function").items():
        variables = function["Environment"]["Variables"]
        for secret in SECRETS | (SECRETS_OF_HTTP if name == "HttpLambdaFunction" else set()):
            assert variables[secret].startswith("{{resolve:secretsmanager:mailer/dev:SecretString:")


def test_every_queue_refuses_requests_without_tls(resources: Json) -> None:
    denied = {}
    for policy in of_type(resources, "AWS::SQS::QueuePolicy").values():
        (queue,), (statement,) = policy["Queues"], policy["PolicyDocument"]["Statement"]
        assert statement["Resource"] == {"Fn::GetAtt": [queue["Ref"], "Arn"]}
        denied[queue["Ref"]] = statement
    assert denied.keys() == of_type(resources, "AWS::SQS::Queue").keys()
    for statement in denied.values():
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
        assert statement["Condition"] == WITHOUT_TLS


def test_topic_of_the_alarms_is_encrypted_with_a_key_that_cloudwatch_may_use(resources: Json) -> None:
    (topic,) = of_type(resources, "AWS::SNS::Topic").values()
    assert topic["KmsMasterKeyId"] == {"Ref": "AlarmsKey"}
    key = resources["AlarmsKey"]["Properties"]
    assert key["EnableKeyRotation"] is True
    owner, cloudwatch = key["KeyPolicy"]["Statement"]
    assert owner["Principal"]["AWS"]["Fn::Sub"].endswith(":root")
    assert cloudwatch["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert cloudwatch["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert cloudwatch["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_topic_takes_messages_of_these_alarms_over_tls_alone(resources: Json) -> None:
    (policy,) = of_type(resources, "AWS::SNS::TopicPolicy").values()
    assert policy["Topics"] == [{"Ref": "Alarms"}]
    allowed, denied = policy["PolicyDocument"]["Statement"]
    assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert denied["Condition"] == WITHOUT_TLS
    assert {allowed["Action"], denied["Action"]} == {"sns:Publish"}
    pattern = allowed["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Sub"].rpartition(":")[2]
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
    assert all(fnmatchcase(alarm["AlarmName"], pattern) for alarm in alarms)


def test_queues_give_the_function_six_times_its_timeout(resources: Json) -> None:
    timeout = resources["QueueLambdaFunction"]["Properties"]["Timeout"]
    queues = of_type(resources, "AWS::SQS::Queue")
    for name in ("Emails", "OrderedEmails"):
        assert queues[name]["VisibilityTimeout"] >= 6 * timeout
        dead = queues[f"Dead{name}"]
        assert queues[name]["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [f"Dead{name}", "Arn"]}
        assert dead["MessageRetentionPeriod"] > queues[name]["MessageRetentionPeriod"]
        assert dead.get("FifoQueue") == queues[name].get("FifoQueue")


def test_queue_sources_report_each_failed_message(resources: Json) -> None:
    sources = of_type(resources, "AWS::Lambda::EventSourceMapping")
    assert len(sources) == 2
    for source in sources.values():
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert source["ScalingConfig"] == {"MaximumConcurrency": 4}


def test_schedules_pass_the_time_of_the_rule(resources: Json) -> None:
    jobs = {}
    for rule in of_type(resources, "AWS::Events::Rule").values():
        transformer = rule["Targets"][0]["InputTransformer"]
        assert transformer["InputPathsMap"] == {"time": "$.time"}
        event = json.loads(transformer["InputTemplate"].replace("<time>", '"2026-01-01T00:00:00Z"'))
        jobs[event["job"]] = (rule["ScheduleExpression"], event)
    assert jobs["sweep"][0] == "rate(1 minute)"
    assert jobs["digest"][1] == {"job": "digest", "digest": "daily", "scheduled_time": "2026-01-01T00:00:00Z"}


def test_functions_have_their_layer_role_and_handler(resources: Json) -> None:
    for name in ("Http", "Queue", "Schedule"):
        function = resources[f"{name}LambdaFunction"]["Properties"]
        assert function["Handler"] == "handler.handler"
        assert function["Layers"] == [{"Ref": "MailerLambdaLayer"}]
        assert function["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
        assert resources[f"{name}LogGroup"]["Properties"]["RetentionInDays"] == 30
    assert resources["HttpLambdaFunction"]["Properties"]["Timeout"] < 30


def test_access_log_holds_no_path(resources: Json) -> None:
    """The path of an SES callback ends in its token."""
    log = resources["HttpApiStage"]["Properties"]["AccessLogSettings"]["Format"]
    assert set(json.loads(log)) == {"request", "route", "status", "ms", "error"}
    assert "$context.path" not in log


def test_every_alarm_tells_someone(resources: Json) -> None:
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    assert len(alarms) == 16
    assert all(alarm["AlarmActions"] == [{"Ref": "Alarms"}] for alarm in alarms.values())
    assert all(alarm["AlarmDescription"] for alarm in alarms.values())


def test_dashboard_is_json_and_names_existing_things(resources: Json) -> None:
    body = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(body)["widgets"]
    assert len({widget["properties"]["title"] for widget in widgets}) == len(widgets)
    for name in set(re.findall(r"\$\{(\w+)[.}]", body)):
        assert name in resources


def test_option_that_does_not_exist_is_refused(osls: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    run = osls("package", "--param", "kafka=rabbit", OSLS_OFFLINE="1")
    assert run.returncode != 0
    assert "Cannot resolve" in run.stdout
