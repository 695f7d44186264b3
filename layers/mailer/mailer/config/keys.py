"""`[keys.NAME]` of mailer.toml: what the API key of that name may do."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from mailer.email.addresses import address_of
from mailer.email.field_errors import Rule
from mailer.email.field_types import AsTuple
from mailer.errors import Forbidden

from .table import NamedTable

Permission = Literal["send", "read", "digest", "operate"]
_Permission = Annotated[Permission, Rule("must be one of: send, read, digest, operate")]
_Pattern = Annotated[
    str,
    StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$"),
    Rule("must be an address, in which * stands for any characters but @"),
]
_Namespace = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$"),
    Rule("must be 1 to 64 letters, digits, dots, dashes and underscores"),
]


class ApiKey(NamedTable):
    """One API key by its name: its permissions, the senders that it may use, its namespace.

    Without a table it may send, read and digest, from any sender. Its idempotency keys count within
    `namespace`, where "" is the account's own.
    """

    SECTION: ClassVar[str] = "keys"
    UNKNOWN_KEY: ClassVar[str] = "unknown key of an API key's table"

    may: Annotated[tuple[_Permission, ...], AsTuple] = ("send", "read", "digest")
    senders: Annotated[tuple[_Pattern, ...], AsTuple] | None = Field(None, alias="from")
    namespace: _Namespace = ""

    def check_permission(self, permission: Permission) -> None:
        """Return if the key has the permission; raises Forbidden."""
        if permission not in self.may:
            raise Forbidden(f"the key `{self.name}` lacks the permission `{permission}`")

    def check_sender(self, *senders: str | None) -> None:
        """Return if the key may use each of `senders`, where None is none; raises Forbidden."""
        for sender in filter(None, senders):
            if not self._may_use(address_of(sender)):
                raise Forbidden(f"the key `{self.name}` may not send as `{address_of(sender)}`")

    def _may_use(self, address: str) -> bool:
        return self.senders is None or any(_fits(pattern, address) for pattern in self.senders)


def _fits(pattern: str, address: str) -> bool:
    """Return whether `address` fits `pattern`, whatever the case of its letters."""
    expression = re.escape(pattern).replace(r"\*", "[^@]*")
    return bool(re.fullmatch(expression, address, re.IGNORECASE))
