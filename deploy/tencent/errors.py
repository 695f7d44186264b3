"""What can go wrong while deploying to SCF.

* DeployError
  - ConfigurationError   serverless.tencent.yml asks for what SCF would refuse; nothing was called
  - ApiError             SCF refused a call (``code``, ``action``, ``request_id``)
    + ThrottledError          … and went on refusing for too many calls, whatever the pauses
  - NoAnswerError             the connection failed; a call that changes something may have been carried out
  - NotReadyError             a function or layer did not become Active (``status``)
  - CannotChangeError         a difference that SCF has no call for
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
    "LimitExceeded": "a quota of the account is reached: SCF console, or a ticket",
    "FailedOperation.InsufficientBalance": "top up the account",
    "ResourceUnavailable.InsufficientBalance": "top up the account",
}


class DeployError(Exception):
    """The root: its text is fit to be shown to whoever runs the deployment."""


class ConfigurationError(DeployError):
    """Every fault of serverless.tencent.yml, as ``{place: rule}``."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{place}: {rule}" for place, rule in problems.items()))


class ApiError(DeployError):
    """SCF's answer to a call that it refused."""

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
    """No answer came back. Running the same command again finds out what was done and goes on from there."""

    def __init__(self, action: str, cause: str) -> None:
        self.action = action
        super().__init__(
            f"{action} got no answer ({cause}). Run the same command again: it continues where this stopped"
        )


class NotReadyError(DeployError):
    """A function or layer is in a state in which it cannot be used."""

    def __init__(self, subject: str, status: str, reason: str) -> None:
        self.status = status
        super().__init__(f"{subject} is {status}: {reason}")


class CannotChangeError(DeployError):
    """What is deployed differs in a way that only removing it can mend."""
