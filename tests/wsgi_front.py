"""A WSGI application that passes HTTP requests to the handler as events of any shape."""

from __future__ import annotations

import base64
import http.client
from typing import TYPE_CHECKING, Any

from factories import LambdaContext, scf_context
from http_calls import OF_SCF
from mailer.http_api import app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from http_calls import Shape

TEXT_ONLY = frozenset({"scf_url"})  # this shape has no flag for base64


def front(shape: Shape) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Return the application that converts its requests to events of `shape`."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {
            name.removeprefix("HTTP_").replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or (name == "CONTENT_TYPE" and value)
        }
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace").replace("?", "%3F")
        event = shape(environ["REQUEST_METHOD"], path, headers, body.decode(errors="replace"))
        if "body" in event and shape.__name__ not in TEXT_ONLY:
            event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        answer = app.handle(event, scf_context() if shape in OF_SCF else LambdaContext())
        status = answer["statusCode"]
        start_response(
            f"{status} {http.client.responses[status]}",
            [(name, value.encode().decode("latin-1")) for name, value in answer["headers"].items()],
        )
        text = answer["body"].encode()
        return [base64.b64decode(text) if answer["isBase64Encoded"] else text]

    return application
