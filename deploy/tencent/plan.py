"""Compares what serverless.tencent.yml wants with what is deployed: differences and calls that apply them.

What SCF has no field for is written into descriptions: a function's and a layer version's hold the SHA-256 of
their zip, a trigger's says that this deployment made it (triggers made by hand are never changed).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from deploy.tencent.errors import CannotChangeError
from deploy.tencent.service import Ckafka, Timer, Url

if TYPE_CHECKING:
    from deploy.tencent.service import Function, Layer, Service

Json = dict[str, Any]

MANAGED_MARK = "Deployed by mailer"
QUALIFIER = "$DEFAULT"  # the alias that follows $LATEST until someone shifts traffic
TYPES: dict[type, str] = {Timer: "timer", Url: "http", Ckafka: "ckafka"}


class Change(NamedTuple):
    """One difference: its description and the API call that applies it.

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
    """Return the description with a zip's hash. SCF allows letters, digits, spaces, commas and full stops."""
    return f"{MANAGED_MARK}, sha256 {sha256}"


def published_version(layer: Layer, versions: list[Json]) -> int | None:
    """Return the newest usable version with the layer's content; None when it has to be published."""
    text = description(layer.package.sha256())
    return next(
        (v["LayerVersion"] for v in versions if v["Description"] == text and v["Status"] == "Active"), None
    )


def function_changes(
    service: Service, function: Function, version: int | None, deployed: Json | None
) -> list[Change]:
    """Return the changes of a function. ``version`` is the layer's, None while it is not published."""
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
    present = _normalise(deployed)
    differing = {setting: value for setting, value in configuration.items() if value != present.get(setting)}
    if differing:  # the hash is set after the code, so an interrupted update is repeated
        details = tuple(
            _difference(setting, present.get(setting), value) for setting, value in differing.items()
        )
        changes.append(Change("~", subject, details, "UpdateFunctionConfiguration", differing))
    return changes


def concurrency_changes(function: Function, deployed: int | None) -> list[Change]:
    """Return the change of the memory that is reserved for a function; `deployed` is what SCF has, in MB."""
    wanted = function.reserved_memory
    if wanted is None or wanted == deployed:
        return []
    details = (f"reserved memory {deployed or 'none'} -> {wanted} MB",)
    parameters = {"ReservedConcurrencyMem": wanted}
    return [Change("~", f"function {function.name}", details, "PutReservedConcurrencyConfig", parameters)]


def trigger_changes(function: Function, deployed: list[Json]) -> list[Change]:
    """Return the changes of a function's triggers: deletions first, a renamed timer must not fire twice."""
    wanted = [_trigger(trigger) for trigger in function.triggers]
    changes = []
    for present in deployed:
        kept = any(_is_same_trigger(trigger, present) for trigger in wanted)
        if not kept and str(present.get("Description") or "").startswith(MANAGED_MARK):
            identity = {key: present[key] for key in ("Type", "TriggerName", "Qualifier")}
            changes.append(Change("-", _subject(function, present), (), "DeleteTrigger", identity))
    for trigger in wanted:
        present_or_none = next((present for present in deployed if _is_same_trigger(trigger, present)), None)
        if present_or_none is None:
            changes.append(Change("+", _subject(function, trigger), (), "CreateTrigger", _encoded(trigger)))
        elif not _is_up_to_date(trigger, present_or_none):
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
            "Variables": [
                {"Key": key, "Value": value}
                for key, value in sorted(service.environment_of(function).items())
            ]
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


def _normalise(deployed: Json) -> Json:
    """Return GetFunction's response in the shape of the request: sorted, without the fields that SCF adds."""
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
    """Describe a setting that differs, without the values of the environment, which are secrets."""
    if setting == "Description":
        return "set the code's hash"
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
    """Return CreateTrigger's parameters, without the function."""
    common = {
        "Type": TYPES[type(trigger)],
        "Qualifier": QUALIFIER,
        "Enable": "OPEN" if trigger.enabled else "CLOSE",  # left out, a timer or CKafka trigger stays closed
        "Description": MANAGED_MARK,
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
    """Return a trigger with ``TriggerDesc`` as it is sent: a timer's is a cron expression, else JSON."""
    text = trigger["TriggerDesc"].get("cron") or json.dumps(trigger["TriggerDesc"], separators=(",", ":"))
    return {**trigger, "TriggerDesc": text}


def _is_same_trigger(wanted: Json, present: Json) -> bool:
    """Return whether two triggers are one: a function has one URL, other triggers are identified by name."""
    if (wanted["Type"], wanted["Qualifier"]) != (present["Type"], present["Qualifier"]):
        return False
    return wanted["Type"] == "http" or bool(wanted["TriggerName"] == present["TriggerName"])


def _is_up_to_date(wanted: Json, present: Json) -> bool:
    return (
        _is_subset(wanted["TriggerDesc"], present["TriggerDesc"])
        and (wanted["Enable"] == "OPEN") == bool(present["Enable"])
        and wanted.get("CustomArgument", "") == (present.get("CustomArgument") or "")
        and wanted["Description"] == present.get("Description")
    )


def _is_subset(wanted: Any, present: Any) -> bool:
    """Return whether SCF has what is wanted: it returns further fields, and numbers as text."""
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(
            _is_subset(value, present.get(key)) for key, value in wanted.items()
        )
    return str(wanted) == str(present)
