"""SCF's API through the official SDK: calls with their retries and errors, reading, waiting."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from tencentcloud.common.credential import Credential
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416.scf_client import ScfClient

from deploy.tencent.errors import ApiError, ConfigurationError, NoAnswerError, NotReadyError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json = dict[str, Any]

KEY = ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY")
CONNECTION_SECONDS = 120  # one call may carry a zip of 50 MB
ATTEMPTS = 6
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
FIRST_POLL, LONGEST_POLL, POLLS = 0.1, 2.0, 90  # three minutes in all
PAGE = 100
THROTTLED = "RequestLimitExceeded"
READS = (
    "Get",
    "List",
)  # a read may be repeated whatever happened to it, a change only when it surely was not made
NOT_FOUND = {
    "ResourceNotFound.Function",
    "ResourceNotFound.FunctionName",
    "ResourceNotFound.Layer",
    "ResourceNotFound.LayerVersion",
}
PASSING = ("Creating", "Updating", "Publishing", "Deleting")


class Scf:
    """One region and namespace of an account."""

    def __init__(
        self,
        region: str,
        namespace: str,
        *,
        endpoint: str,
        environment: Mapping[str, str],
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        scheme, _, host = endpoint.rpartition("://")
        profile = ClientProfile(
            httpProfile=HttpProfile(protocol=scheme or "https", endpoint=host, reqTimeout=CONNECTION_SECONDS)
        )
        profile.disable_region_breaker = True  # it answers failures with None
        missing = [name for name in KEY if not environment.get(name)]
        if missing:
            raise ConfigurationError(
                dict.fromkeys(missing, "set this variable to the deploying account's API key")
            )
        credential = Credential(*(environment[name] for name in KEY), environment.get("TENCENTCLOUD_TOKEN"))
        self._client = ScfClient(credential, region, profile)
        self._namespace = namespace
        self._pause = pause

    def call(self, action: str, parameters: Json) -> Json:
        """One API call, repeated where it certainly changed nothing. Raises ApiError or NoAnswerError."""
        pause = FIRST_PAUSE
        for remaining in reversed(range(ATTEMPTS)):
            try:
                return self._once(action, parameters)
            except (ApiError, NoAnswerError) as failure:
                repeatable = isinstance(failure, ThrottledError) or (
                    action.startswith(READS) and _passes(failure)
                )
                if not remaining or not repeatable:
                    raise
            self._pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, action: str, parameters: Json) -> Json:
        try:
            answer: Json = self._client.call_json(action, parameters)["Response"]
        except TencentCloudSDKException as error:
            request_id = error.get_request_id()
            if not request_id:  # the SDK's own failures: nothing that SCF said
                raise NoAnswerError(action, str(error)[:200]) from None
            raise _refusal(action, error.get_code(), error.get_message(), request_id) from None
        except (ValueError, KeyError) as error:
            raise NoAnswerError(action, f"what came back is no answer of SCF: {error!r}"[:200]) from None
        if "Error" in answer:  # the SDK only looks for it under one exact content type
            raise _refusal(action, answer["Error"]["Code"], answer["Error"]["Message"], answer["RequestId"])
        return answer

    def function(self, name: str) -> Json | None:
        """A function's configuration and status (GetFunction), None when there is none."""
        return self._found("GetFunction", self._of(name))

    def triggers(self, name: str) -> list[Json]:
        """All triggers of a function, each ``TriggerDesc`` decoded."""
        triggers: list[Json] = []
        while True:
            page = self.call("ListTriggers", {**self._of(name), "Offset": len(triggers), "Limit": PAGE})
            triggers += page["Triggers"]
            if len(triggers) >= page["TotalCount"] or not page["Triggers"]:
                return [{**trigger, "TriggerDesc": _decoded(trigger["TriggerDesc"])} for trigger in triggers]

    def layer_versions(self, name: str) -> list[Json]:
        """The versions of a layer, newest first; none when there is no such layer."""
        answer = self._found("ListLayerVersions", {"LayerName": name}) or {"LayerVersions": []}
        return sorted(answer["LayerVersions"], key=lambda version: -int(version["LayerVersion"]))

    def change(self, action: str, name: str, parameters: Json) -> None:
        """One call that changes a function, once the function can take it."""
        self.wait_for_function(name)
        self.call(action, {**self._of(name), **parameters})

    def create(self, name: str, parameters: Json) -> None:
        """CreateFunction, and wait until it is Active."""
        self.call("CreateFunction", {**self._of(name), **parameters})
        self.wait_for_function(name)

    def wait_for_function(self, name: str) -> Json:
        """Poll until a function can be worked with. Raises NotReadyError when it cannot, or not in time."""
        function = self._poll(lambda: self.function(name))
        if function is None:
            raise NotReadyError(f"function {name}", "missing", "it was deleted meanwhile")
        status = function["Status"]
        if status in ("Active", "UpdateFailed"):  # after a failed update the next one is how to mend it
            return function
        reasons = "; ".join(reason.get("ErrorMessage", "") for reason in function.get("StatusReasons") or ())
        raise NotReadyError(
            f"function {name}", status, reasons or function.get("StatusDesc") or "SCF gives no reason"
        )

    def settled_function(self, name: str) -> Json | None:
        """A function once its last operation is over; one whose creation failed is deleted."""
        function = self._poll(lambda: self.function(name))
        if function is None or function["Status"] != "CreateFailed":
            return function
        self.delete_function(name)
        return None

    def wait_for_layer(self, name: str, version: int) -> None:
        """Poll until a layer version is Active. Raises NotReadyError."""
        layer = self._poll(lambda: self.call("GetLayerVersion", {"LayerName": name, "LayerVersion": version}))
        if layer is None or layer["Status"] != "Active":
            raise NotReadyError(
                f"layer {name}:{version}", layer["Status"] if layer else "missing", "it was not published"
            )

    def delete_function(self, name: str) -> None:
        """Delete a function and wait until it is gone, so that its layer is free."""
        self.call("DeleteFunction", self._of(name))
        left = self._poll(lambda: self.function(name))
        if left is not None:
            raise NotReadyError(f"function {name}", left["Status"], "it was not deleted")

    def _of(self, name: str) -> Json:
        return {"FunctionName": name, "Namespace": self._namespace}

    def _found(self, action: str, parameters: Json) -> Json | None:
        try:
            return self.call(action, parameters)
        except ApiError as error:
            if error.code in NOT_FOUND:
                return None
            raise

    def _poll(self, read: Callable[[], Json | None]) -> Json | None:
        """Read until what is read is settled, or gone; after the last poll, what was read then."""
        pause = FIRST_POLL
        for _ in range(POLLS):
            state = read()
            if state is None or state["Status"] not in PASSING:
                return state
            self._pause(pause)
            pause = min(2 * pause, LONGEST_POLL)
        return read()


def _decoded(description: str) -> Json:
    try:
        decoded = json.loads(description)
    except ValueError:
        return {"cron": description}
    return decoded if isinstance(decoded, dict) else {"cron": description}


def _refusal(action: str, code: str, message: str, request_id: str) -> ApiError:
    kind = ThrottledError if code.startswith(THROTTLED) else ApiError
    return kind(action, code, message, request_id)


def _passes(failure: ApiError | NoAnswerError) -> bool:
    return isinstance(failure, NoAnswerError) or failure.code.startswith("InternalError")
