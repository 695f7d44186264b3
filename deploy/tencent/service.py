"""The model of serverless.tencent.yml, with SCF's own rules, checked before any call.

The rules are those of CreateFunction, PublishLayerVersion and CreateTrigger (API version 2018-04-16) and of
https://www.tencentcloud.com/document/product/583/11637 (limits), /32748 (environment) and /9708 (timer).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from deploy.tencent.errors import ConfigurationError

RESERVED = ("SCF_", "QCLOUD_", "TENCENTCLOUD_")
ENVIRONMENT_BYTES = 4096
ZIP_BYTES = 50 * 1024 * 1024
MESSAGE_BYTES = 4096
TRIGGERS_PER_TYPE = 10
CRON_FIELDS = 7
CRON_FIELD = re.compile(r"[0-9A-Za-z,*/?#-]+")

Name = Annotated[str, Field(pattern=r"^[A-Za-z](?:[A-Za-z0-9_-]{0,58}[A-Za-z0-9])$")]
LayerName = Annotated[str, Field(pattern=r"^[A-Za-z](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?$")]
Handler = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,58}[A-Za-z]\.[A-Za-z][A-Za-z0-9_-]{0,58}[A-Za-z]$", max_length=121
    ),
]


def _check_memory(size: int) -> int:
    if size == 64 or (128 <= size <= 3072 and size % 128 == 0):  # noqa: PLR2004 - the API page's own numbers
        return size
    raise ValueError("SCF takes 64 MB, or 128 to 3072 MB in steps of 128")


def _check_cron(expression: str) -> str:
    fields = expression.split()
    if len(fields) != CRON_FIELDS or not all(CRON_FIELD.fullmatch(field) for field in fields):
        raise ValueError("SCF's cron has seven fields: second minute hour day month weekday year")
    return expression


def _check_environment(environment: dict[str, str]) -> dict[str, str]:
    for name in environment:
        if name.startswith(RESERVED):
            raise ValueError(f"{name}: SCF keeps names that start with {', '.join(RESERVED)} for itself")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise ValueError(f"{name}: a name starts with a letter and has letters, digits and underscores")
    _check_environment_size(environment)
    # A variable left empty is one that is not set: SCF has no use for it, and the layer has defaults.
    return {name: value for name, value in environment.items() if value}


def _check_environment_size(environment: dict[str, str], subject: str = "") -> None:
    size = sum(len(name.encode()) + len(value.encode()) for name, value in environment.items())
    if size > ENVIRONMENT_BYTES:
        raise ValueError(f"{subject}{size} bytes in all: SCF takes {ENVIRONMENT_BYTES}")


Environment = Annotated[dict[str, str], AfterValidator(_check_environment)]
Memory = Annotated[int, AfterValidator(_check_memory)]
Timeout = Annotated[int, Field(ge=1, le=900)]


class StrictModel(BaseModel):
    """A frozen model that rejects unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class Package(StrictModel):
    """A zip that the build made, by its path below the project."""

    artifact: Path

    @field_validator("artifact")
    @classmethod
    def _check_zip_size(cls, path: Path) -> Path:
        if not path.is_file():
            raise ValueError(f"{path} is not there: run `make build`")
        if path.stat().st_size > ZIP_BYTES:
            raise ValueError(
                f"{path} has {path.stat().st_size:,} bytes: SCF takes {ZIP_BYTES:,} through its API"
            )
        return path

    def content(self) -> bytes:
        """Return the zip's bytes."""
        return self.artifact.read_bytes()

    def sha256(self) -> str:
        """Return the SHA-256 of the zip's bytes."""
        return hashlib.sha256(self.content()).hexdigest()


class Layer(StrictModel):
    """One layer; all its functions use it."""

    name: LayerName
    package: Package


class Vpc(StrictModel):
    """The private network to run in; both empty: none."""

    id: str = ""
    subnet: str = ""

    @model_validator(mode="after")
    def _check_vpc(self) -> Vpc:
        if bool(self.id) != bool(self.subnet):
            raise ValueError("a VPC needs its subnet and a subnet its VPC")
        return self


class Logs(StrictModel):
    """The topic of the Cloud Log Service; both empty: SCF's default topic."""

    logset: str = ""
    topic: str = ""


class Timer(StrictModel):
    """A timer trigger; ``message`` arrives as the event's ``Message``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
    cron: Annotated[str, AfterValidator(_check_cron)]
    message: str = ""
    enabled: bool = True

    @field_validator("message")
    @classmethod
    def _check_message_size(cls, message: str) -> str:
        if len(message.encode()) > MESSAGE_BYTES:
            raise ValueError(f"a timer's message has at most {MESSAGE_BYTES} bytes")
        return message


class Url(StrictModel):
    """A function URL, from the internet. The mailer authenticates its callers itself: ``NONE``."""

    auth: Literal["NONE", "CAM"] = "NONE"
    intranet: bool = False
    enabled: bool = True


class Ckafka(StrictModel):
    """A CKafka trigger; none where ``instance`` is empty."""

    instance: str
    topic: str
    group: str = ""
    batch: Annotated[int, Field(ge=1, le=10_000)] = 100
    wait: Annotated[int, Field(ge=1, le=60)] = 5
    offset: Literal["latest", "earliest"] = "latest"
    retry: Annotated[int, Field(ge=0, le=10_000)] = 10_000
    enabled: bool = True

    @model_validator(mode="after")
    def _check_topic(self) -> Ckafka:
        if self.instance and not self.topic:
            raise ValueError("a CKafka instance needs a topic")
        return self


class Event(StrictModel):
    """One event source: exactly one of its fields is set."""

    timer: Timer | None = None
    url: Url | None = None
    ckafka: Ckafka | None = None

    @model_validator(mode="after")
    def _check_one_source(self) -> Event:
        if len(self.model_fields_set) != 1:
            raise ValueError("an event is one of timer, url, ckafka")
        return self

    @property
    def trigger(self) -> Timer | Url | Ckafka | None:
        """The trigger of this source; None for a CKafka source that is left empty."""
        if self.ckafka is not None and not self.ckafka.instance:
            return None
        return self.timer or self.url or self.ckafka


class Function(StrictModel):
    """One function."""

    name: Name
    handler: Handler
    package: Package
    memorySize: Memory  # noqa: N815 - the Serverless file's own word
    timeout: Timeout
    environment: Environment = {}
    reservedConcurrency: Annotated[int, Field(ge=1)] | None = None  # noqa: N815 - the Serverless file's own word
    events: tuple[Event, ...] = ()

    @property
    def reserved_memory(self) -> int | None:
        """MB of the region's quota that this function alone may use, and no more; None: as SCF has it."""
        return self.reservedConcurrency and self.reservedConcurrency * self.memorySize

    @property
    def triggers(self) -> tuple[Timer | Url | Ckafka, ...]:
        """The triggers of its events."""
        return tuple(event.trigger for event in self.events if event.trigger is not None)

    @field_validator("reservedConcurrency", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _check_triggers(self) -> Function:
        kinds = [type(trigger) for trigger in self.triggers]
        if any(kinds.count(kind) > TRIGGERS_PER_TYPE for kind in kinds):
            raise ValueError(f"a function has at most {TRIGGERS_PER_TYPE} triggers of a type")
        if kinds.count(Url) > 1:
            raise ValueError("a function has at most one URL")
        timers = [trigger.name for trigger in self.triggers if isinstance(trigger, Timer)]
        if len(set(timers)) < len(timers):
            raise ValueError("two timers of a function have the same name")
        return self


class Provider(StrictModel):
    """The settings of all functions; `environment` is what each of them has, beside its own."""

    name: Literal["tencent"]
    stage: str
    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z0-9-]+$")]
    endpoint: str
    namespace: str = "default"
    runtime: Literal["Python3.10", "Python3.9"]
    role: str = ""
    environment: Environment
    vpc: Vpc = Vpc()
    logs: Logs = Logs()
    initTimeout: Annotated[int, Field(ge=3, le=300)] = 65  # noqa: N815 - the Serverless file's own word

    @model_validator(mode="after")
    def _check_credentials(self) -> Provider:
        if "MAILER_STORE_URL" not in self.environment:
            raise ValueError("MAILER_STORE_URL is not set: without its store the mailer sends nothing")
        if not self.role and not {"MAILER_SECRET_ID", "MAILER_SECRET_KEY"} <= self.environment.keys():
            raise ValueError("give the parameter role, or set MAILER_SECRET_ID and MAILER_SECRET_KEY")
        return self


class Service(StrictModel):
    """The whole deployment."""

    service: str
    provider: Provider
    layers: dict[Literal["mailer"], Layer]
    functions: dict[str, Function]

    @model_validator(mode="after")
    def _check_environments(self) -> Service:
        for name, function in self.functions.items():
            _check_environment_size(self.environment_of(function), f"the environment of {name} has ")
        return self

    def environment_of(self, function: Function) -> dict[str, str]:
        """Return the variables of a function."""
        return {**self.provider.environment, **function.environment}

    @property
    def layer(self) -> Layer:
        """The one layer."""
        return self.layers["mailer"]

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Service:
        """Check a resolved Serverless file, less what only osls reads. Raises ConfigurationError."""
        known = {key: value for key, value in document.items() if key in cls.model_fields}
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            raise ConfigurationError(
                {
                    ".".join(map(str, problem["loc"])) or "functions": problem["msg"]
                    for problem in error.errors()
                }
            ) from None
