"""Compares what serverless.tencent.yml wants with what is deployed: differences and the calls that mend them.

What SCF cannot tell is written into descriptions: a function's and a layer version's carry the SHA-256 of
their zip, a trigger's says that this deployment made it (others, made by hand, are never touched).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from deploy.tencent.errors import CannotChangeError
from deploy.tencent.service import Ckafka, Timer, Url

if TYPE_CHECKING:
    from deploy.tencent.service import Function, Layer, Service

Json = dict[str, Any]

OURS = "Deployed by mailer"
QUALIFIER = "$DEFAULT"  # the alias that follows $LATEST until someone shifts traffic
TYPES: dict[type, str] = {Timer: "timer", Url: "http", Ckafka: "ckafka"}


class Change(NamedTuple):
    """One difference: how it reads, and the call that mends it.

    ``sign`` is ``+`` (made), ``~`` (changed) or ``-`` (deleted).
    """

    sign: str
    subject: str
    details: tuple[str, ...]
    action: str
    parameters: Json

    def __str__(self) -> str:
        return f"{self.sign} {self.subject}" + (f": {', '.join(self.details)}" if self.details else "")


def description(sha256: str) -> str:
    """The text that carries a zip's hash. SCF allows letters, digits, spaces, commas and full stops."""
    return f"{OURS}, sha256 {sha256}"


def published_version(layer: Layer, versions: list[Json]) -> int | None:
    """The newest usable version of the layer that has this very content; None when it has to be published."""
    text = description(layer.package.sha256())
    return next(
        (v["LayerVersion"] for v in versions if v["Description"] == text and v["Status"] == "Active"), None
    )


def function_changes(
    service: Service, function: Function, version: int | None, deployed: Json | None
) -> list[Change]:
    """What has to happen to a function. ``version`` is the layer's, None while it is not published."""
    subject = f"function {function.name}"
    sha256 = function.package.sha256()
    configuration = _configuration(service, function, version)
    code = {"Handler": function.handler, "Code": {"ZipFile": function.package}, "CodeSource": "ZipFile"}
    if deployed is None:
        parameters = {**configuration, **code, "Runtime": service.provider.runtime, "Type": "Event"}
        if not service.provider.vpc.id:
            del parameters["VpcConfig"]
        return [Change("+", subject, (), "CreateFunction", parameters)]
    if deployed["Runtime"] != service.provider.runtime:
        raise CannotChangeError(
            f"{subject} runs on {deployed['Runtime']} and SCF cannot change that: remove it first"
        )
    changes = []
    if deployed["Description"] != configuration["Description"] or deployed["Handler"] != function.handler:
        changes.append(Change("~", subject, (f"code sha256 {sha256[:12]}",), "UpdateFunctionCode", code))
    present = _readable(deployed)
    differing = {setting: value for setting, value in configuration.items() if value != present.get(setting)}
    if differing:  # the hash is noted after the code: an update that broke off is made again
        details = tuple(
            _difference(setting, present.get(setting), value) for setting, value in differing.items()
        )
        changes.append(Change("~", subject, details, "UpdateFunctionConfiguration", differing))
    return changes


def trigger_changes(function: Function, deployed: list[Json]) -> list[Change]:
    """What has to happen to a function's triggers: deletions first, a renamed timer must not fire twice."""
    wanted = [_trigger(trigger) for trigger in function.triggers]
    changes = []
    for present in deployed:
        kept = any(_same(trigger, present) for trigger in wanted)
        if not kept and str(present.get("Description") or "").startswith(OURS):
            identity = {key: present[key] for key in ("Type", "TriggerName", "Qualifier")}
            changes.append(Change("-", _subject(function, present), (), "DeleteTrigger", identity))
    for trigger in wanted:
        present_or_none = next((present for present in deployed if _same(trigger, present)), None)
        if present_or_none is None:
            changes.append(Change("+", _subject(function, trigger), (), "CreateTrigger", _encoded(trigger)))
        elif not _agrees(trigger, present_or_none):
            update = {**_encoded(trigger), "TriggerName": present_or_none["TriggerName"]}
            changes.append(Change("~", _subject(function, update), (), "UpdateTrigger", update))
    return changes


def _configuration(service: Service, function: Function, version: int | None) -> Json:
    provider = service.provider
    return {
        "Description": description(function.package.sha256()),
        "MemorySize": function.memorySize,
        "Timeout": function.timeout,
        "InitTimeout": provider.initTimeout,
        "Environment": {
            "Variables": [{"Key": key, "Value": value} for key, value in sorted(provider.environment.items())]
        },
        "Layers": [{"LayerName": service.layer.name, "LayerVersion": version}],
        "VpcConfig": {"VpcId": provider.vpc.id, "SubnetId": provider.vpc.subnet},
        "PublicNetConfig": {"PublicNetStatus": "ENABLE", "EipConfig": {"EipStatus": "DISABLE"}},
        **({"Role": provider.role} if provider.role else {}),
        **(
            {"ClsLogsetId": provider.logs.logset, "ClsTopicId": provider.logs.topic}
            if provider.logs.topic
            else {}
        ),
    }


def _readable(deployed: Json) -> Json:
    """GetFunction's answer in the shape of the request: sorted, and without the fields that SCF adds."""
    environment = (deployed.get("Environment") or {}).get("Variables") or []
    vpc = deployed.get("VpcConfig") or {}
    layers = deployed.get("Layers") or []
    public = deployed.get("PublicNetConfig") or {"PublicNetStatus": "ENABLE"}
    return {
        **deployed,
        "Environment": {"Variables": sorted(environment, key=lambda variable: str(variable["Key"]))},
        "Layers": [{key: layer[key] for key in ("LayerName", "LayerVersion")} for layer in layers],
        "VpcConfig": {"VpcId": vpc.get("VpcId") or "", "SubnetId": vpc.get("SubnetId") or ""},
        "PublicNetConfig": {
            "PublicNetStatus": public["PublicNetStatus"],
            "EipConfig": {"EipStatus": (public.get("EipConfig") or {}).get("EipStatus") or "DISABLE"},
        },
    }


def _difference(setting: str, present: Any, wanted: Any) -> str:
    """Name a setting that differs; the values of the environment stay out, they are secrets."""
    if setting == "Description":
        return "note the code's hash"
    if setting == "Layers":
        return f"layer {_layers(present)} -> {_layers(wanted)}"
    if setting == "Environment":
        old, new = (
            {variable["Key"]: variable["Value"] for variable in side["Variables"]}
            for side in (present, wanted)
        )
        names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        return f"environment ({', '.join(names)})"
    return f"{setting} {json.dumps(present)} -> {json.dumps(wanted)}"


def _layers(layers: list[Json]) -> str:
    return " ".join(f"{layer['LayerName']}:{layer['LayerVersion'] or 'new'}" for layer in layers) or "none"


def _trigger(trigger: Timer | Url | Ckafka) -> Json:
    """CreateTrigger's parameters, without the function."""
    common = {
        "Type": TYPES[type(trigger)],
        "Qualifier": QUALIFIER,
        "Enable": "OPEN" if trigger.enabled else "CLOSE",  # left out, a timer or CKafka trigger stays closed
        "Description": OURS,
    }
    if isinstance(trigger, Timer):
        return {
            **common,
            "TriggerName": trigger.name,
            "TriggerDesc": {"cron": trigger.cron},
            "CustomArgument": trigger.message,
        }
    if isinstance(trigger, Url):
        network = {"EnableIntranet": trigger.intranet, "EnableExtranet": True}
        return {
            **common,
            "TriggerName": "url-trigger",
            "TriggerDesc": {"AuthType": trigger.auth, "NetConfig": network, "CorsConfig": {"Enable": False}},
        }
    return {
        **common,
        "TriggerName": f"{trigger.instance}-{trigger.topic}",
        "TriggerDesc": {
            "maxMsgNum": trigger.batch,
            "offset": trigger.offset,
            "retry": trigger.retry,
            "timeOut": trigger.wait,
            "consumerGroupName": trigger.group,
        },
    }


def _subject(function: Function, trigger: Json) -> str:
    return f"trigger {trigger['Type']} {trigger['TriggerName']} of {function.name}"


def _encoded(trigger: Json) -> Json:
    """``TriggerDesc`` as it is sent: a timer's is the bare cron expression, the others' are JSON."""
    text = trigger["TriggerDesc"].get("cron") or json.dumps(trigger["TriggerDesc"], separators=(",", ":"))
    return {**trigger, "TriggerDesc": text}


def _same(wanted: Json, present: Json) -> bool:
    """A function has one URL, by whatever name; other triggers are known by theirs."""
    if (wanted["Type"], wanted["Qualifier"]) != (present["Type"], present["Qualifier"]):
        return False
    return wanted["Type"] == "http" or bool(wanted["TriggerName"] == present["TriggerName"])


def _agrees(wanted: Json, present: Json) -> bool:
    return (
        _within(wanted["TriggerDesc"], present["TriggerDesc"])
        and (wanted["Enable"] == "OPEN") == bool(present["Enable"])
        and wanted.get("CustomArgument", "") == (present.get("CustomArgument") or "")
        and wanted["Description"] == present.get("Description")
    )


def _within(wanted: Any, present: Any) -> bool:
    """SCF answers with more fields than it was given, and with numbers as text."""
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(
            _within(value, present.get(key)) for key, value in wanted.items()
        )
    return str(wanted) == str(present)
