"""Webhooks as the senders' own libraries sign and verify them: the HTTP function takes what they take."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import time
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from http_calls import api_gateway_v2, call
from local import signing
from sample_kinds import SENDERS

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

pytestmark = pytest.mark.python_3_11

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
HOST = "hooks.shop.example"
FORM = "application/x-www-form-urlencoded"
BODY = '{"id": "evt_1", "event_id": "evt_1", "name": "Zoë 🌿"}'
TEXT = {"From": "+14158675309", "Body": "Grüße & mehr + 1", "Empty": "", "to": "x", "To": "+18005551212"}
PACKAGES = {
    "github": "@octokit/webhooks-methods",
    "hubspot": "hubspot-api-client",
    "mailgun": "mailgun",
    "paddle": "paddle-python-sdk",
    "shopify": "shopifyapp",
    "slack": "slack-sdk",
    "standard-webhooks": "standardwebhooks",
    "stripe": "stripe",
    "twilio": "twilio",
}
SIGNS = sorted({*PACKAGES} - {"mailgun", "shopify"})
SECRETS = dict.fromkeys(PACKAGES, "a-secret-of-the-tests") | {
    "standard-webhooks": "whsec_" + base64.b64encode(b"a-secret-of-the-tests").decode()
}
OTHER = "whsec_" + base64.b64encode(b"a-secret-of-anyone").decode()  # fits every scheme


@cache
def now() -> int:
    """Return the Unix time at which all deliveries are signed: the first test's, since they expire."""
    return int(time.time())


@dataclass(frozen=True)
class Sent:
    """One delivery of a sender, signed with `secret`; the names of headers are in lower case."""

    sender: str
    secret: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    path: str = ""

    @property
    def url(self) -> str:
        return f"https://{self.headers.get('host', HOST)}{self.path or f'/webhooks/{self.sender}'}"

    def task(self, kind: str, **more: Any) -> dict[str, Any]:
        """Return it as a task of the programs that run the libraries."""
        return {
            "task": kind,
            "sender": self.sender,
            "secret": self.secret,
            "method": "POST",
            "url": self.url,
            "headers": self.headers,
            "body": self.body,
            **more,
        }

    def status(self) -> int:
        """Return how the HTTP function answers it."""
        path = self.path or f"/webhooks/{self.sender}"
        headers = {"Authorization": "", "host": HOST, **self.headers}
        headers["Content-Type"] = headers.pop("content-type", "application/json")
        return call("POST", path, self.body, headers=headers, shape=_with_query)[0]


def _with_query(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {**api_gateway_v2(method, path, headers, text), "rawQueryString": query}


def signed(
    sender: str, body: str = BODY, moment: int | None = None, signer_secret: str | None = None, **changes: Any
) -> Sent:
    """Return a delivery as this project signs it: by the signers of the samples, where they know it."""
    sent = Sent(sender, SECRETS[sender], body, **changes)
    text, moment = signer_secret or sent.secret, moment or now()
    secret = text.encode()
    if sender == "paddle":
        made = {"Paddle-Signature": f"ts={moment};h1={_mac(secret, f'{moment}:{body}')}"}
    elif sender == "mailgun":
        token = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
        proof = {"timestamp": str(moment), "token": token, "signature": _mac(secret, f"{moment}{token}")}
        if sent.headers.get("content-type") == FORM:
            return replace(sent, body=urlencode({**proof, "sender": "mia@customer.example"}))
        return replace(sent, body=json.dumps({"signature": proof, "event-data": {"name": body}}))
    else:
        signer = getattr(signing, sender.replace("-", "_"))
        made = signer(text, body.encode(), "msg_1", moment, sent.url)
    headers = {name.lower(): value for name, value in made.items()}
    return replace(sent, headers=sent.headers | headers)


def _mac(secret: bytes, text: str) -> str:
    return hmac.digest(secret, text.encode(), "sha256").hex()


def form(sender: str, text: str = "", path: str = "", **changes: Any) -> Sent:
    """Return a delivery of a form."""
    return signed(sender, text or urlencode(TEXT), headers={"content-type": FORM}, path=path, **changes)


def with_header(sent: Sent, change: Any) -> Sent:
    """Return a delivery whose signature is another."""
    (name,) = (name for name in sent.headers if "signature" in name or "hmac" in name)
    return replace(sent, headers={**sent.headers, name: change(sent.headers[name])})


def common(sender: str) -> dict[str, Sent]:
    """Return what every sender could send whose signature is in a header."""
    right = form(sender) if sender == "twilio" else signed(sender)
    text = right.body
    make = form if sender == "twilio" else signed
    return {
        "right": right,
        "wrong secret": make(sender, text, signer_secret=OTHER),
        "changed body": replace(right, body=text + ("&a=1" if sender == "twilio" else " ")),
        "no body": replace(right, body=""),
        "no signature": replace(
            right, headers={k: right.headers[k] for k in right.headers if k == "content-type"}
        ),
        "empty signature": with_header(right, lambda _: ""),
        "shorter signature": with_header(right, lambda value: value[:-4]),
        "signature with more after it": with_header(right, lambda value: value + "0"),
        "signature in capitals": with_header(right, str.upper),
    }


def timed(sender: str) -> dict[str, Sent]:
    """Return what a sender could send that signs a time."""
    return {
        f"{seconds} seconds": signed(sender, moment=now() + seconds) for seconds in (-3600, -400, -100, 3600)
    }


def twilio() -> dict[str, Sent]:
    """Return what Twilio alone signs: URLs with and without their port, bodies in JSON, other algorithms."""
    whole, digest = '{"a": "é"}', hashlib.sha256('{"a": "é"}'.encode()).hexdigest()
    path = f"/webhooks/twilio?bodySHA256={digest}"
    document = replace(signed("twilio", "", path=path), body=whole)
    right = form("twilio")
    port = form("twilio").headers | {"host": f"{HOST}:443"}
    shared = base64.b64encode(
        hmac.digest(
            right.secret.encode(),
            (right.url + "".join(name + TEXT[name] for name in sorted(TEXT))).encode(),
            "sha256",
        )
    ).decode()
    key = {**right.headers, "x-twilio-signature": shared}
    settings = "x-twilio-webhooks-signature-settings"
    return {
        "JSON": document,
        "JSON changed": replace(document, body=whole + " "),
        "no body, no form, no hash": replace(signed("twilio", "", path="/webhooks/twilio?a=1"), body=""),
        "fields in another order": replace(right, body="&".join(reversed(right.body.split("&")))),
        "field of one name and two values": form("twilio", "Body=b&Body=a&Body=b", signer_secret=None),
        "query": form("twilio", path="/webhooks/twilio?to=%C3%A9&x=a+b"),
        "port that is not signed": replace(right, headers=port),
        "another port that is not signed": replace(right, headers=port | {"host": f"{HOST}:8443"}),
        "port that is signed alone": replace(form("twilio", path=""), headers=port_signed(right)),
        "another host": replace(right, headers=port | {"host": "hooks.example"}),
        "shared key": replace(right, headers={**key, settings: "key=k1,algorithm=HMAC_SHA256"}),
        "shared key, changed": replace(
            right, body=right.body + "&a=1", headers={**key, settings: "key=k1,algorithm=HMAC_SHA256"}
        ),
    }


def port_signed(right: Sent) -> dict[str, str]:
    """Return headers that sign the URL with the port that `https` has, to a host that is named without it."""
    signed_there = signing.twilio(
        right.secret, right.body.encode(), "", 0, right.url.replace(HOST, f"{HOST}:443")
    )
    return {**right.headers, **{name.lower(): value for name, value in signed_there.items()}}


def mailgun() -> dict[str, Sent]:
    """Return what Mailgun could send: its signature is in the body."""
    right, letters = signed("mailgun"), form("mailgun")
    return {
        "right": right,
        "form": letters,
        "form changed": replace(letters, body=letters.body.replace("token=a", "token=b")),
        "wrong secret": signed("mailgun", signer_secret=OTHER),
        "another token": replace(right, body=right.body.replace("a8ce0edb", "a8ce0edc")),
        "another time": replace(right, body=right.body.replace(str(now()), str(now() + 1))),
        "no signature": replace(right, body='{"signature": {}}'),
        "no body": replace(right, body=""),
        "another event under the signature": replace(right, body=right.body.replace("evt_1", "evt_2")),
        **timed("mailgun"),
    }


def several(sender: str, first: str, rest: str) -> dict[str, Sent]:
    """Return deliveries with several signatures, of which one is right, or none."""
    right = signed(sender)
    return {
        "several signatures": with_header(right, lambda value: value.replace(first, rest + first)),
        "several wrong signatures": with_header(
            signed(sender, signer_secret=OTHER), lambda value: value.replace(first, rest + first)
        ),
        "signature of another version": with_header(
            right, lambda value: value.replace(first, first[0] + "9" + first[2:])
        ),
        **timed(sender),
    }


@cache
def cases() -> dict[str, dict[str, Sent]]:
    """Return the deliveries of each sender, by what they are."""
    return {
        "github": {**common("github"), "form": form("github", "payload=%7B%7D")},
        "hubspot": {
            **common("hubspot"),
            **timed("hubspot"),
            "query": signed("hubspot", path="/webhooks/hubspot?portal=1&name=%C3%A9"),
            "another query": replace(signed("hubspot"), path="/webhooks/hubspot?portal=2"),
        },
        "mailgun": mailgun(),
        "paddle": {**common("paddle"), **several("paddle", "h1=", "h1=00;")},
        "shopify": {**common("shopify"), "signed empty body": signed("shopify", "")},
        "slack": {
            **common("slack"),
            **timed("slack"),
            "form": form("slack", "command=%2Fask&text=Gr%C3%BC%C3%9Fe"),
            "signed empty body": signed("slack", ""),
        },
        "standard-webhooks": {
            **common("standard-webhooks"),
            **several("standard-webhooks", "v1,", "v1,AAAA "),
            "another id": replace(
                signed("standard-webhooks"),
                headers={**signed("standard-webhooks").headers, "webhook-id": "msg_2"},
            ),
        },
        "stripe": {
            **common("stripe"),
            **several("stripe", "v1=", "v0=00,v1=00,"),
            "signed empty body": signed("stripe", ""),
        },
        "twilio": {**common("twilio"), **twilio()},
    }


# What a library takes and this project refuses: a time to come, what is left after the end of base64, and no
# body where neither its type nor its hash says what it should be.
STRICTER = {
    ("stripe", "3600 seconds"),
    ("hubspot", "3600 seconds"),
    ("standard-webhooks", "signature with more after it"),
    ("twilio", "no body, no form, no hash"),
}


def answers(sender: str, tasks: list[dict[str, Any]]) -> list[Any]:
    """Return what the libraries answer to tasks: one program, and not one for each task."""
    program = (
        ["node", str(HERE / "github.mjs")]
        if sender == "github"
        else [str(ROOT / ".venv-senders/bin/python"), str(HERE / "libraries.py")]
    )
    done = subprocess.run(program, input=json.dumps(tasks), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def tasks_of(sender: str) -> list[dict[str, Any]]:
    """Return a task for each case, then one that signs where the library can."""
    tasks = [sent.task("verify") for sent in cases()[sender].values()]
    if sender in SIGNS:
        tasks.append(unsigned(sender).task("sign", time=now()))
    return tasks


def unsigned(sender: str) -> Sent:
    """Return a delivery that the library signs."""
    if sender == "twilio":
        return Sent(sender, SECRETS[sender], urlencode(TEXT), {"content-type": FORM})
    return Sent(sender, SECRETS[sender], BODY)


@pytest.fixture(scope="session")
def libraries() -> dict[str, list[Any]]:
    """The answers of each sender's library, to `tasks_of`."""
    senders = [sender for sender in PACKAGES if sender != "github"]
    tasks = {sender: tasks_of(sender) for sender in senders}
    found = iter(answers("", [task for sender in senders for task in tasks[sender]]))
    return {
        "github": answers("github", tasks_of("github")),
        **{sender: [next(found) for _ in tasks[sender]] for sender in senders},
    }


@pytest.fixture(autouse=True)
def _sources(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tables = []
    for sender in PACKAGES:
        variable = f"MAILER_OF_{sender.upper().replace('-', '_')}"
        monkeypatch.setenv(variable, SECRETS[sender])
        tables.append(
            f'[webhooks.{sender}]\nscheme = "{sender}"\nsecret_env = "{variable}"\n'
            f"[webhooks.{sender}.email]\n"
            'from = "shop@mail.shop.example"\nto = "team@shop.example"\nsubject = "A webhook"\n'
            'template = {id = 100093, data = {name = "team", message = "it came."}}\n'
        )
    config = tmp_path / "mailer.toml"
    config.write_text("\n".join(tables), encoding="utf-8")
    monkeypatch.setenv("MAILER_CONFIG", str(config))


def row(sender: str, note: str) -> ParameterSet:
    """Return a sender with its row of docs/compatibility.md."""
    mark = pytest.mark.compatible("Webhook senders", SENDERS[sender], note, package=PACKAGES[sender])
    return pytest.param(sender, marks=mark)


@pytest.mark.parametrize("sender", [row(sender, "its library") for sender in sorted(PACKAGES)])
def test_function_takes_what_the_library_takes(libraries: dict[str, list[Any]], sender: str) -> None:
    names = list(cases()[sender])
    theirs = {name: found is True for name, found in zip(names, libraries[sender], strict=False)}
    statuses = {name: sent.status() for name, sent in cases()[sender].items()}
    assert set(statuses.values()) <= {200, 400, 401, 422}  # 400 and 422: a body that is no payload
    assert theirs["right"]
    assert not theirs["wrong secret"]
    differences = {name for name, status in statuses.items() if theirs[name] is not (status != 401)}
    assert differences == {name for of, name in STRICTER if of == sender}
    assert all(statuses[name] == 401 for name in differences)


@pytest.mark.parametrize("sender", [row(sender, "its library") for sender in SIGNS])
def test_function_takes_what_the_library_signs(libraries: dict[str, list[Any]], sender: str) -> None:
    sent, ours = unsigned(sender), cases()[sender]["right"]
    (name,) = (name for name in ours.headers if "signature" in name)
    signature = libraries[sender][-1]
    others = {key: value for key, value in ours.headers.items() if key != name}
    sent = replace(sent, headers={**sent.headers, **others, name: signature})
    assert signature == ours.headers[name]  # the samples are signed as the library signs
    assert sent.status() == 200
    assert replace(sent, body=sent.body.replace("e", "a", 1)).status() == 401
