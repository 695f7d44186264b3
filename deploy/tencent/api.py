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
)  # a read may be repeated after any failure, a change only when it certainly was not made
NOT_FOUND = {
    "ResourceNotFound.Function",
    "ResourceNotFound.FunctionName",
    "ResourceNotFound.Layer",
    "ResourceNotFound.LayerVersion",
}
TRANSIENT_STATES = ("Creating", "Updating", "Publishing", "Deleting")


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
        """Return the response of one API call, which is repeated where it certainly changed nothing.

        Raises ApiError and NoAnswerError.
        """
        pause = FIRST_PAUSE
        for remaining in reversed(range(ATTEMPTS)):
            try:
                return self._once(action, parameters)
            except (ApiError, NoAnswerError) as failure:
                repeatable = isinstance(failure, ThrottledError) or (
                    action.startswith(READS) and _is_transient(failure)
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
            if not request_id:  # the SDK's own failures: there is no response of SCF
                raise NoAnswerError(action, str(error)[:200]) from None
            raise _api_error(action, error.get_code(), error.get_message(), request_id) from None
        except (ValueError, KeyError) as error:
            raise NoAnswerError(action, f"not a response of SCF: {error!r}"[:200]) from None
        if "Error" in answer:  # the SDK only looks for it under one exact content type
            raise _api_error(action, answer["Error"]["Code"], answer["Error"]["Message"], answer["RequestId"])
        return answer

    def function(self, name: str) -> Json | None:
        """Return a function's configuration and status (GetFunction), None when it does not exist."""
        return self._get_or_none("GetFunction", self._of(name))

    def triggers(self, name: str) -> list[Json]:
        """Return all triggers of a function, each with its ``TriggerDesc`` decoded."""
        triggers: list[Json] = []
        while True:
            page = self.call("ListTriggers", {**self._of(name), "Offset": len(triggers), "Limit": PAGE})
            triggers += page["Triggers"]
            if len(triggers) >= page["TotalCount"] or not page["Triggers"]:
                return [{**trigger, "TriggerDesc": _decoded(trigger["TriggerDesc"])} for trigger in triggers]

    def reserved_memory(self, name: str) -> int | None:
        """Return the MB of memory that are reserved for a function; None where there is no such limit."""
        reserved: int | None = self.call("GetReservedConcurrencyConfig", self._of(name)).get("ReservedMem")
        return reserved

    def layer_versions(self, name: str) -> list[Json]:
        """Return the versions of a layer, newest first; none when the layer does not exist."""
        answer = self._get_or_none("ListLayerVersions", {"LayerName": name}) or {"LayerVersions": []}
        return sorted(answer["LayerVersions"], key=lambda version: -int(version["LayerVersion"]))

    def change(self, action: str, name: str, parameters: Json) -> None:
        """Make one call that changes a function, once the function is ready for it."""
        self.wait_for_function(name)
        self.call(action, {**self._of(name), **parameters})

    def create(self, name: str, parameters: Json) -> None:
        """Create a function and wait until it is Active."""
        self.call("CreateFunction", {**self._of(name), **parameters})
        self.wait_for_function(name)

    def wait_for_function(self, name: str) -> Json:
        """Return a function once it can be changed and invoked. Raises NotReadyError if that fails."""
        function = self._poll(lambda: self.function(name))
        if function is None:
            raise NotReadyError(f"function {name}", "missing", "it was deleted meanwhile")
        status = function["Status"]
        if status in ("Active", "UpdateFailed"):  # another update repairs a failed one
            return function
        reasons = "; ".join(reason.get("ErrorMessage", "") for reason in function.get("StatusReasons") or ())
        raise NotReadyError(
            f"function {name}", status, reasons or function.get("StatusDesc") or "SCF gives no reason"
        )

    def wait_until_settled(self, name: str) -> Json | None:
        """Return a function once its last operation is over; one whose creation failed is deleted."""
        function = self._poll(lambda: self.function(name))
        if function is None or function["Status"] != "CreateFailed":
            return function
        self.delete_function(name)
        return None

    def wait_for_layer(self, name: str, version: int) -> None:
        """Wait until a layer version is Active. Raises NotReadyError."""
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

    def _get_or_none(self, action: str, parameters: Json) -> Json | None:
        try:
            return self.call(action, parameters)
        except ApiError as error:
            if error.code in NOT_FOUND:
                return None
            raise

    def _poll(self, read: Callable[[], Json | None]) -> Json | None:
        """Return what ``read`` returns once it is None or in no transient state, or after POLLS reads."""
        pause = FIRST_POLL
        for _ in range(POLLS):
            state = read()
            if state is None or state["Status"] not in TRANSIENT_STATES:
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


def _api_error(action: str, code: str, message: str, request_id: str) -> ApiError:
    kind = ThrottledError if code.startswith(THROTTLED) else ApiError
    return kind(action, code, message, request_id)


def _is_transient(failure: ApiError | NoAnswerError) -> bool:
    return isinstance(failure, NoAnswerError) or failure.code.startswith("InternalError")
