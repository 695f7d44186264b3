"""What the emulator offers beside the API: inbox, calls, counts, faults, templates, callbacks, inbox page.

It answers requests without X-TC-Action. Errors are `{"error": …}` with a 4xx status.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from . import page
from .answer import Answer, json_answer
from .api import Request
from .templates import from_json

if TYPE_CHECKING:
    from .emulator import Emulator

PREFIX = "/_emulator/"

Item = TypeVar("Item")
Handler = Callable[["Emulator", str, dict[str, str], bytes], Any]


class AdminError(Exception):
    """A request to the admin API that cannot be answered; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def answer(emulator: "Emulator", request: Request) -> Answer:
    """The answer of the admin API, or the inbox page."""
    url = urlsplit(request.path)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    try:
        _refuse_foreign_origin(request)
        if url.path == "/" and request.method == "GET":
            return page.answer()
        name, _, rest = unquote(url.path).removeprefix(PREFIX).partition("/")
        return json_answer(_route(request.method, url.path, name)(emulator, rest, query, request.body))
    except AdminError as error:
        return json_answer({"error": str(error)}, error.status)
    except (ValueError, TypeError) as error:
        return json_answer({"error": str(error)}, 400)


def _refuse_foreign_origin(request: Request) -> None:
    """A web page somewhere must not change the emulator through a developer's browser."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise AdminError(403, "requests of other origins are refused")


def _route(method: str, path: str, name: str) -> Handler:
    handler = ROUTES.get((method, name))
    if handler is None or not path.startswith(PREFIX):
        raise AdminError(404, "not found; calls of the API carry X-TC-Action")
    return handler


def _inbox(emulator: "Emulator", rest: str, query: dict[str, str], _body: bytes) -> Any:
    if rest:
        mail = emulator.mailbox.mail(int(rest))
        if mail is None:
            raise AdminError(404, "no such email, or no longer kept")
        return mail.as_json()
    mails = emulator.inbox(
        to=query.get("to", ""),
        smtp_message_id=query.get("smtp_message_id", ""),
        after=int(query.get("after", "0")),
    )
    summary = "summary" in query
    return [mail.as_summary() if summary else mail.as_json() for mail in _newest(mails, query)]


def _calls(emulator: "Emulator", _rest: str, query: dict[str, str], _body: bytes) -> Any:
    return [asdict(call) for call in _newest(emulator.calls(), query)]


def _newest(items: list[Item], query: dict[str, str]) -> list[Item]:
    return items[max(0, len(items) - int(query["limit"])) :] if "limit" in query else items


def _reset(emulator: "Emulator", *_: Any) -> Any:
    emulator.reset()
    return {"ok": True}


def _add_fault(emulator: "Emulator", _rest: str, _query: dict[str, str], body: bytes) -> Any:
    wish = _object(body)
    match = wish.pop("match", {})
    if not isinstance(match, dict) or not all(isinstance(pattern, str) for pattern in match.values()):
        raise AdminError(400, "match maps names to patterns")
    return emulator.faults.add(_take(wish, "fault"), **wish, **match)


def _clear_faults(emulator: "Emulator", *_: Any) -> Any:
    emulator.faults.clear()
    return {"ok": True}


def _add_template(emulator: "Emulator", _rest: str, _query: dict[str, str], body: bytes) -> Any:
    template = from_json(_object(body))
    emulator.add_template(template)
    return asdict(template)


def _trigger_callback(emulator: "Emulator", _rest: str, _query: dict[str, str], body: bytes) -> Any:
    wish = _object(body)
    sequence = wish.pop("mail", None)
    mail = emulator.mailbox.mail(sequence) if isinstance(sequence, int) else None
    if mail is None:
        raise AdminError(404, "mail is the sequence number of a kept email")
    if not all(isinstance(wish.get(name, ""), str) for name in ("recipient", "url")):
        raise AdminError(400, "recipient and url are text")
    return emulator.callbacks.trigger(mail, _take(wish, "event"), **wish)


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body or b"{}")
    if not isinstance(value, dict):
        raise AdminError(400, "the body is a JSON object")
    return value


def _take(wish: dict[str, Any], name: str) -> str:
    value = wish.pop(name, None)
    if not isinstance(value, str):
        raise AdminError(400, f"{name} is required, as text")
    return value


# By method and the path after the prefix.
ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "health"): lambda *_: {"status": "ok"},
    ("GET", "counts"): lambda emulator, *_: emulator.counts(),
    ("GET", "inbox"): _inbox,
    ("DELETE", "inbox"): _reset,
    ("GET", "stats"): lambda emulator, *_: emulator.stats(),
    ("GET", "requests"): _calls,
    ("GET", "faults"): lambda emulator, *_: emulator.faults.rules(),
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "templates"): lambda emulator, *_: [
        asdict(template) for template in emulator.api.templates.all()
    ],
    ("POST", "templates"): _add_template,
    ("GET", "callbacks"): lambda emulator, *_: [asdict(callback) for callback in emulator.callbacks.log()],
    ("POST", "callbacks"): _trigger_callback,
}
