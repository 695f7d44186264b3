"""`POST /digests/{digest}/items`: add items to the next digest of their recipients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response

from mailer.digest.items import add_items
from mailer.email.strict_json import read_json
from mailer.errors import InvalidRequest

from .problems import problem

if TYPE_CHECKING:
    from .context import RequestContext


def post_items(context: RequestContext) -> Response[str]:
    """Store the item or the list of items in the body; raises InvalidRequest and StoreUnavailable."""
    name = unquote(context.path["digest"])
    if name not in context.runtime.config.digests:
        return problem(404, "NotFound", "no digest of mailer.toml has this name")
    document = read_json(context.request.body)
    items = document if isinstance(document, list) else [document]
    if not items:
        raise InvalidRequest.at("", "must have at least one item")
    try:
        added = add_items(name, items, context.runtime)
    except InvalidRequest as error:
        if items is document:
            raise
        raise error.relative_to("/0") from None
    result = {"digest": name, "accepted": added.accepted, "duplicates": added.duplicates}
    return Response(202, "application/json", json.dumps(result))
