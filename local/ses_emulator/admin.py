"""The admin API and the inbox page: emails, calls, counts, faults, callbacks, and what SES decides.

It serves requests without X-TC-Action. Errors are `{"error": …}` with a 4xx status.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from . import page
from .account import Account
from .addresses import is_address, is_domain
from .api import Request
from .delivery import REASONS
from .identities import Identity
from .response import Response, json_response
from .templates import from_json

PREFIX = "/_emulator/"

Item = TypeVar("Item")
Handler = Callable[[Account, str, dict[str, str], bytes], Any]


class AdminError(Exception):
    """A request that the admin API rejects; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def respond(account: Account, request: Request) -> Response:
    """Return the response of the admin API, or the inbox page."""
    url = urlsplit(request.path)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    try:
        if url.path == "/" and request.method == "GET":
            return page.response()
        name, _, rest = unquote(url.path).removeprefix(PREFIX).partition("/")
        return json_response(_route(request.method, url.path, name)(account, rest, query, request.body))
    except AdminError as error:
        return json_response({"error": str(error)}, error.status)
    except (ValueError, TypeError) as error:
        return json_response({"error": str(error)}, 400)


def _route(method: str, path: str, name: str) -> Handler:
    handler = ROUTES.get((method, name))
    if handler is None or not path.startswith(PREFIX):
        raise AdminError(404, "not found; calls of the SES API carry X-TC-Action")
    return handler


def _inbox(account: Account, rest: str, query: dict[str, str], _body: bytes) -> Any:
    if rest:
        mail = account.mailbox.mail(int(rest))
        if mail is None:
            raise AdminError(404, "no such email, or it is no longer stored")
        return mail.as_json()
    mails = account.inbox(
        to=query.get("to", ""),
        smtp_message_id=query.get("smtp_message_id", ""),
        after=int(query.get("after", "0")),
    )
    summary = "summary" in query
    return [mail.as_summary() if summary else mail.as_json() for mail in _newest(mails, query)]


def _calls(account: Account, _rest: str, query: dict[str, str], _body: bytes) -> Any:
    return [call.as_json() for call in _newest(account.calls(), query)]


def _newest(items: list[Item], query: dict[str, str]) -> list[Item]:
    return items[max(0, len(items) - int(query["limit"])) :] if "limit" in query else items


def _reset(account: Account, *_: Any) -> Any:
    account.reset()
    return {"ok": True}


def _add_fault(account: Account, _rest: str, _query: dict[str, str], body: bytes) -> Any:
    fields = _json_object(body)
    match = fields.pop("match", {})
    if not isinstance(match, dict) or not all(isinstance(pattern, str) for pattern in match.values()):
        raise AdminError(400, "match must map names to patterns")
    return account.faults.add(_pop_text(fields, "fault"), **fields, **match)


def _clear_faults(account: Account, *_: Any) -> Any:
    account.faults.clear()
    return {"ok": True}


def _add_template(account: Account, _rest: str, _query: dict[str, str], body: bytes) -> Any:
    template = from_json(_json_object(body))
    account.add_template(template)
    return asdict(template)


def _review_template(account: Account, rest: str, _query: dict[str, str], body: bytes) -> Any:
    template = account.resources.templates.get(int(rest))
    if template is None:
        raise AdminError(404, "no such template")
    reviewed = from_json({**asdict(template), **_json_object(body), "id": template.id})
    account.add_template(reviewed)
    return asdict(reviewed)


def _store_domain(account: Account, rest: str, _query: dict[str, str], body: bytes) -> Any:
    fields = {"verified": True, **_json_object(body)}
    published = fields.pop("published", fields["verified"])
    if set(fields) != {"verified"} or {type(published), type(fields["verified"])} != {bool}:
        raise AdminError(400, "a domain has verified and published, true or false")
    if not is_domain(rest):
        raise AdminError(400, "the path must end with a domain name")
    identities = account.resources.identities
    known = {identity.domain: identity for identity in identities.domains()}
    identity = known.get(rest.lower(), Identity(rest.lower(), published=False, verified=False))
    return asdict(
        identities.store_domain(replace(identity, published=published, verified=fields["verified"]))
    )


def _block(account: Account, rest: str, _query: dict[str, str], body: bytes) -> Any:
    if not is_address(rest):
        raise AdminError(400, "the path must end with an email address")
    fields = {"reason": REASONS["bounce"], **_json_object(body)}
    return asdict(account.resources.blocklists.add_bounced(rest, _pop_text(fields, "reason")))


def _reset_all(account: Account, *_: Any) -> Any:
    account.reset_all()
    return {"ok": True}


def _templates(account: Account, *_: Any) -> Any:
    return [asdict(template) for template in account.resources.templates.all()]


def _domains(account: Account, *_: Any) -> Any:
    return [asdict(identity) for identity in account.resources.identities.domains()]


def _blocked(account: Account, *_: Any) -> Any:
    return [asdict(entry) for entry in account.resources.blocklists.bounced()]


def _trigger_callback(account: Account, _rest: str, _query: dict[str, str], body: bytes) -> Any:
    fields = _json_object(body)
    sequence = fields.pop("mail", None)
    mail = account.mailbox.mail(sequence) if isinstance(sequence, int) else None
    if mail is None:
        raise AdminError(404, "mail must be the sequence number of a stored email")
    if not all(isinstance(fields.get(name, ""), str) for name in ("recipient", "url")):
        raise AdminError(400, "recipient and url must be strings")
    return account.callbacks.trigger(mail, _pop_text(fields, "event"), **fields)


def _json_object(body: bytes) -> dict[str, Any]:
    value = json.loads(body or b"{}")
    if not isinstance(value, dict):
        raise AdminError(400, "the body must be a JSON object")
    return value


def _pop_text(fields: dict[str, Any], name: str) -> str:
    value = fields.pop(name, None)
    if not isinstance(value, str):
        raise AdminError(400, f"{name} is required and must be a string")
    return value


# By method and the first part of the path after the prefix.
ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "health"): lambda *_: {"status": "ok"},
    ("GET", "counts"): lambda account, *_: account.counts(),
    ("GET", "inbox"): _inbox,
    ("DELETE", "inbox"): _reset,
    ("GET", "stats"): lambda account, *_: account.stats(),
    ("GET", "requests"): _calls,
    ("GET", "faults"): lambda account, *_: account.faults.rules(),
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "templates"): _templates,
    ("POST", "templates"): _add_template,
    ("PATCH", "templates"): _review_template,
    ("GET", "domains"): _domains,
    ("PUT", "domains"): _store_domain,
    ("GET", "blocked"): _blocked,
    ("PUT", "blocked"): _block,
    ("DELETE", "account"): _reset_all,
    ("GET", "callbacks"): lambda account, *_: [asdict(callback) for callback in account.callbacks.log()],
    ("POST", "callbacks"): _trigger_callback,
}
