"""`[digests.NAME]` of mailer.toml: keys and values; the Jinja2 expressions are checked by `digest.render`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from mailer.email.field_errors import Rule, errors_at, whole_number
from mailer.email.field_types import Sender
from mailer.email.json_pointer import pointer_location
from mailer.email.request import EmailRequest
from mailer.errors import InvalidRequest

from .expressions import Expression
from .table import EmailFields, NamedTable
from .time_zones import TimeZoneName

if TYPE_CHECKING:
    from typing_extensions import Self

    from mailer.email.field_errors import Location

SAMPLE_ADDRESS = "someone@mail.example"
_RESERVED_FIELDS = frozenset(
    {"to", "cc", "bcc", "subject", "template", "simple", "idempotency_key", "send_at"}
)


def _check_reserved(email: dict[str, Any]) -> dict[str, Any]:
    if reserved := sorted(_RESERVED_FIELDS & email.keys()):
        raise errors_at(((name,), "is set by the digest itself") for name in reserved)
    return email


def _newest_first(order: Any) -> bool:
    if order not in ("oldest", "newest"):
        raise ValueError("must be `oldest` or `newest`: which come first")
    return bool(order == "newest")


_Template = Annotated[str, Rule("must be a Jinja2 expression")]
_Hour = Annotated[int, whole_number(0, 23)]


class DigestConfig(NamedTable):
    """One digest: its content, how many items it shows, and when it is sent.

    `subject` and the values of `data` are Jinja2 expressions; `email` has further fields of its EmailRequest.
    `hour` is the local hour of each recipient, None for every run; nothing is sent in `quiet_hours` (from,
    to). `max_stored_items` are stored for a recipient, for `ttl_days` days: the newest with `newest_first`,
    else the oldest.
    """

    SECTION: ClassVar[str] = "digests"
    UNKNOWN_KEY: ClassVar[str] = "unknown digest key"

    subject: Annotated[str, Field(min_length=1), Rule("must be a Jinja2 expression")]
    template_id: Annotated[int, Field(gt=0, lt=2**64), Rule("must be the number of a template")]
    data: dict[str, _Template] = Field(default_factory=dict)
    sender: Sender | None = Field(None, alias="from")
    email: Annotated[EmailFields, AfterValidator(_check_reserved)] = Field(default_factory=dict)
    max_items: Annotated[int, whole_number(1, 1000)] = 20
    newest_first: Annotated[bool, BeforeValidator(_newest_first)] = Field(default=False, alias="order")
    group_by: Annotated[Expression, Rule("must be a JMESPath expression over an item")] | None = None
    hour: _Hour | None = None
    time_zone: TimeZoneName = "UTC"
    quiet_hours: (
        Annotated[
            tuple[_Hour, _Hour],
            Field(strict=False),
            Rule(
                "must be two different hours from 0 to 23, such as [22, 7]",
                lambda hours: hours[0] != hours[1],
            ),
        ]
        | None
    ) = None
    max_stored_items: Annotated[int, whole_number(1, 10_000)] = Field(200, alias="keep")
    ttl_days: Annotated[int, whole_number(1, 90)] = 30
    escape: bool = True

    @model_validator(mode="after")
    def _check_request(self, info: ValidationInfo) -> Self:
        """Require that the emails of the digest can be valid requests."""
        try:
            self.sample_request((info.context or {})["defaults"])
        except InvalidRequest as error:
            raise errors_at((self._location_of(one.pointer), one.detail) for one in error.errors) from error
        return self

    def _location_of(self, pointer: str) -> Location:
        location = pointer_location(pointer)
        return ("email", *location) if set(location[:1]) & self.email.keys() else location

    def sample_request(self, defaults: dict[str, Any]) -> EmailRequest:
        """Return the request for a made-up recipient, without content; raises InvalidRequest."""
        return self.request(SAMPLE_ADDRESS, "-", {}, defaults)

    def request(
        self, recipient: str, subject: str, data: dict[str, str], defaults: dict[str, Any]
    ) -> EmailRequest:
        """Return the email to `recipient` with the rendered subject and data; raises InvalidRequest."""
        template = {"id": self.template_id, "data": data}
        shared = {key: value for key, value in defaults.items() if key not in _RESERVED_FIELDS}
        sender = {"from": self.sender} if self.sender else {}
        own = {"to": recipient, "subject": subject, "template": template}
        return EmailRequest.parse({**shared, **self.email, **sender, **own})
