"""Hypothesis strategies: request bodies that are valid, and JSON that is anything."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from mailer.email import limits
from mailer.email.addresses import domain_of

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Json = Any

_DOUBLE = 1.7e308

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
header_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), min_size=1, max_size=40
)
addresses = st.from_regex(
    r"[a-z0-9!+_~-]{1,20}(\.[A-Z]{1,9})?@([a-z0-9]{1,9}\.){1,3}[A-Za-z]{2,6}", fullmatch=True
)
aliases = header_text.filter(lambda alias: alias == alias.strip() and not set(alias) & set("<>:"))
senders = addresses | st.builds("<{}>".format, addresses) | st.builds("{} <{}>".format, aliases, addresses)
numbers = st.integers(-(2**70), 2**70) | st.floats(-_DOUBLE, _DOUBLE)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=12,
)
json_objects = st.dictionaries(text, json_values, max_size=4)
instants = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001 - the time zone comes from `timezones`
    max_value=datetime(2026, 1, 1),  # noqa: DTZ001 - a request's times are at most 30 days ahead
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
header_names = st.from_regex(r"X-[A-Za-z0-9!/~.]{1,12}", fullmatch=True)
headers = st.dictionaries(header_names, header_text, max_size=3).filter(
    lambda found: len({name.lower() for name in found}) == len(found)
)
attachments = st.fixed_dictionaries(
    {
        "filename": st.builds(
            "{}.{}".format,
            st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True),
            st.sampled_from(sorted(limits.SUPPORTED_FILE_TYPES)).flatmap(
                lambda name: st.sampled_from([name, name.upper()])
            ),
        ),
        "content": st.binary(max_size=20).map(lambda content: base64.b64encode(content).decode()),
    }
)
templates = st.fixed_dictionaries({"id": st.integers(1, 2**64 - 1)}, optional={"data": json_objects})
simples = st.fixed_dictionaries({"html": text.filter(bool)}, optional={"text": text}) | st.fixed_dictionaries(
    {"text": text.filter(bool)}
)


def of_domain(sender: str) -> SearchStrategy[str]:
    """Return senders of the domain of `sender`, in another case."""
    address = f"help@{domain_of(sender).upper()}"
    return st.just(address) | st.builds("{} <{}>".format, aliases, st.just(address))


@st.composite
def own_bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a valid body in the form of `EmailRequest`."""
    mailboxes = draw(st.lists(addresses, min_size=1, max_size=12, unique_by=str.lower))
    cut = sorted(draw(st.tuples(*[st.integers(0, len(mailboxes))] * 2)))
    body: dict[str, Any] = {
        "from": draw(senders),
        "subject": draw(header_text),
        "to": mailboxes[: cut[0]],
        "cc": mailboxes[cut[0] : cut[1]],
        "bcc": mailboxes[cut[1] :],
    }
    body |= draw(st.fixed_dictionaries({"template": templates}) | st.fixed_dictionaries({"simple": simples}))
    body |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "reply_to": addresses,
                "attachments": st.lists(attachments, max_size=3),
                "unsubscribe": st.sampled_from([*limits.UNSUBSCRIBE_LANGUAGES, *range(12)]),
                "trigger_type": st.sampled_from([*limits.TRIGGER_TYPES, 0, 1]),
                "headers": headers,
                "idempotency_key": header_text,
                "on_unknown": st.sampled_from(["resend", "hold"]),
            },
        )
    )
    if draw(st.booleans()):
        body["header_from"] = draw(of_domain(body["from"]))
    moments = draw(st.lists(instants, max_size=2, unique=True).map(sorted))
    names = (
        ["send_at", "expires_at"] if len(moments) > 1 else draw(st.permutations(["send_at", "expires_at"]))
    )
    return body | {name: moment.isoformat() for name, moment in zip(names, moments, strict=False)}


def native_body(own: dict[str, Any]) -> dict[str, Any]:
    """Return the native SendEmail body that asks for the same as `own`."""
    renamed = {
        "from": "FromEmailAddress", "to": "Destination", "cc": "Cc", "bcc": "Bcc", "subject": "Subject",
        "reply_to": "ReplyToAddresses", "header_from": "HeaderFrom", "unsubscribe": "Unsubscribe",
        "trigger_type": "TriggerType", "idempotency_key": "SmtpMessageId",
    }  # fmt: skip
    native = {renamed.get(name, name): value for name, value in own.items()}
    if template := native.pop("template", None):
        native["Template"] = {
            "TemplateID": template["id"],
            "TemplateData": json.dumps(template.get("data", {})),
        }
    if simple := native.pop("simple", None):
        native["Simple"] = {
            name.title(): base64.b64encode(part.encode()).decode() for name, part in simple.items()
        }
    if "attachments" in native:
        native["Attachments"] = [
            {"FileName": one["filename"], "Content": one["content"]} for one in native.pop("attachments")
        ]
    if "headers" in native:
        native["SmtpHeaders"] = json.dumps(native.pop("headers"))
    return native


def places(document: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a JSON document."""
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    return [place, *(found for key, value in items for found in places(value, (*place, key)))]


def replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a JSON document with another value at `place`."""
    if not place:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[place[0]] = replaced(document[place[0]], place[1:], value)
    return copy


@st.composite
def mutated_bodies(draw: st.DrawFn, bodies: SearchStrategy[dict[str, Any]]) -> Any:
    """Draw a valid body in which one value, wherever it is, is another one."""
    body = draw(bodies)
    place = draw(st.sampled_from(places(body)))
    return replaced(body, place, draw(json_values | numbers | st.text(max_size=20)))
