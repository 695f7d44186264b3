"""`POST /digests/{digest}/items`: what a recipient's next digest shall tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response

from mailer.digest.items import add_items
from mailer.email.strict_json import read_json
from mailer.errors import FieldError, InvalidRequest

from .problems import problem

if TYPE_CHECKING:
    from .context import Call


def post_items(call: Call) -> Response[str]:
    """Keep the item of the body, or its list of items; raises InvalidRequest and StoreUnavailable."""
    name = unquote(call.path["digest"])
    if name not in call.runtime.config.digests:
        return problem(404, "NotFound", "no digest of mailer.toml has this name")
    document = read_json(call.request.body)
    items = document if isinstance(document, list) else [document]
    if not items:
        raise InvalidRequest.at("", "must have at least one item")
    try:
        added = add_items(name, items, call.runtime)
    except InvalidRequest as error:
        if items is document:
            raise
        raise InvalidRequest(
            FieldError(one.pointer.removeprefix("/0"), one.detail) for one in error.errors
        ) from None
    answer = {"digest": name, "accepted": added.accepted, "duplicates": added.duplicates}
    return Response(202, "application/json", json.dumps(answer))
