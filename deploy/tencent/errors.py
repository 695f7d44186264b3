"""The error hierarchy of deploying to SCF.

* DeployError
  - ConfigurationError   serverless.tencent.yml breaks a rule of SCF; nothing was called
  - ApiError             SCF refused a call (``code``, ``action``, ``request_id``)
    + ThrottledError          … because of too many calls, through every retry
  - NoAnswerError             the connection failed; a change may have been made
  - NotReadyError             a function or layer did not become Active (``status``)
  - CannotChangeError         SCF has no call to make this change
"""

from __future__ import annotations

HINTS = {
    "AuthFailure": "check TENCENTCLOUD_SECRET_ID and _SECRET_KEY (and _TOKEN, if they are temporary)",
    "UnauthorizedOperation": "the deploying account needs QcloudSCFFullAccess and cam:PassRole",
    "UnsupportedRegion": "SCF is not offered in this region: check the parameter region",
    "UnsupportedOperation.Region": "SCF is not offered in this region: check the parameter region",
    "UnauthorizedOperation.Region": "this account may not use this region: check the parameter region",
    "FailedOperation.QcsRoleNotFound": "create the role first, for the service SCF",
    "ResourceNotFound.Role": "create the role first, for the service SCF",
    "ResourceNotFound.Namespace": "create the namespace first, or use `default`",
    "ResourceNotFound.Vpc": "check the parameters vpc and subnet: both are IDs of the same region",
    "ResourceNotFound.Ckafka": "check ckafkaInstance and ckafkaTopic: the same region, a topic without ACL",
    "LimitExceeded.LayerVersions": "delete old versions of the layer",
    "FailedOperation.ReservedExceedTotal": "lower httpConcurrency, or ask for more concurrency in the region",
    "LimitExceeded": "a quota of the account is reached: SCF console, or a ticket",
    "FailedOperation.InsufficientBalance": "top up the account",
    "ResourceUnavailable.InsufficientBalance": "top up the account",
}


class DeployError(Exception):
    """The root: its text is written for the person who deploys."""


class ConfigurationError(DeployError):
    """Every violation in serverless.tencent.yml, as ``{location: rule}``."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{location}: {rule}" for location, rule in problems.items()))


class ApiError(DeployError):
    """SCF refused a call."""

    def __init__(self, action: str, code: str, message: str, request_id: str | None) -> None:
        self.action = action
        self.code = code
        self.request_id = request_id
        text = f"{action} was refused: {code}: {message} (request {request_id})"
        hint = HINTS.get(code) or HINTS.get(code.partition(".")[0])
        super().__init__(f"{text}\n{hint}" if hint else text)


class ThrottledError(ApiError):
    """The API's rate limit held through every retry."""


class NoAnswerError(DeployError):
    """No response arrived. Running the same command again reads what was done and continues from there."""

    def __init__(self, action: str, cause: str) -> None:
        self.action = action
        super().__init__(
            f"{action} got no response ({cause}). Run the same command again: it continues where this stopped"
        )


class NotReadyError(DeployError):
    """A function or layer is in a state in which it cannot be used."""

    def __init__(self, subject: str, status: str, reason: str) -> None:
        self.status = status
        super().__init__(f"{subject} is {status}: {reason}")


class CannotChangeError(DeployError):
    """What is deployed differs in a way that requires removal."""
