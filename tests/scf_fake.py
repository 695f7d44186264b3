"""A stateful stand-in for SCF's API on 127.0.0.1, as strict as its documentation.

It speaks the real protocol: TC3 signatures are recomputed, bodies go through the SDK's own request models and
may hold no field that these do not know. Functions pass through Creating and Updating, layers through
Publishing: each state lasts for a number of reads, so no test depends on time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import json
import re
import threading
import warnings
import zipfile
from collections import Counter
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from tencentcloud.scf.v20180416 import models

Json = dict[str, Any]

SECRET_ID, SECRET_KEY = "AKIDexample", "example-key"
REGIONS = {"ap-singapore", "ap-guangzhou", "ap-hongkong"}
ROLES = {"mailer-role"}
VERSION = "2018-04-16"
READS = ("Get", "List")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,58}[A-Za-z0-9]")
LAYER_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
HANDLER = re.compile(r"[A-Za-z][\w-]{0,58}[A-Za-z]\.[A-Za-z][\w-]{0,58}[A-Za-z]")
DESCRIPTION = re.compile(r"[A-Za-z0-9 ,.\n]{0,1000}")
RUNTIMES = {"Python2.7", "Python3.6", "Python3.7", "Python3.9", "Python3.10", "CustomRuntime"}
MEMORY_QUOTA, MEMORY_SHARED = 64_000, 12_800  # MB of a region: in all, and for functions without a limit
ZIP_LIMIT = 50 * 1024 * 1024


class RefusedError(Exception):
    def __init__(self, code: str, message: str = "refused") -> None:
        self.code = code
        super().__init__(message)


class FakeScf:
    """``calls`` holds what was asked; ``refuse``, ``throttle`` and ``lose_answer`` make some fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Json]] = []
        self.functions: dict[str, Json] = {}
        self.code: dict[str, bytes] = {}
        self.layers: dict[str, list[Json]] = {}
        self.triggers: dict[str, list[Json]] = {}
        self.reserved: dict[str, int] = {}
        self.pending: Counter[str] = Counter()
        self.failures: list[tuple[str, str]] = []
        self.lost: list[str] = []
        self.settles_as: dict[str, str] = {}
        self.reads_until_settled = 2
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fake.serve(self)

            def log_message(self, *_: object) -> None:
                """Tests read ``calls``."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> FakeScf:  # noqa: PYI034 - Self is new in 3.11
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def refuse(self, action: str, code: str, after: int = 0) -> None:
        """Refuse the next such call, or one ``after`` so many that succeed."""
        self.failures += [(action, "")] * after + [(action, code)]

    def throttle(self, action: str, times: int) -> None:
        self.failures += [(action, "RequestLimitExceeded")] * times

    def lose_answer(self, action: str) -> None:
        """Carry out the next such call, then close the connection without an answer."""
        self.lost.append(action)

    def changing_calls(self) -> list[str]:
        return [action for action, _ in self.calls if not action.startswith(READS)]

    def forget_calls(self) -> None:
        self.calls.clear()

    # --- protocol ---

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        action = request.headers["X-TC-Action"]
        try:
            answer = self.answer(action, request, body)
        except RefusedError as refusal:
            answer = {"Error": {"Code": refusal.code, "Message": str(refusal)}}
        if "Error" not in answer and action in self.lost:
            self.lost.remove(action)
            request.close_connection = True
            return
        payload = json.dumps({"Response": {**answer, "RequestId": f"request-{len(self.calls)}"}}).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(payload)))
        request.end_headers()
        request.wfile.write(payload)

    def answer(self, action: str, request: BaseHTTPRequestHandler, body: bytes) -> Json:
        verify_signature(request, body)
        if request.headers["X-TC-Version"] != VERSION:
            raise RefusedError("NoSuchVersion")
        if request.headers["X-TC-Region"] not in REGIONS:
            raise RefusedError("UnsupportedRegion", "The region is not supported")
        parameters = json.loads(body)
        self.calls.append((action, parameters))
        asked_for = next((failure for failure in self.failures if failure[0] == action), None)
        if asked_for:
            self.failures.remove(asked_for)
            check(not asked_for[1], asked_for[1], "asked for by the test")
        check_fields(action, parameters)
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
        result: Json | None = getattr(self, method)(parameters)
        return result or {}

    # --- functions ---

    def create_function(self, wanted: Json) -> None:
        name = wanted["FunctionName"]
        check(NAME.fullmatch(name), "InvalidParameterValue.FunctionName", name)
        check(name not in self.functions, "ResourceInUse.FunctionName", name)
        check(wanted.get("Runtime", "Python2.7") in RUNTIMES, "InvalidParameterValue.Runtime")
        self.check_configuration(wanted)
        self.check_code(wanted)
        # what the API page gives as defaults, and the console shows
        defaults = {
            "MemorySize": 128,
            "Timeout": 3,
            "InitTimeout": 65,
            "Runtime": "Python2.7",
            "Handler": "index.main_handler",
        }
        self.functions[name] = {
            **defaults,
            "Description": "",
            "Environment": {"Variables": []},
            "PublicNetConfig": {
                "PublicNetStatus": "ENABLE",
                "EipConfig": {"EipStatus": "DISABLE", "EipAddress": []},
            },
            "VpcConfig": {"VpcId": "", "SubnetId": ""},
            "Layers": [],
            "Status": "Creating",
            "StatusReasons": [],
            "ModTime": "2026-01-01 00:00:00",
        }
        self.apply(name, wanted)
        self.code[name] = base64.b64decode(wanted["Code"]["ZipFile"])
        self.triggers[name] = []
        self.pending[name] = self.reads_until_settled

    def get_function(self, wanted: Json) -> Json:
        name = wanted["FunctionName"]
        self.settle(name)
        check(name in self.functions, "ResourceNotFound.FunctionName", name)
        return self.functions[name]

    def update_function_code(self, wanted: Json) -> None:
        name = self.settled(wanted, "FailedOperation.UpdateFunctionCode")
        self.check_code(wanted)
        self.code[name] = base64.b64decode(wanted["Code"]["ZipFile"])
        self.functions[name]["Handler"] = wanted.get("Handler", self.functions[name]["Handler"])
        self.busy(name, "Updating")

    def update_function_configuration(self, wanted: Json) -> None:
        name = self.settled(wanted, "FailedOperation.UpdateFunctionConfiguration")
        runtime = self.functions[name]["Runtime"]
        check(
            wanted.get("Runtime", runtime) == runtime, "InvalidParameterValue.Runtime", "it cannot be changed"
        )
        self.check_configuration(wanted)
        self.apply(name, wanted)
        self.busy(name, "Updating")

    def delete_function(self, wanted: Json) -> None:
        name = self.settled(wanted, "FailedOperation.DeleteFunction")
        self.busy(name, "Deleting")

    def get_reserved_concurrency_config(self, wanted: Json) -> Json:
        name = wanted["FunctionName"]
        check(name in self.functions, "ResourceNotFound.Function", name)
        return {"ReservedMem": self.reserved.get(name)}

    def put_reserved_concurrency_config(self, wanted: Json) -> None:
        name = self.settled(wanted, "FailedOperation.ReservedInProgress")
        rest = sum(memory for other, memory in self.reserved.items() if other != name)
        check(
            rest + wanted["ReservedConcurrencyMem"] <= MEMORY_QUOTA - MEMORY_SHARED,
            "FailedOperation.ReservedExceedTotal",
        )
        self.reserved[name] = wanted["ReservedConcurrencyMem"]

    def check_configuration(self, wanted: Json) -> None:
        size = wanted.get("MemorySize", 128)
        check(
            size == 64 or (128 <= size <= 3072 and size % 128 == 0),
            "InvalidParameterValue.MemorySize",
            str(size),
        )
        check(1 <= wanted.get("Timeout", 3) <= 900, "LimitExceeded.Timeout")
        check(3 <= wanted.get("InitTimeout", 65) <= 300, "LimitExceeded.InitTimeout")
        check(DESCRIPTION.fullmatch(wanted.get("Description", "")), "InvalidParameterValue.Description")
        role = wanted.get("Role")
        check(role is None or role in ROLES, "FailedOperation.QcsRoleNotFound", str(role))
        variables = wanted.get("Environment", {}).get("Variables", [])
        for variable in variables:
            reserved = variable["Key"].startswith(("SCF_", "QCLOUD_", "TENCENTCLOUD_"))
            check(not reserved, "InvalidParameterValue.EnvironmentSystemProtect", variable["Key"])
            check(
                re.fullmatch(r"[A-Za-z]\w*", variable["Key"]),
                "InvalidParameterValue.Environment",
                variable["Key"],
            )
        total = sum(len(variable["Key"]) + len(variable["Value"]) for variable in variables)
        check(total <= 4096, "InvalidParameterValue.EnvironmentExceededLimit", str(total))
        for layer in wanted.get("Layers", []):
            found = [
                v
                for v in self.layers.get(layer["LayerName"], [])
                if v["LayerVersion"] == layer["LayerVersion"]
            ]
            check(found, "ResourceNotFound.LayerVersion", str(layer))
            check(
                found[0]["Status"] == "Active",
                "InvalidParameterValue.Layers",
                "the version is not Active yet",
            )

    def check_code(self, wanted: Json) -> None:
        check(HANDLER.fullmatch(wanted.get("Handler", "index.main_handler")), "InvalidParameterValue.Handler")
        with zipfile.ZipFile(io.BytesIO(decoded_zip(wanted["Code"]))) as archive:
            module = wanted.get("Handler", "index.main_handler").split(".")[0]
            check(
                f"{module}.py" in archive.namelist(),
                "InvalidParameterValue.Code",
                f"no {module}.py at the zip's root",
            )

    def apply(self, name: str, wanted: Json) -> None:
        function = self.functions[name]
        known = vars(models.GetFunctionResponse()).keys()
        for field, value in wanted.items():
            if f"_{field}" in known and field != "Layers":
                function[field] = value
        if "Layers" in wanted:  # GetFunction returns all fields of a layer's version
            function["Layers"] = [
                {**next(v for v in self.layers[w["LayerName"]] if v["LayerVersion"] == w["LayerVersion"])}
                for w in wanted["Layers"]
            ]

    def settled(self, wanted: Json, code: str) -> str:
        name: str = wanted["FunctionName"]
        check(name in self.functions, "ResourceNotFound.Function", name)
        status = self.functions[name]["Status"]
        check(status in ("Active", "UpdateFailed", "CreateFailed"), code, f"the function is {status}")
        return name

    def busy(self, name: str, status: str) -> None:
        self.functions[name]["Status"] = status
        self.pending[name] = self.reads_until_settled

    def settle(self, name: str) -> None:
        """One more read: the operation under way may be over now."""
        if name not in self.functions or self.functions[name]["Status"] not in (
            "Creating",
            "Updating",
            "Deleting",
        ):
            return
        self.pending[name] -= 1
        if self.pending[name] > 0:
            return
        if self.functions[name]["Status"] == "Deleting":
            del self.functions[name], self.triggers[name], self.code[name]
            self.reserved.pop(name, None)
        else:
            self.functions[name]["Status"] = self.settles_as.pop(name, "Active")

    # --- layers ---

    def publish_layer_version(self, wanted: Json) -> Json:
        name = wanted["LayerName"]
        check(LAYER_NAME.fullmatch(name), "InvalidParameterValue.LayerName", name)
        check(1 <= len(wanted["CompatibleRuntimes"]) <= 5, "InvalidParameterValue.CompatibleRuntimes")
        check(set(wanted["CompatibleRuntimes"]) <= RUNTIMES, "InvalidParameterValue.CompatibleRuntimes")
        check(DESCRIPTION.fullmatch(wanted.get("Description", "")), "InvalidParameterValue.Description")
        decoded_zip(wanted["Content"])
        versions = self.layers.setdefault(name, [])
        number = 1 + max((version["LayerVersion"] for version in versions), default=0)
        versions.append(
            {
                "LayerName": name,
                "LayerVersion": number,
                "CompatibleRuntimes": wanted["CompatibleRuntimes"],
                "Description": wanted.get("Description", ""),
                "Status": "Publishing",
                "AddTime": "2026-01-01 00:00:00",
            }
        )
        self.pending[f"{name}:{number}"] = self.reads_until_settled
        return {"LayerVersion": number}

    def get_layer_version(self, wanted: Json) -> Json:
        name, number = wanted["LayerName"], wanted["LayerVersion"]
        found = [version for version in self.layers.get(name, []) if version["LayerVersion"] == number]
        check(found, "ResourceNotFound.LayerVersion", f"{name}:{number}")
        self.pending[f"{name}:{number}"] -= 1
        if self.pending[f"{name}:{number}"] <= 0 and found[0]["Status"] == "Publishing":
            found[0]["Status"] = "Active"
        return found[0]

    def list_layer_versions(self, wanted: Json) -> Json:
        check(wanted["LayerName"] in self.layers, "ResourceNotFound.Layer", wanted["LayerName"])
        return {"LayerVersions": self.layers[wanted["LayerName"]]}

    def delete_layer_version(self, wanted: Json) -> None:
        name, number = wanted["LayerName"], wanted["LayerVersion"]
        for function in self.functions.values():
            used = any((v["LayerName"], v["LayerVersion"]) == (name, number) for v in function["Layers"])
            check(not used, "ResourceInUse.LayerVersion", f"{name}:{number}")
        self.layers[name] = [version for version in self.layers[name] if version["LayerVersion"] != number]
        if not self.layers[name]:
            del self.layers[name]

    # --- triggers ---

    def create_trigger(self, wanted: Json) -> None:
        name = self.settled(wanted, "FailedOperation.CreateTrigger")
        kind, trigger = wanted["Type"], wanted["TriggerName"]
        check(kind in ("cos", "cls", "timer", "ckafka", "http"), "InvalidParameterValue.Type", kind)
        present = self.triggers[name]
        qualifier = wanted.get("Qualifier", "$LATEST")
        same_name = any(trigger == other["TriggerName"] for other in present if other["Type"] == kind)
        check(not same_name, "ResourceInUse.TriggerName", trigger)
        url_twice = kind == "http" and any(
            t["Type"] == "http" and t["Qualifier"] == qualifier for t in present
        )
        check(not url_twice, "ResourceInUse.Trigger", "one URL for each version or alias")
        check(sum(other["Type"] == kind for other in present) < 10, "LimitExceeded.Trigger")
        present.append(
            {
                "TriggerName": trigger,
                "Type": kind,
                "Qualifier": qualifier,
                "TriggerDesc": self.checked_trigger(name, wanted),
                "Enable": 1 if wanted.get("Enable", "CLOSE") == "OPEN" else 0,
                "CustomArgument": wanted.get("CustomArgument"),
                "Description": wanted.get("Description"),
            }
        )

    def update_trigger(self, wanted: Json) -> None:
        name = self.settled(wanted, "FailedOperation.UpdateTrigger")
        check(wanted["Type"] in ("timer", "ckafka", "http"), "InvalidParameterValue.Type", wanted["Type"])
        trigger = self.trigger(name, wanted)
        trigger["TriggerDesc"] = self.checked_trigger(name, wanted)
        trigger["Enable"] = 1 if wanted["Enable"] == "OPEN" else 0
        trigger["CustomArgument"] = wanted.get("CustomArgument", trigger["CustomArgument"])
        trigger["Description"] = wanted.get("Description", trigger["Description"])

    def delete_trigger(self, wanted: Json) -> None:
        name = self.settled(wanted, "FailedOperation.DeleteTrigger")
        self.triggers[name].remove(self.trigger(name, wanted))

    def list_triggers(self, wanted: Json) -> Json:
        name = wanted["FunctionName"]
        check(name in self.functions, "ResourceNotFound.Function", name)
        first = wanted.get("Offset", 0)
        page = self.triggers[name][first : first + wanted.get("Limit", 20)]
        return {"Triggers": page, "TotalCount": len(self.triggers[name])}

    def trigger(self, name: str, wanted: Json) -> Json:
        key = (wanted["Type"], wanted["TriggerName"], wanted.get("Qualifier", "$LATEST"))
        found = [t for t in self.triggers[name] if (t["Type"], t["TriggerName"], t["Qualifier"]) == key]
        check(found, "ResourceNotFound.Trigger", str(key))
        return found[0]

    def checked_trigger(self, function: str, wanted: Json) -> str:
        """``TriggerDesc`` as it is read back: with fields of SCF's own, and Kafka's numbers as text."""
        text, kind, name = wanted["TriggerDesc"], wanted["Type"], wanted["TriggerName"]
        check(kind == "timer" or not wanted.get("CustomArgument"), "InvalidParameterValue.CustomArgument")
        if kind == "timer":
            check(re.fullmatch(r"[\w-]{1,100}", name), "InvalidParameterValue.TriggerName", name)
            check(
                len(text.split()) == 7,
                "InvalidParameterValue.TriggerDesc",
                "a cron expression has seven fields",
            )
            check(
                len(wanted.get("CustomArgument", "").encode()) <= 4096, "InvalidParameterValue.CustomArgument"
            )
            return json.dumps({"cron": text})
        described = json.loads(text)
        if kind == "ckafka":
            check(re.fullmatch(r"ckafka-\w+-.+", name), "InvalidParameterValue.TriggerName", name)
            check(1 <= described["maxMsgNum"] <= 10_000, "InvalidParameterValue.Ckafka")
            check(1 <= described["timeOut"] <= 60, "InvalidParameterValue.Ckafka")
            return json.dumps(
                {**{key: str(value) for key, value in described.items()}, "isInSequence": "Yes"}
            )
        check(described["AuthType"] in ("NONE", "CAM"), "InvalidParameterValue.TriggerDesc")
        described["NetConfig"]["ExtranetUrl"] = f"https://125-{function}.ap-singapore.tencentscf.com"
        return json.dumps(described)


def check(condition: object, code: str, message: str = "refused") -> None:
    if not condition:
        raise RefusedError(code, message)


def check_fields(action: str, parameters: Json) -> None:
    """The SDK's own request model warns of every field it does not know, at any depth."""
    model = getattr(models, f"{action}Request")()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model._deserialize(parameters)
    check(not caught, "UnknownParameter", "; ".join(str(warning.message) for warning in caught))


def decoded_zip(code: Json) -> bytes:
    try:
        content = base64.b64decode(code["ZipFile"], validate=True)
    except binascii.Error as error:
        raise RefusedError("InvalidParameterValue.ZipFileBase64BinasciiError") from error
    check(len(content) <= ZIP_LIMIT, "InvalidParameter.RequestTooLarge")
    check(zipfile.is_zipfile(io.BytesIO(content)), "InvalidParameterValue.ZipFile")
    return content


def verify_signature(request: BaseHTTPRequestHandler, body: bytes) -> None:
    """TC3-HMAC-SHA256, https://www.tencentcloud.com/document/api/583/33846."""
    claim = re.fullmatch(
        r"TC3-HMAC-SHA256 Credential=([^/]+)/([\d-]+)/(\w+)/tc3_request, "
        r"SignedHeaders=([a-z;-]+), Signature=(\w+)",
        request.headers["Authorization"],
    )
    check(claim, "AuthFailure.InvalidAuthorization")
    assert claim is not None
    identity, date, service, signed, signature = claim.groups()
    check(identity == SECRET_ID, "AuthFailure.SecretIdNotFound")
    timestamp = request.headers["X-TC-Timestamp"]
    check(
        date == datetime.fromtimestamp(int(timestamp), timezone.utc).strftime("%Y-%m-%d"),
        "AuthFailure.SignatureFailure",
    )
    check(service == "scf", "AuthFailure.SignatureFailure")
    headers = "".join(f"{name}:{request.headers[name]}\n" for name in signed.split(";"))
    canonical = f"POST\n/\n\n{headers}\n{signed}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{date}/{service}/tc3_request"
    text = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{SECRET_KEY}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    expected = hmac.new(key, text.encode(), "sha256").hexdigest()
    check(hmac.compare_digest(expected, signature), "AuthFailure.SignatureFailure")
