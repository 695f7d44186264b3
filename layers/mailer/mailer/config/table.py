"""Tables of mailer.toml as pydantic models: an error names table, key and rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, PrivateAttr, ValidationError

from mailer.email.field_errors import MESSAGES, Rule, errors_at, field_errors
from mailer.email.request import EmailRequest
from mailer.errors import ConfigurationError

if TYPE_CHECKING:
    from typing_extensions import Self

    from mailer.email.field_errors import Location

EMAIL_FIELDS = frozenset(field.alias or name for name, field in EmailRequest.model_fields.items())
HTML_FIELDS = {"template": "data", "simple": "html"}  # the parts of an email's fields that are HTML
_TOML_MESSAGES = {**MESSAGES, "dict_type": "must be a table", "model_type": "must be a table"}


class Table(BaseModel):
    """A table with fixed keys; `UNKNOWN_KEY` begins the message for any other key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    UNKNOWN_KEY: ClassVar[str] = "unknown key"

    @classmethod
    def parse(cls, location: Location, value: Any, **context: Any) -> Self:
        """Return the table at `location`, such as `("digests", "daily")`; raises ConfigurationError.

        The validators get `context`. An unknown key is reported first: it is why another one is missing.
        """
        try:
            return cls.model_validate(value, context=context)
        except ValidationError as error:
            keys = sorted(field.alias or name for name, field in cls.model_fields.items())
            unknown_key = f"{cls.UNKNOWN_KEY}, must be one of: {', '.join(keys)}"
            errors = field_errors(error, {**_TOML_MESSAGES, "extra_forbidden": unknown_key})
            below, rule = min(errors, key=lambda one: one[1] != unknown_key)
            raise ConfigurationError(setting_at(*location, *below), rule) from error


class NamedTable(Table):
    """A table `[SECTION.NAME]`; the name is no key of the table."""

    SECTION: ClassVar[str]

    _name: str = PrivateAttr()

    @property
    def name(self) -> str:
        """The table's own name, which is unique in its section."""
        return self._name

    @classmethod
    def from_toml(cls, name: str, table: Any, **context: Any) -> Self:
        """Return the table `[SECTION.NAME]`; raises ConfigurationError."""
        return cls.parse((cls.SECTION, name), table, name=name, **context)

    def model_post_init(self, context: Any) -> None:
        """Take the name from the context of `from_toml`."""
        self._name = context["name"]


def setting_at(*location: Any) -> str:
    """Return how errors name a location in mailer.toml, such as `mailer.toml [digests.daily] hour`."""
    parts = [str(part) for part in location if part != "[key]"]  # pydantic's mark for the key of a dict
    depth = 1 if parts[:1] == ["defaults"] else 2
    table = f"mailer.toml [{'.'.join(parts[:depth])}]" if parts else "mailer.toml"
    return f"{table} {'.'.join(parts[depth:])}".rstrip()


def _check_email_fields(table: dict[str, Any]) -> dict[str, Any]:
    if unknown := sorted(table.keys() - EMAIL_FIELDS):
        raise errors_at(((name,), MESSAGES["extra_forbidden"]) for name in unknown)
    return table


EmailFields = Annotated[
    dict[str, Any], Rule("must be a table of EmailRequest fields"), AfterValidator(_check_email_fields)
]
