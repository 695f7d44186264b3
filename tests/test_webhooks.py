"""Webhooks through the handler: their signatures, and the emails that mailer.toml maps them to."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from factories import API_KEY, LambdaContext, body, sent_by_version_0_1_0
from http_calls import SHAPES, api_gateway_v2, call, clb, lambda_url
from local.signing import SIGNERS, WEBHOOK_SECRETS, github, standard_webhooks
from mailer import clock
from mailer.config.file import Config
from mailer.config.webhook_delivery import Delivery
from mailer.config.webhook_hmac import TOLERANCE
from mailer.config.webhook_schemes import SCHEMES
from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition, Outcome
from mailer.email.identity import Key, KeyKind
from mailer.errors import ConfigurationError, StoreUnavailable
from mailer.http_api import app
from mailer.ledger.record import State
from sample_kinds import sender

if TYPE_CHECKING:
    import io

    from http_calls import Shape
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

CONFIG = Path(__file__).parents[1] / "mailer.toml"
BILLING = {
    "type": "invoice.paid",
    "data": {"number": "1006", "customer": {"email": "mia@customer.example", "name": "Mia"}},
}
PAYLOADS: dict[str, Any] = {
    "billing": BILLING,
    "releases": {"action": "published", "repository": {"name": "lamp"}, "release": {"tag_name": "v1.2"}},
    "payments": {
        "id": "evt_1",
        "type": "charge.refunded",
        "data": {"object": {"billing_details": {"email": "mia@customer.example", "name": "Mia"}}},
    },
    "contact": {"id": "c-1", "email": "mia@customer.example", "message": "Do you ship lamps?"},
}
# The vector of the specification's own libraries, and the one that GitHub prints in its guide.
STANDARD_VECTOR = {
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "headers": {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    "body": b'{"test": 2432232314}',
}
GITHUB_VECTOR = {
    "secret": "It's a Secret to Everybody",
    "headers": {
        "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    },
    "body": b"Hello, World!",
}
VECTORS = {"standard-webhooks": STANDARD_VECTOR, "github": GITHUB_VECTOR}


@pytest.fixture(autouse=True)
def _sources(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_CONFIG", str(CONFIG))
    for name, secret in WEBHOOK_SECRETS.items():
        monkeypatch.setenv(name, secret)


def paid_by(address: str) -> dict[str, Any]:
    return {"type": "invoice.paid", "data": {"number": "1", "customer": {"email": address, "name": "Mia"}}}


def signed(source: str, text: str, event: str = "msg_1", moment: float | None = None) -> dict[str, str]:
    variable = f"MAILER_WEBHOOK_{source.upper()}"
    moment = time.time() if moment is None else moment
    return SIGNERS[variable](WEBHOOK_SECRETS[variable], text.encode(), event, moment)


def post(
    source: str, payload: Any, headers: dict[str, str] | None = None, shape: Shape = api_gateway_v2
) -> tuple[int, dict[str, str], Any]:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    headers = signed(source, text) if headers is None else headers
    return call("POST", f"/webhooks/{source}", text, headers={"Authorization": "", **headers}, shape=shape)


def letters(runtime: Runtime) -> list[dict[str, Any]]:
    return [{**letter, "reason": json.loads(letter["reason"])} for letter in runtime.ledger.dead_letters()]


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape is not clb])
@pytest.mark.parametrize("source", PAYLOADS)
def test_signed_webhook_becomes_one_email(
    environment: dict[str, str], ses: Emulator, source: str, shape: Shape
) -> None:
    status, headers, answer = post(source, PAYLOADS[source], shape=shape)
    assert (status, answer["state"]) == (200, "accepted")
    assert "Idempotent-Replayed" not in headers
    status, headers, again = post(source, PAYLOADS[source], shape=shape)
    assert (status, headers["Idempotent-Replayed"], again["id"]) == (200, "true", answer["id"])
    assert len(ses.inbox()) == 1


def test_payload_is_mapped_to_an_email(environment: dict[str, str], ses: Emulator) -> None:
    post("billing", BILLING)
    (mail,) = ses.inbox()
    assert (list(mail.to), mail.subject) == (["mia@customer.example"], "Your invoice")
    assert mail.template
    assert mail.template["id"] == 100093
    assert mail.template["data"] == {"name": "Mia", "message": "invoice 1006 is paid."}


def test_condition_that_is_not_met_is_204_and_sends_nothing(
    environment: dict[str, str], ses: Emulator
) -> None:
    status, headers, answer = post("billing", {**BILLING, "type": "invoice.created"})
    assert (status, answer) == (204, None)
    assert "Content-Type" not in headers
    assert ses.calls() == []


def test_id_of_the_sender_is_one_email_whatever_a_redelivery_holds(
    environment: dict[str, str], ses: Emulator
) -> None:
    _, _, first = post("billing", BILLING)
    other = {**BILLING, "data": {**BILLING["data"], "number": "7"}}  # type: ignore[dict-item]
    status, headers, again = post("billing", other)
    assert (status, headers["Idempotent-Replayed"], again["id"]) == (200, "true", first["id"])
    assert len(ses.inbox()) == 1


def test_mapped_key_with_another_payload_is_422(runtime: Runtime, ses: Emulator) -> None:
    post("contact", PAYLOADS["contact"])
    other = {**PAYLOADS["contact"], "message": "Do you ship chairs?"}
    status, _, problem = post("contact", other)
    assert (status, problem["code"]) == (422, "IdempotencyKeyReused")
    (letter,) = letters(runtime)
    assert (letter["body"], letter["reason"]["code"]) == (json.dumps(other), "IdempotencyKeyReused")
    assert len(ses.inbox()) == 1


@pytest.mark.parametrize("source", PAYLOADS)
def test_redelivery_after_a_change_of_mailer_toml_is_the_same_email(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    first = post(source, PAYLOADS[source])[2]
    changed = tmp_path / "mailer.toml"
    text = CONFIG.read_text(encoding="utf-8").replace("template.id = 100093", "template.id = 100091")
    text = text.replace("A message from", "News from")
    changed.write_text(text.replace("[defaults]", '[defaults]\nheaders.X-Version = "2"'), encoding="utf-8")
    monkeypatch.setenv("MAILER_CONFIG", str(changed))
    status, _, again = post(source, PAYLOADS[source])
    assert (status, again["replayed"], again["id"]) == (200, True, first["id"])
    assert letters(runtime) == []
    assert len(ses.inbox()) == 1


def github_delivery(payload: Any, delivery: str) -> tuple[int, dict[str, str], Any]:
    text = json.dumps(payload)
    return post("releases", text, {**signed("releases", text), "X-GitHub-Delivery": delivery})


def test_github_delivery_is_known_by_its_signed_body(environment: dict[str, str], ses: Emulator) -> None:
    first = github_delivery(PAYLOADS["releases"], "delivery-1")[2]
    replayed = github_delivery(PAYLOADS["releases"], "delivery-2")[2]
    assert (replayed["id"], replayed["replayed"]) == (first["id"], True)
    other = {**PAYLOADS["releases"], "release": {"tag_name": "v1.3"}}
    assert github_delivery(other, "delivery-1")[2]["id"] != first["id"]
    assert len(ses.inbox()) == 2


def test_github_delivery_may_have_any_header(environment: dict[str, str], ses: Emulator) -> None:
    assert github_delivery(PAYLOADS["releases"], "\ud800")[0] == 200
    assert len(ses.inbox()) == 1


def test_github_delivery_that_version_0_1_0_sent_is_not_sent_again(runtime: Runtime, ses: Emulator) -> None:
    sent_by_version_0_1_0(runtime, "webhook:releases:delivery-1")
    status, headers, _ = github_delivery(PAYLOADS["releases"], "delivery-1")
    assert (status, headers["Idempotent-Replayed"]) == (200, "true")
    assert ses.calls() == []
    assert github_delivery(PAYLOADS["releases"], "delivery-2")[2]["replayed"] is False


def test_mapped_key_counts_within_its_webhook_alone(runtime: Runtime, ses: Emulator) -> None:
    """Whoever fills in a public form chooses its id, and so cannot take the key of another email."""
    for taken in ("order-1", "webhook:billing:msg_1"):
        status, _, answer = post("contact", {**PAYLOADS["contact"], "id": taken})
        assert (status, answer["replayed"]) == (200, False)
    assert post("billing", BILLING)[2]["replayed"] is False
    for headers in ({"Idempotency-Key": "order-1"}, {"Idempotency-Key": "webhook:billing:msg_1"}):
        assert call("POST", "/emails", body(), headers=headers)[2]["replayed"] is False
    assert len(ses.inbox()) == 5
    assert post("contact", {**PAYLOADS["contact"], "id": "order-1"})[2]["replayed"] is True


def test_mapped_key_that_version_0_1_0_took_is_not_sent_again(runtime: Runtime, ses: Emulator) -> None:
    sent_by_version_0_1_0(runtime, "c-1")
    assert post("contact", PAYLOADS["contact"])[2]["replayed"] is True
    assert ses.calls() == []


def test_one_event_id_at_two_sources_is_two_emails(environment: dict[str, str], ses: Emulator) -> None:
    post("billing", BILLING)
    post("releases", PAYLOADS["releases"])
    assert len(ses.inbox()) == 2


def test_webhook_without_an_id_is_known_by_its_bytes(environment: dict[str, str], ses: Emulator) -> None:
    payload = {name: value for name, value in PAYLOADS["payments"].items() if name != "id"}
    first, again = post("payments", payload)[2], post("payments", payload)[2]
    assert (first["id"], again["replayed"]) == (again["id"], True)
    assert post("payments", {**payload, "livemode": True})[2]["id"] != first["id"]


FORGERIES = {
    "billing": [
        {},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v1,abc"},
        {"webhook-signature": "v1,,,"},
        {"webhook-signature": ""},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "1614265330"},
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
    ],
    "releases": [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha1=00"},
        {"X-Hub-Signature-256": "é"},
    ],
    "payments": [
        {},
        {"Stripe-Signature": "t=,v1="},
        {"Stripe-Signature": "="},
        {"Stripe-Signature": ",,,"},
        {"Stripe-Signature": "t=now,v1=00"},
    ],
    "contact": [{}, {"X-Webhook-Token": ""}, {"X-Webhook-Token": "é"}, {"X-Webhook-Token": "wrong"}],
}


@pytest.mark.parametrize(
    ("source", "change"), [(source, change) for source, changes in FORGERIES.items() for change in changes]
)
def test_missing_or_malformed_or_wrong_proof_is_401(
    environment: dict[str, str], ses: Emulator, source: str, change: dict[str, str]
) -> None:
    text = json.dumps(PAYLOADS[source])
    headers = {**signed(source, text), **change} if change else {}
    status, answered, problem = post(source, text, headers)
    assert (status, problem["code"]) == (401, "Unauthorized")
    assert answered["WWW-Authenticate"]
    assert ses.calls() == []


@pytest.mark.parametrize("source", ["billing", "payments"])
@pytest.mark.parametrize(("seconds", "status"), [(-290, 200), (290, 200), (-310, 401), (310, 401)])
def test_clocks_may_be_five_minutes_apart(
    environment: dict[str, str], source: str, seconds: int, status: int
) -> None:
    text = json.dumps(PAYLOADS[source])
    assert post(source, text, signed(source, text, moment=time.time() + seconds))[0] == status


@pytest.mark.parametrize("source", ["billing", "releases", "payments"])
def test_signature_is_over_the_very_bytes(environment: dict[str, str], source: str) -> None:
    text = json.dumps(PAYLOADS[source])
    assert post(source, text.replace(":", " :"), signed(source, text))[0] == 401
    odd = text.replace(":", "  :\t").replace("{", '{"\u00e9": 1, ', 1) + "\n"
    assert post(source, odd, signed(source, odd), lambda_url)[0] == 200
    assert post(source, "{", signed(source, "{"))[0] == 422  # genuine, but no JSON


def test_balancer_that_parses_the_body_can_pass_tokens_but_no_signatures(
    environment: dict[str, str], ses: Emulator
) -> None:
    assert post("billing", BILLING, shape=clb)[0] == 401
    assert post("contact", PAYLOADS["contact"], shape=clb)[0] == 200


@pytest.mark.parametrize("source", PAYLOADS)
def test_each_of_several_secrets_is_accepted_during_a_rotation(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    variable = f"MAILER_WEBHOOK_{source.upper()}"
    old, new = WEBHOOK_SECRETS[variable], WEBHOOK_SECRETS[variable][:-4] + "QUI="
    monkeypatch.setenv(variable, f"{new} {old}")
    text = json.dumps(PAYLOADS[source])
    assert post(source, text)[0] == 200
    assert post(source, text, SIGNERS[variable](new, text.encode(), "msg_2", time.time()))[0] == 200
    monkeypatch.setenv(variable, new)
    assert post(source, text)[0] == 401


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
COMMAND = "command=%2Fask&user_name=ivo&text=Where+is+it%3F&text2=&x=1&x=2"


@pytest.mark.parametrize("shape", SHAPES)
def test_form_becomes_one_email_through_every_shape(
    environment: dict[str, str], ses: Emulator, shape: Shape
) -> None:
    headers = {**FORM, **signed("commands", COMMAND)}
    for replayed in (False, True):
        status, _, answer = post("commands", COMMAND, headers, shape)
        assert (status, answer["replayed"]) == (200, replayed)
    (mail,) = ses.inbox()
    assert mail.text == "ivo: Where is it?"
    assert post("commands", COMMAND.replace("ivo", "eve"), headers, shape)[0] == 401


def test_form_that_its_table_leaves_out_is_204_and_one_with_a_file_is_422(
    runtime: Runtime, ses: Emulator
) -> None:
    other = COMMAND.replace("ask", "tell")
    assert post("commands", other, {**FORM, **signed("commands", other)})[0] == 204
    part = 'Content-Disposition: form-data; name="text"; filename="a.txt"'
    text = f"--b\r\n{part}\r\n\r\n1\r\n--b--"
    headers = {"Content-Type": "multipart/form-data; boundary=b", **signed("commands", text)}
    assert post("commands", text, headers)[0] == 422
    assert letters(runtime)[0]["body"] == text
    assert ses.calls() == []


@pytest.mark.parametrize("kind", ["text/plain", "multipart/mixed", "application/xml"])
def test_webhook_that_is_neither_json_nor_a_form_is_415(environment: dict[str, str], kind: str) -> None:
    assert post("commands", COMMAND, {**signed("commands", COMMAND), "Content-Type": kind})[0] == 415


ORDER: dict[str, Any] = {
    "email": "lea@customer.example",
    "name": "#7",
    "created_at": "2026-11-23T23:30:00-05:00",
    "currency": "JPY",
    "total_price": "1403",
    "customer": {"first_name": "<Lea>"},
    "line_items": [{"title": "Lamp"}],
}


def test_templates_see_payload_and_headers_and_a_missing_field_is_a_dead_letter(
    runtime: Runtime, ses: Emulator
) -> None:
    def order(text: str, topic: str = "orders/paid") -> tuple[int, dict[str, str], Any]:
        return post("orders", text, {**signed("orders", text), "X-Shopify-Topic": topic})

    assert order(json.dumps(ORDER), "orders/cancelled")[0] == 204
    assert order(json.dumps(ORDER))[0] == 200
    (mail,) = ses.inbox()
    assert mail.subject == "Your order #7"
    assert mail.template
    assert mail.template["data"] == {
        "name": "&lt;Lea&gt;",
        "message": "1 item for 1,403 JPY, paid on 24 November 2026.",
    }
    status, _, problem = order(json.dumps({**ORDER, "total_price": None, "line_items": "many"}))
    assert status == 422
    lacking = json.dumps({name: value for name, value in ORDER.items() if name != "currency"})
    status, _, problem = order(lacking)
    why = "the template `render.template.data.message`: `payload.currency` is undefined"
    assert (status, problem["errors"]) == (422, [{"pointer": "/template/data/message", "detail": why}])
    assert [letter["body"] for letter in letters(runtime)][-1] == lacking


def test_handshake_of_a_sender_is_answered_once_it_is_verified(
    environment: dict[str, str], ses: Emulator
) -> None:
    text = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV"})
    event = api_gateway_v2("POST", "/webhooks/commands", signed("commands", text), text)
    answer = app.handle(event, LambdaContext())
    assert (answer["statusCode"], answer["body"]) == (200, "3eZbrw1aBm2rZgRNFdxV")
    assert answer["headers"]["Content-Type"].startswith("text/plain")
    assert post("commands", text, {})[0] == 401
    assert ses.calls() == []


def contact(address: str, **fields: Any) -> dict[str, Any]:
    return {"propertyName": "email", "propertyValue": address, **fields}


def contacts(*events: Any) -> tuple[int, dict[str, str], Any]:
    text, variable = json.dumps(events), "MAILER_WEBHOOK_CONTACTS"
    url = "https://hooks.shop.example/webhooks/contacts"
    made = SIGNERS[variable](WEBHOOK_SECRETS[variable], text.encode(), "", time.time(), url)
    return post("contacts", text, {**made, "Host": "hooks.shop.example"})


@pytest.fixture
def contacts_when(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the source of lists have a condition too, and a key for events that have an id."""
    text = CONFIG.read_text(encoding="utf-8")
    changed = text.replace("each = ", 'when = "!internal"\neach = ').replace(
        'to = "propertyValue"', 'to = "propertyValue"\nidempotency_key = "key || propertyValue"'
    )
    (tmp_path / "mailer.toml").write_text(changed, encoding="utf-8")
    monkeypatch.setenv("MAILER_CONFIG", str(tmp_path / "mailer.toml"))


def test_each_event_of_a_list_is_an_email_of_its_own(runtime: Runtime, ses: Emulator) -> None:
    events = (contact("a@customer.example"), {"propertyName": "phone"}, contact("a@customer.example"))
    status, _, answer = contacts(*events)
    assert status == 200
    assert [(one["index"], one["status"], one["state"]) for one in answer["results"]] == [
        (0, 200, "accepted"),
        (1, 200, "accepted"),
    ]
    again = contacts(*events)[2]
    assert [one["id"] for one in again["results"]] == [one["id"] for one in answer["results"]]
    assert {one["replayed"] for one in again["results"]} == {True}
    assert len(ses.inbox()) == 2


def test_events_are_left_out_or_known_by_their_own_key(
    environment: dict[str, str], contacts_when: None, ses: Emulator
) -> None:
    events = [contact("a@customer.example", internal=True), contact("b@customer.example", key="b")]
    (result,) = contacts(*events)[2]["results"]
    assert (result["index"], result["replayed"]) == (1, False)
    (again,) = contacts(events[1])[2]["results"]
    assert (again["id"], again["replayed"]) == (result["id"], True)
    assert contacts(events[0])[::2] == (204, None)
    assert contacts()[::2] == (204, None)
    assert len(ses.inbox()) == 1


def test_refused_event_of_a_list_is_a_dead_letter_of_its_own(runtime: Runtime, ses: Emulator) -> None:
    refused = "FailedOperation.WrongContentJson@fault.example"
    events = [contact("nobody"), contact(refused), contact("a@customer.example")]
    for _ in range(2):
        status, _, answer = contacts(*events)
        assert status == 200
        assert [one["status"] for one in answer["results"]] == [422, 422, 200]
    first, second = letters(runtime)
    assert [json.loads(letter["body"]) for letter in (first, second)] == events[:2]
    assert first["source"].endswith(":0")
    assert (second["reason"]["code"], second["source"][-2:]) == ("FailedOperation.WrongContentJson", ":1")


@pytest.mark.parametrize("count", [1, 21])
def test_event_that_must_be_delivered_again_is_503_and_the_others_are_sent_once(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def halted(*arguments: Any, **keys: Any) -> Outcome:
        if arguments[0].to == ("a@customer.example",):
            return deliver(*arguments, **keys)
        return Outcome(Disposition.HALTED, "x", State.FAILED, retry_after=7)

    events = [contact("a@customer.example"), *(contact(f"b{n}@customer.example") for n in range(count))]
    with monkeypatch.context() as while_halted:
        while_halted.setattr("mailer.delivery.deliver.deliver", halted)
        status, headers, problem = contacts(*events)
    assert (status, problem["code"], problem["retryable"]) == (503, "RedeliveryRequired", True)
    assert (headers["Retry-After"], problem["detail"]) == (
        "7",
        f"{count} of {count + 1} events must be delivered again",
    )
    assert problem["errors"][0]["pointer"] == "/1"
    assert len(problem["errors"]) == min(count, 20)
    assert problem.get("errors_total") == (21 if count == 21 else None)
    assert [one["replayed"] for one in contacts(*events)[2]["results"][:2]] == [True, False]


@pytest.mark.parametrize("text", ["{}", "[[", '"x"', "7", json.dumps([contact("a@customer.example")] * 101)])
def test_what_is_no_list_of_at_most_a_hundred_events_is_one_dead_letter(
    runtime: Runtime, ses: Emulator, text: str
) -> None:
    variable, url = "MAILER_WEBHOOK_CONTACTS", "https://hooks.shop.example/webhooks/contacts"
    made = SIGNERS[variable](WEBHOOK_SECRETS[variable], text.encode(), "", time.time(), url)
    assert post("contacts", text, {**made, "Host": "hooks.shop.example"})[0] == 422
    (letter,) = letters(runtime)
    assert letter["body"] == text
    assert ses.calls() == []


def test_event_that_is_nested_too_deep_is_named_by_its_place(environment: dict[str, str]) -> None:
    status, _, problem = contacts({"a": "x"}, {"b": "\ud800"})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/1/b")


def test_signed_url_is_the_one_that_was_called(environment: dict[str, str], ses: Emulator) -> None:
    text = "From=%2B6591234567&Body=Open%3F"
    variable, url = "MAILER_WEBHOOK_TEXTS", "https://hooks.shop.example/webhooks/texts"
    made = SIGNERS[variable](WEBHOOK_SECRETS[variable], text.encode(), "", 0, url)
    headers = {**FORM, **made, "Host": "hooks.shop.example"}
    assert post("texts", text, headers)[0] == 200
    assert post("texts", text, {**headers, "Host": "other.shop.example"})[0] == 401


@pytest.mark.parametrize("scheme", [sender("basic"), sender("bearer")])
def test_refusal_says_which_credentials_are_missing(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str
) -> None:
    text = CONFIG.read_text(encoding="utf-8").replace('scheme = "token"', f'scheme = "{scheme}"')
    (tmp_path / "mailer.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("MAILER_CONFIG", str(tmp_path / "mailer.toml"))
    monkeypatch.setenv("MAILER_WEBHOOK_CONTACT", "shop:a-long-password")
    encoded = base64.b64encode(b"shop:a-long-password").decode()
    credentials = f"Basic {encoded}" if scheme == "basic" else "Bearer shop:a-long-password"
    assert post("contact", PAYLOADS["contact"], {"Authorization": credentials})[0] == 200
    status, headers, _ = post("contact", PAYLOADS["contact"], {})
    assert (status, headers["WWW-Authenticate"]) == (401, f'{scheme.title()} realm="mailer"')


def test_sender_that_rotates_may_sign_twice(environment: dict[str, str]) -> None:
    text = json.dumps(BILLING)
    headers = signed("billing", text)
    headers["webhook-signature"] = f"v1a,AAAA v2 v1,AAAA {headers['webhook-signature']}"
    assert post("billing", text, headers)[0] == 200


def test_svix_names_of_the_headers_are_accepted(environment: dict[str, str]) -> None:
    text = json.dumps(BILLING)
    headers = {name.replace("webhook-", "svix-"): value for name, value in signed("billing", text).items()}
    assert post("billing", text, headers)[0] == 200


@pytest.mark.parametrize("scheme", [sender(scheme, "published vector") for scheme in VECTORS])
def test_published_vectors_verify(scheme: str) -> None:
    vector = VECTORS[scheme]
    secret: Any = SCHEMES[scheme].secret(str(vector["secret"]))
    delivery = Delivery(vector["headers"], vector["body"])  # type: ignore[arg-type]
    assert SCHEMES[scheme].verifies(delivery, [secret], 1614265330.0)


@pytest.mark.parametrize(
    "scheme", [sender("standard-webhooks", "signed by the official library", package="standardwebhooks")]
)
@given(st.text().map(str.encode), st.from_regex(r"[A-Za-z0-9_]{1,40}", fullmatch=True))
def test_what_the_official_library_signs_verifies(scheme: str, body: bytes, event: str) -> None:
    from datetime import datetime, timezone

    secret = WEBHOOK_SECRETS["MAILER_WEBHOOK_BILLING"]
    moment = datetime.fromtimestamp(1_800_000_000, timezone.utc)
    headers = {
        "webhook-id": event,
        "webhook-timestamp": "1800000000",
        "webhook-signature": Webhook(secret).sign(event, moment, body.decode()),
    }
    assert headers == standard_webhooks(secret, body, event, 1_800_000_000)
    standard = SCHEMES[scheme]
    assert standard.verifies(Delivery(headers, body), [standard.secret(secret)], 1_800_000_000.0 + TOLERANCE)


@pytest.mark.parametrize("signature", ["v1", "v1,abc", "v1,é", "v1,a,b"])
def test_official_library_lets_malformed_headers_escape_as_other_errors(signature: str) -> None:
    """Why it is not used: these would be a 500, or need a handler for every exception."""
    headers = standard_webhooks(WEBHOOK_SECRETS["MAILER_WEBHOOK_BILLING"], b"{}", "msg_1", time.time())
    with pytest.raises(ValueError, match=r"unpack|padding|ASCII"):
        Webhook(WEBHOOK_SECRETS["MAILER_WEBHOOK_BILLING"]).verify(
            b"{}", {**headers, "webhook-signature": signature}
        )


@given(
    st.sampled_from(sorted(SCHEMES)),
    st.dictionaries(
        st.sampled_from(
            [
                *("webhook-id", "webhook-timestamp", "webhook-signature", "svix-signature"),
                *("x-hub-signature-256", "stripe-signature", "x-webhook-token", "authorization"),
                *("x-shopify-hmac-sha256", "paddle-signature", "x-signature", "content-type"),
                *("x-slack-signature", "x-slack-request-timestamp", "x-twilio-signature"),
                *("x-hubspot-signature-v3", "x-hubspot-request-timestamp"),
            ]
        ),
        st.one_of(
            st.text(),
            st.from_regex(r"t=[0-9]*,v1=[0-9a-f]*"),
            st.from_regex(r"v1,[A-Za-z0-9+/=]*( v1,.*)?"),
            st.just("1800000000"),
        ),
    ),
    st.binary(),
)
def test_no_header_makes_a_verifier_raise_or_say_yes(
    scheme: str, headers: dict[str, str], body: bytes
) -> None:
    assert not SCHEMES[scheme].verifies(Delivery(headers, body), [b"an unknown secret"], 1_800_000_000.0)


@pytest.mark.parametrize(
    ("payload", "pointer", "expression"),
    [
        ({"type": "invoice.paid"}, "/to", "data.customer.email"),
        ({"type": "invoice.paid", "data": {"customer": {"email": 7, "name": "Mia"}}}, "/template", "join"),
        (
            {"type": "invoice.paid", "data": {"number": "1", "customer": {"email": "x", "name": "Mia"}}},
            "/to",
            "data.customer.email",
        ),
    ],
)
def test_payload_that_cannot_be_mapped_is_422_with_field_and_expression(
    environment: dict[str, str], ses: Emulator, payload: Any, pointer: str, expression: str
) -> None:
    status, _, problem = post("billing", payload)
    assert status == 422
    (error,) = problem["errors"]
    assert error["pointer"].startswith(pointer)
    assert expression in error["detail"]
    assert ses.calls() == []


def test_condition_that_does_not_fit_the_payload_is_422(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = CONFIG.read_text(encoding="utf-8").replace(
        "type == 'invoice.paid'", "starts_with(type, 'invoice')"
    )
    (tmp_path / "mailer.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("MAILER_CONFIG", str(tmp_path / "mailer.toml"))
    status, _, problem = post("billing", {"type": 7})
    assert status == 422
    assert "starts_with(type, 'invoice')" in problem["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("{", "InvalidRequest"),
        ({"type": "invoice.paid"}, "InvalidRequest"),
        (paid_by("nobody"), "InvalidRequest"),
        (paid_by("FailedOperation.WrongContentJson@fault.example"), "FailedOperation.WrongContentJson"),
        (paid_by("EmailAddrInBlacklist@fault.example"), "FailedOperation.EmailAddrInBlacklist"),
    ],
    ids=["not JSON", "not mapped", "no email", "refused by SES", "suppressed"],
)
def test_refused_webhook_is_422_and_one_dead_letter_over_redeliveries(
    runtime: Runtime, ses: Emulator, payload: Any, code: str
) -> None:
    for _ in range(3):
        status, _, problem = post("billing", payload)
        assert (status, problem["code"]) == (422, code)
    (letter,) = letters(runtime)
    assert letter["source"] == "webhook:billing:msg_1"
    assert letter["body"] == (payload if isinstance(payload, str) else json.dumps(payload))
    assert letter["reason"]["code"] == code
    if code == "InvalidRequest":
        assert letter["reason"]["errors"] == problem["errors"]
    else:
        assert letter["reason"]["id"] == problem["id"]


def test_expired_webhook_is_a_dead_letter(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = CONFIG.read_text(encoding="utf-8")
    expired = text.replace("[defaults]", '[defaults]\nexpires_at = "2020-01-01T00:00:00Z"')
    (tmp_path / "mailer.toml").write_text(expired, encoding="utf-8")
    monkeypatch.setenv("MAILER_CONFIG", str(tmp_path / "mailer.toml"))
    assert post("billing", BILLING)[2]["state"] == "expired"
    (letter,) = letters(runtime)
    assert (letter["reason"]["state"], letter["reason"]["pointer"]) == ("expired", "/expires_at")


def test_another_event_under_one_id_has_a_dead_letter_of_its_own(runtime: Runtime, ses: Emulator) -> None:
    for name in ("nobody", "nobody either"):
        assert post("billing", paid_by(name))[0] == 422
    assert [json.loads(letter["body"]) for letter in letters(runtime)] == [
        paid_by("nobody"),
        paid_by("nobody either"),
    ]


def test_webhook_that_is_not_utf8_is_dead_lettered_as_base64(runtime: Runtime, ses: Emulator) -> None:
    raw = b'{"type": "\xff"}'
    variable = "MAILER_WEBHOOK_BILLING"
    headers = SIGNERS[variable](WEBHOOK_SECRETS[variable], raw, "msg_1", time.time())
    event = lambda_url("POST", "/webhooks/billing", headers, "")
    event["body"] = base64.b64encode(raw).decode()
    assert app.handle(event, LambdaContext())["statusCode"] == 422
    (letter,) = letters(runtime)
    assert letter["reason"]["encoding"] == "base64"
    assert base64.b64decode(letter["body"]) == raw


@pytest.mark.parametrize("name", ["nobody", "FailedOperation.WrongContentJson@fault.example"])
def test_refused_webhook_is_503_while_its_dead_letter_cannot_be_stored(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def gone(*_arguments: Any) -> None:
        raise StoreUnavailable("ConnectionError")

    with monkeypatch.context() as store_down:
        store_down.setattr(runtime.ledger, "dead_letter", gone)
        status, headers, problem = post("billing", paid_by(name))
    assert (status, problem["code"], problem["retryable"]) == (503, "StoreUnavailable", True)
    assert headers["Retry-After"]
    assert post("billing", paid_by(name))[0] == 422
    assert len(letters(runtime)) == 1


@pytest.mark.parametrize(("source", "change"), [("billing", {"webhook-id": "msg_2"}), ("contact", {})])
def test_unsigned_or_wrongly_signed_webhook_leaves_no_dead_letter(
    runtime: Runtime, source: str, change: dict[str, str]
) -> None:
    headers = {**signed(source, "{"), **change} if change else {}
    assert post(source, "{", headers)[0] == 401
    assert letters(runtime) == []


def test_webhook_that_is_left_out_is_logged_without_its_content(runtime: Runtime, log: io.StringIO) -> None:
    post("billing", {**BILLING, "type": "invoice.created"})
    (line,) = map(json.loads, log.getvalue().splitlines())
    email_id = Key("webhook:billing:msg_1", KeyKind.PLATFORM).email_id(runtime.settings.account)
    logged = {"trigger": "api-gateway-v2", "id": email_id, "tables": ["webhooks.billing"], "state": "ignored"}
    assert line["message"] == "message ignored"
    assert line.items() >= {"caller": "webhook:billing"}.items()
    assert {name: line[name] for name in logged} == logged
    for content in ("mia@", "1006", "msg_1", "invoice.created"):
        assert content not in log.getvalue()


def test_unknown_source_is_404(environment: dict[str, str]) -> None:
    assert post("nowhere", {}, {})[0] == 404


SHORT = "whsec_" + base64.b64encode(b"fifteen bytes..").decode()


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "not/base64!", "whsk_AAAA", SHORT, f"{WEBHOOK_SECRETS['MAILER_WEBHOOK_BILLING']} {SHORT}"],
)
def test_source_without_a_usable_secret_is_503_and_the_log_names_the_variable(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, log: io.StringIO, secret: str
) -> None:
    monkeypatch.setenv("MAILER_WEBHOOK_BILLING", secret)
    status, _, problem = post("billing", BILLING)
    assert (status, problem["code"]) == (503, "ConfigurationError")
    assert "BILLING" not in json.dumps(problem)
    (line,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert line["setting"] == "MAILER_WEBHOOK_BILLING"
    assert not [one for one in secret.split() if one != "whsec_" and one in log.getvalue()]


@pytest.mark.parametrize("source", ["releases", "payments", "contact"])
def test_secret_has_16_bytes_at_least(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    variable, text = f"MAILER_WEBHOOK_{source.upper()}", json.dumps(PAYLOADS[source])
    for secret, status in (("s" * 15, 503), ("s" * 16, 200)):
        monkeypatch.setenv(variable, secret)
        headers = SIGNERS[variable](secret, text.encode(), "msg_1", time.time())
        assert post(source, text, headers)[0] == status


def test_health_is_degraded_while_a_secret_is_missing_or_short(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
    lines_unlimited: None,
) -> None:
    assert call("GET", "/health")[2] == {"status": "ok"}
    monkeypatch.delenv("MAILER_WEBHOOK_BILLING")
    monkeypatch.setenv("MAILER_WEBHOOK_CONTACT", "short")
    monkeypatch.setattr(clock, "monotonic", lambda: 1000.0)
    for _ in range(2):  # a balancer asks often: one line a second of each
        status, _, health = call("GET", "/health")
        assert (status, health) == (200, {"status": "degraded"})
    settings = [json.loads(line)["setting"] for line in log.getvalue().splitlines()]
    assert settings == ["MAILER_WEBHOOK_BILLING", "MAILER_WEBHOOK_CONTACT"]


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ([], r"\[webhooks\.a\]"),
        ({}, "scheme"),
        ({"scheme": "md5", "secret_env": "MAILER_A"}, "scheme"),
        ({"scheme": "token"}, "secret_env"),
        ({"scheme": "token", "secret_env": "PATH"}, "secret_env"),
        ({"scheme": "token", "secret_env": "MAILER_A", "secret": "x"}, "secret"),
        ({"shceme": "token", "secret_env": "MAILER_A"}, "shceme: unknown webhook key"),
        ({"scheme": "token", "secret_env": "MAILER_A", "when": "=="}, "when"),
        ({"scheme": "token", "secret_env": "MAILER_A", "map": {"to": "=="}}, "map.to"),
        ({"scheme": "token", "secret_env": "MAILER_A", "email": {"colour": 1}}, "email.colour"),
    ],
)
def test_wrong_table_is_named_when_the_file_is_read(table: Any, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        Config.from_toml({"webhooks": {"a": table}})


@pytest.mark.parametrize("tables", [[1], {"a/b": {}}])
def test_webhooks_are_tables_with_names_that_fit_a_path(tables: Any) -> None:
    with pytest.raises(ConfigurationError, match="webhooks"):
        Config.from_toml({"webhooks": tables})


def test_log_names_the_source_and_holds_nothing_of_the_webhook(runtime: Runtime, log: io.StringIO) -> None:
    post("billing", BILLING)
    post("billing", {"type": "invoice.paid"})
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert {line["caller"] for line in lines} == {"webhook:billing"}
    for secret in ("mia@", "Mia", "1006", "msg_1", API_KEY, WEBHOOK_SECRETS["MAILER_WEBHOOK_BILLING"]):
        assert secret not in log.getvalue()


def test_signers_of_the_samples_are_those_of_the_published_vectors() -> None:
    made = github(str(GITHUB_VECTOR["secret"]), b"Hello, World!", "1", 0)
    published: Any = GITHUB_VECTOR["headers"]
    assert made["X-Hub-Signature-256"] == published["x-hub-signature-256"]
