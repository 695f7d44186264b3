"""The signatures of known senders: their documented vectors, and what is forged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from mailer.config.webhook_delivery import Delivery
from mailer.config.webhook_hmac import HmacTable
from mailer.config.webhook_presets import PRESETS
from mailer.config.webhook_schemes import SCHEMES
from mailer.config.webhooks import WebhookSource
from mailer.email.identity import PlatformKey
from mailer.errors import ConfigurationError, InvalidRequest
from sample_kinds import sender as row

FORM = "application/x-www-form-urlencoded"
SECRET = b"a-secret-of-the-tests"
HOOKS = "hooks.shop.example"
# Slack, "Verifying requests from Slack"; Twilio, "Webhooks security" and the tests of its library;
# GitHub, "Validating webhook deliveries"; the tests of the Python libraries of HubSpot and of Paddle.
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
    b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
TWILIO_FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
VECTORS = {
    "hubspot": (
        b"yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
        15_000,
        Delivery(
            {
                "host": "www.example.com",
                "x-hubspot-request-timestamp": "15000000",
                "x-hubspot-signature-v3": "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=",
            },
            b"{'example_field':'example_value'}",
            full_path="/webhook_uri",
        ),
    ),
    "paddle": (
        b"pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_WvRO0eL4Bj9rgYYIBZY6wZhG4EHy9jzh",
        1_696_195_954,
        Delivery(
            {
                "paddle-signature": "ts=1696195954;h1=dummy;"
                "h1=d96299976a6eb066f484d7fde011ac56fc32b38fc9940bc419d6e537fdc6ef02"
            },
            b"hello-world",
        ),
    ),
    "slack": (
        b"8f742231b10e8888abcd99yyyzzz85a5",
        1531420618,
        Delivery(
            {
                "content-type": FORM,
                "x-slack-request-timestamp": "1531420618",
                "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            },
            SLACK_BODY,
        ),
    ),
    "twilio": (
        b"12345",
        0,
        Delivery(
            {
                "content-type": FORM,
                "host": "mycompany.com",
                "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
            },
            urlencode(TWILIO_FORM).encode(),
            full_path="/myapp.php?foo=1&bar=2",
        ),
    ),
    "github": (
        b"It's a Secret to Everybody",
        0,
        Delivery(
            {
                "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a"
                "37570b6d7586c22c46f4379c8b043e17"
            },
            b"Hello, World!",
        ),
    ),
}


def mac(text: str, algorithm: str = "sha256") -> bytes:
    return hmac.digest(SECRET, text.encode(), algorithm)


def base64_mac(text: str, algorithm: str = "sha256") -> str:
    return base64.b64encode(mac(text, algorithm)).decode()


def mailgun(moment: int, token: str = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0") -> dict[str, Any]:  # noqa: S107
    return {"timestamp": str(moment), "token": token, "signature": mac(f"{moment}{token}").hex()}


def made(sender: str, moment: int, body: str = '{"id": "o-1", "event_id": "evt_1"}') -> Delivery:
    """Return what the sender sends at `moment`, as its guide says that it signs."""
    headers: dict[str, str] = {"host": HOOKS, "content-type": "application/json"}
    path = "/webhooks/x?a=1"
    if sender == "github":
        headers["x-hub-signature-256"] = f"sha256={mac(body).hex()}"
    elif sender == "stripe":
        headers["stripe-signature"] = f"t={moment}, v0=00,v1=00,v1={mac(f'{moment}.{body}').hex()}"
    elif sender == "shopify":
        headers["x-shopify-hmac-sha256"] = base64_mac(body)
    elif sender == "paddle":
        headers["paddle-signature"] = f"ts={moment};h1=00;h1={mac(f'{moment}:{body}').hex()}"
    elif sender == "lemon-squeezy":
        headers["x-signature"] = mac(body).hex()
    elif sender == "slack":
        headers |= {
            "x-slack-request-timestamp": str(moment),
            "x-slack-signature": f"v0={mac(f'v0:{moment}:{body}').hex()}",
        }
    elif sender == "mailgun":
        body = json.dumps({"signature": mailgun(moment), "event-data": {"id": "m-1"}})
    elif sender == "hubspot":
        path = "/webhooks/x?a=%3a%20"
        signed = f"POSThttps://{HOOKS}/webhooks/x?a=:%20{body}{moment * 1000}"
        headers |= {
            "x-hubspot-request-timestamp": str(moment * 1000),
            "x-hubspot-signature-v3": base64_mac(signed),
        }
    else:
        headers["content-type"] = FORM
        headers["x-twilio-signature"] = base64_mac(f"https://{HOOKS}{path}bB2BTobob1bob2cC", "sha1")
        body = "c=C&bob=2&bB=2BTo&bob=1&bob=2"
    return Delivery(headers, body.encode(), full_path=path)


SENDERS = sorted(PRESETS)
NO_LIBRARY = "no library verifies, no vector is published: "
TIMED = ("stripe", "paddle", "slack", "mailgun", "hubspot")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b'{"type": "url_verification", "challenge": "abc"}', "abc"),
        (b'{"type": "url_verification", "challenge": {}}', ""),
        (b'{"type": "url_verification"}', ""),
        (b'{"type": "event_callback", "challenge": "abc"}', ""),
        (b"{", ""),
    ],
)
def test_handshake_of_slack_is_answered_with_its_challenge(body: bytes, answer: str) -> None:
    assert SCHEMES["slack"].handshake(Delivery({}, body)) == answer
    assert SCHEMES["shopify"].handshake(Delivery({}, body)) == ""
    assert SCHEMES["token"].handshake(Delivery({}, body)) == ""


@pytest.mark.parametrize("sender", [row(scheme, "published vector") for scheme in VECTORS])
def test_published_vector_verifies(sender: str) -> None:
    secret, moment, delivery = VECTORS[sender]
    scheme = SCHEMES[sender]
    assert scheme.verifies(delivery, [b"another", secret], moment)
    assert not scheme.verifies(delivery, [b"another"], moment)
    assert not scheme.verifies(replace(delivery, body=delivery.body + b"&x=1"), [secret], moment)


@pytest.mark.parametrize(
    "sender",
    [
        row(scheme, f"{NO_LIBRARY if scheme == 'lemon-squeezy' else ''}signed as its guide says")
        for scheme in SENDERS
    ],
)
def test_what_the_sender_signs_verifies_and_nothing_else_does(sender: str) -> None:
    moment, scheme = int(time.time()), SCHEMES[sender]
    delivery = made(sender, moment)
    assert scheme.verifies(delivery, [SECRET], moment)
    assert not scheme.verifies(delivery, [SECRET + b"!"], moment)
    assert not scheme.verifies(Delivery({}, delivery.body), [SECRET], moment) or sender == "mailgun"
    assert not scheme.verifies(replace(delivery, body=b""), [SECRET], moment)


@pytest.mark.parametrize("sender", TIMED)
@pytest.mark.parametrize(("seconds", "expected"), [(-300, True), (300, True), (-301, False), (301, False)])
def test_signed_time_may_be_five_minutes_off(sender: str, seconds: int, expected: bool) -> None:  # noqa: FBT001
    assert (
        SCHEMES[sender].verifies(made(sender, 1_800_000_000), [SECRET], 1_800_000_000 + seconds) is expected
    )


@pytest.mark.parametrize("sender", sorted({*SENDERS} - {"mailgun", "twilio"}))
def test_signature_over_the_bytes_needs_them(sender: str) -> None:
    assert SCHEMES[sender].needs_bytes


@pytest.mark.parametrize(
    ("sender", "event"),
    [("stripe", "o-1"), ("paddle", "evt_1"), ("slack", "evt_1"), ("shopify", None), ("hubspot", None)],
)
def test_event_has_the_id_that_its_signed_body_gives(sender: str, event: str | None) -> None:
    assert SCHEMES[sender].event(made(sender, 1)) == event
    assert SCHEMES[sender].event(made(sender, 1, "{")) is None


def test_mailgun_event_is_known_by_what_is_signed() -> None:
    """Its token, that is: the rest of the body can be anybody's."""
    scheme, token = SCHEMES["mailgun"], mailgun(7)
    first = Delivery({}, json.dumps({"signature": token, "event-data": {"id": "1"}}).encode())
    other = Delivery({}, json.dumps({"signature": token, "event-data": {"id": "2"}}).encode())
    assert scheme.event(first) == scheme.event(other)
    assert scheme.event(first) == hashlib.sha256(f"7{token['token']}".encode()).hexdigest()
    assert scheme.event(Delivery({}, json.dumps({"signature": mailgun(8)}).encode())) != scheme.event(first)


def test_mailgun_signs_a_form_with_fields_of_their_own() -> None:
    delivery = Delivery({"content-type": FORM}, urlencode({**mailgun(7), "sender": "a"}).encode())
    assert SCHEMES["mailgun"].verifies(delivery, [SECRET], 7)


@pytest.mark.parametrize(
    "signature",
    [None, 7, True, [], {}, {"timestamp": 7}, {"signature": {"a": 1}, "timestamp": 7, "token": None}],
)
def test_signature_in_a_body_may_be_anything(signature: Any) -> None:
    delivery = Delivery({}, json.dumps({"signature": signature}).encode())
    assert not SCHEMES["mailgun"].verifies(delivery, [SECRET], 7)


def test_time_in_a_body_may_be_a_number() -> None:
    document = {"signature": {**mailgun(7), "timestamp": 7}}
    assert SCHEMES["mailgun"].verifies(Delivery({}, json.dumps(document).encode()), [SECRET], 7)


def test_twilio_signs_the_hash_of_a_body_that_is_no_form() -> None:
    body = b'{"property": "value"}'
    path = f"/webhooks/texts?bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = {"host": HOOKS, "x-twilio-signature": base64_mac(f"https://{HOOKS}{path}", "sha1")}
    delivery = Delivery(headers, body, full_path=path)
    assert SCHEMES["twilio"].verifies(delivery, [SECRET], 0)
    assert not SCHEMES["twilio"].verifies(replace(delivery, body=b"{}"), [SECRET], 0)
    bare = Delivery(
        {"host": HOOKS, "x-twilio-signature": base64_mac(f"https://{HOOKS}/", "sha1")}, b'{"a": 1}'
    )
    assert not SCHEMES["twilio"].verifies(bare, [SECRET], 0)


@pytest.mark.parametrize("path", ["/webhooks/texts?" + "&".join("a=1" for _ in range(200)), "[", "?[", ""])
@pytest.mark.parametrize("host", ["[", "a b", ""])
def test_no_url_makes_a_verifier_raise(path: str, host: str) -> None:
    headers = {"host": host, "x-twilio-signature": base64_mac(f"https://{host}{path}", "sha1")}
    assert not SCHEMES["twilio"].verifies(Delivery(headers, b"{}", full_path=path), [SECRET], 0)
    assert not SCHEMES["hubspot"].verifies(Delivery(headers, b"{}", full_path=path), [SECRET], 0)


@pytest.mark.parametrize("sender", SENDERS)
def test_version_0_1_0_knew_github_alone_by_another_id(sender: str) -> None:
    delivery = Delivery({"": "x", "x-github-delivery": "d-1"}, b"{}")
    assert SCHEMES[sender].old_event(delivery) == ("d-1" if sender == "github" else None)


def test_twilio_event_is_known_by_the_fields_and_not_by_how_they_are_written() -> None:
    scheme, delivery = SCHEMES["twilio"], made("twilio", 0)
    rewritten = replace(delivery, body=b"bob=1&bob=%32&c=C&bB=2BTo")
    assert scheme.verifies(rewritten, [SECRET], 0)
    assert scheme.event(rewritten) == scheme.event(delivery)
    assert scheme.event(replace(delivery, body=b"bob=3")) != scheme.event(delivery)
    assert scheme.event(replace(delivery, body=b"%FF")) is None


@pytest.mark.parametrize(
    ("host", "signed", "expected"),
    [
        (HOOKS, f"{HOOKS}:443", True),
        (f"{HOOKS}:443", HOOKS, True),
        (f"{HOOKS}:8443", HOOKS, True),
        (f"{HOOKS}:8443", f"{HOOKS}:8443", True),
        (HOOKS, f"{HOOKS}:8443", False),
        (f"{HOOKS}:8443", f"{HOOKS}:443", False),
        ("hooks.example", HOOKS, False),
    ],
)
def test_twilio_signs_a_url_with_its_port_or_without(host: str, signed: str, expected: bool) -> None:  # noqa: FBT001
    headers = {
        "host": host,
        "content-type": FORM,
        "x-twilio-signature": base64_mac(f"https://{signed}/", "sha1"),
    }
    delivery = Delivery(headers, b"")
    assert SCHEMES["twilio"].verifies(delivery, [SECRET], 0) is expected
    assert SCHEMES["twilio"].event(delivery) == hashlib.sha256(f"https://{host}/".encode()).hexdigest()


@pytest.mark.parametrize(("algorithm", "expected"), [("sha1", True), ("sha256", True), ("sha512", False)])
def test_twilio_signs_with_sha256_where_it_has_a_shared_key(algorithm: str, expected: bool) -> None:  # noqa: FBT001
    signature = base64_mac(f"https://{HOOKS}/", algorithm)
    delivery = Delivery({"host": HOOKS, "content-type": FORM, "x-twilio-signature": signature}, b"")
    assert SCHEMES["twilio"].verifies(delivery, [b"the Auth Token", SECRET], 0) is expected


OWN: dict[str, Any] = {
    "header": "X-Own",
    "part": "s",
    "separator": " ",
    "algorithm": "sha512",
    "timestamp": "part:at",
    "signed": "{header:X-Kind}|{timestamp}|{payload:id}|{body}",
    "id": "id",
}


def source(table: dict[str, Any] | None = None, scheme: str = "hmac", **changes: Any) -> WebhookSource:
    hmac_table = {} if table is None else {"hmac": table}
    return WebhookSource.from_toml(
        "own", {"scheme": scheme, "secret_env": "MAILER_OWN", **hmac_table, **changes}
    )


@pytest.mark.parametrize("scheme", [row("hmac")])
def test_scheme_of_ones_own_needs_no_code(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_OWN", SECRET.decode())
    moment, body = int(time.time()), '{"id": "e-1"}'
    signature = mac(f"order|{moment}|e-1|{body}", "sha512").hex()
    headers = {"x-kind": "order", "x-own": f"at={moment} s=00 s={signature}"}
    own, delivery = source(OWN, scheme), Delivery(headers, body.encode())
    assert own.verifies(delivery)
    assert own.key(delivery).text == "webhook:own:e-1"
    assert not own.verifies(replace(delivery, headers={**headers, "x-kind": "refund"}))
    assert not own.verifies(replace(delivery, verbatim=False))
    assert not own.verifies(replace(delivery, body=b"["))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({**OWN, "colour": 1}, r"\[webhooks.own\] hmac.colour: unknown key of a signature"),
        ({**OWN, "payload": "id"}, r"hmac.header: or `payload` must say where the signature is, one of them"),
        ({}, r"hmac.header: or `payload` must say where the signature is"),
        ({"payload": "a.["}, r"hmac.payload: must be a JMESPath expression"),
        ({**OWN, "encoding": "base32"}, r"hmac.encoding: must be 'hex' or 'base64'"),
        ({**OWN, "algorithm": "md5"}, r"hmac.algorithm: must be one of sha1, sha256, .* or a list of them"),
        ({**OWN, "algorithm": []}, r"hmac.algorithm: must be one of"),
        ({**OWN, "algorithm": ["sha256", "md5"]}, r"hmac.algorithm: must be one of"),
        ({**OWN, "algorithm": [1]}, r"hmac.algorithm: must be one of"),
        ({**OWN, "any_port": 1}, r"hmac.any_port: must be true or false"),
        ({**OWN, "timestamp": "cookie:x"}, r"hmac.timestamp: must be `header:NAME`"),
        ({**OWN, "timestamp": "header:"}, r"hmac.timestamp: must be `header:NAME`"),
        ({**OWN, "timestamp": "payload:a.["}, r"hmac.timestamp: must be `header:NAME`"),
        ({**OWN, "timestamp": None}, r"hmac.timestamp: and \{timestamp\} in `signed` need each other"),
        ({**OWN, "signed": "{body}"}, r"hmac.timestamp: and \{timestamp\} in `signed` need each other"),
        ({"payload": "a", "timestamp": "part:t", "signed": "{timestamp}"}, "hmac.timestamp: has a part"),
        ({"header": "X", "signed": "{bodies}"}, r"hmac.signed: must be a text with \{body\}"),
        ({"header": "X", "signed": "a text"}, r"hmac.signed: must be a text with \{body\}"),
        ({"header": "X", "signed": "{url}", "id": "id"}, r"hmac.id: must be in what is signed"),
    ],
)
def test_wrong_table_of_a_signature_is_named_with_its_key(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        source(table)


@pytest.mark.parametrize(("scheme", "table"), [("hmac", None), ("shopify", {"header": "X"})])
def test_table_of_a_signature_belongs_to_one_scheme(scheme: str, table: dict[str, Any] | None) -> None:
    with pytest.raises(ConfigurationError, match=r"\[webhooks.own\] hmac: is the table of `scheme"):
        source(table, scheme)


def test_unknown_field_of_what_is_signed_is_no_expression() -> None:
    with pytest.raises(ConfigurationError, match="signed"):
        HmacTable.parse(("x",), {"header": "X", "signed": "{payload:a.[}"})


@pytest.mark.parametrize("text", ["v1,whsec_{}", "whsec_{}", "{}"])
def test_secret_of_standard_webhooks_may_be_as_supabase_shows_it(text: str) -> None:
    encoded = base64.b64encode(SECRET).decode()
    assert SCHEMES["standard-webhooks"].secret(text.format(encoded)) == SECRET


def test_headers_that_hold_a_secret_are_for_no_expression() -> None:
    secret = dict.fromkeys(("authorization", "proxy-authorization", "cookie", "x-webhook-token"), "secret")
    assert Delivery({**secret, "x-topic": "orders"}, b"").public_headers == {"x-topic": "orders"}


def test_events_are_found_by_an_expression_that_fits() -> None:
    one = source(None, "token", each="sort(@)")
    delivery = Delivery({}, b'["b", "a"]', lists=True)
    assert [event[:2] for event in one.events(PlatformKey("k"), delivery)] == [
        (PlatformKey("k:0"), "a"),
        (PlatformKey("k:1"), "b"),
    ]
    for body in (b"[1, []]", b"{}", b'{"a": 1}'):
        with pytest.raises(InvalidRequest, match=r"`each` must find a list .* `sort\(@\)` does not"):
            one.events(PlatformKey("k"), Delivery({}, body, lists=True))
    with pytest.raises(ConfigurationError, match=r"\[webhooks.own\] each: must be a JMESPath expression"):
        source(None, "token", each="[?")


BASIC = base64.b64encode(b"shop:a-long-password").decode()


@pytest.mark.parametrize(
    ("scheme", "authorization", "expected"),
    [
        ("basic", f"Basic {BASIC}", True),
        ("basic", f"basic  {BASIC}", True),
        ("basic", f"Basic {BASIC}x", False),
        ("basic", f"Bearer {BASIC}", False),
        ("basic", "Basic", False),
        ("basic", "", False),
        ("bearer", "Bearer shop:a-long-password", True),
        ("bearer", "bearer shop:a-long-password", True),
        ("bearer", "shop:a-long-password", False),
        ("bearer", "Bearer é", False),
    ],
)
def test_credentials_are_compared_with_the_secret(scheme: str, authorization: str, expected: bool) -> None:  # noqa: FBT001
    delivery = Delivery({"authorization": authorization}, b"")
    assert SCHEMES[scheme].verifies(delivery, [b"another:of-them", b"shop:a-long-password"], 0) is expected


@pytest.mark.parametrize(
    ("scheme", "secret", "rule"),
    [
        ("basic", "no-user-in-this-secret", "such as user:password"),
        ("basic", "a:b", "at least 16 bytes"),
        ("bearer", "short", "at least 16 bytes"),
        ("standard-webhooks", "v1,whsec_!", "whsec_"),
    ],
)
def test_wrong_secret_is_named_with_what_it_must_be(
    monkeypatch: pytest.MonkeyPatch, scheme: str, secret: str, rule: str
) -> None:
    monkeypatch.setenv("MAILER_OWN", secret)
    error = source(None, scheme).secret_error()
    assert error
    assert error.setting == "MAILER_OWN"
    assert rule in error.rule
