"""What a single request can bring about by itself, where the error table would halt a whole scope.

A halt needs a fault of its scope: the other requests of the same account, sender or template meet it too.
Where the request has something that can be the cause, and that the others need not have, it is rejected
alone. Should the scope be at fault nevertheless, the next request without it halts the scope.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mailer.email.addresses import address_of

from .error_table import Action, Rule, Scope, rule_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailer.email.request import EmailRequest

_ORIGINATOR_HEADERS = frozenset({"sender", "return-path", "resent-from", "resent-sender", "dkim-signature"})
_LINK = re.compile(r"://|[\w-]\.[a-z]{2}", re.IGNORECASE)  # clients make links of plain domains too


def rule_for_request(code: str, request: EmailRequest) -> Rule:
    """Return the table's rule for `code`, as a rejection where `request` can have brought it about alone."""
    rule = rule_for(code)
    if any(FAULTS[name](request) for name in rule.unless):
        return rule._replace(action=Action.REJECT, scope=Scope.REQUEST, delay=None)
    return rule


def _has_other_header_from(request: EmailRequest) -> bool:
    """Return whether the header From names an address that the sender's other requests need not name."""
    sender, shown = request.sender, request.header_from or request.sender
    return address_of(shown).lower() != address_of(sender).lower()


def _has_originator_header(request: EmailRequest) -> bool:
    return any(name.lower() in _ORIGINATOR_HEADERS for name in request.headers)


def _has_link(request: EmailRequest) -> bool:
    """Return whether there is a link in what the request adds to its template."""
    data = request.template.data if request.template else {}
    return any(_LINK.search(text) for text in (request.subject, *_texts(data)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


FAULTS: dict[str, Callable[[EmailRequest], bool]] = {
    "header_from": _has_other_header_from,
    "originator header": _has_originator_header,
    "link": _has_link,
    "template": lambda request: request.template is not None,
}
