"""The OpenAPI document against the handler that it describes, on several shapes of event."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS

from docs.openapi.document import openapi
from docs.openapi.schemas import SCHEMAS, ref
from factories import API_KEY, SECRET, LambdaContext, scf_context
from http_calls import OF_SCF, SHAPES, api_gateway_v2, call, clb, lattice_v1
from local.ses_emulator import Emulator
from mailer.email.native import FIELDS
from mailer.email.request import EmailRequest
from mailer.errors import InvalidRequest
from mailer.http_api import app
from mailer.http_api.problems import TITLES
from mailer.http_api.routes import ROUTES
from request_bodies import mutated_bodies, native_body, own_bodies
from wsgi_front import front

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from http_calls import Shape

pytestmark = [pytest.mark.once, pytest.mark.no_cover]

EXAMPLES = int(os.environ.get("MAILER_FUZZ_EXAMPLES", "3"))
THE_SAME = "MAILER_FUZZ_EXAMPLES" not in os.environ  # the short form finds the same in every run
TOKEN = "a-token-that-nobody-guesses"
SENDER = "noreply@mail.shop.example"
CONFIG = f"""
[defaults]
from = "{SENDER}"
[webhooks.contact]
scheme = "token"
secret_env = "MAILER_WEBHOOK_CONTACT"
[webhooks.contact.email]
to = "help@shop.example"
subject = "A message"
[webhooks.contact.map]
simple.text = "message"
"""
API_ROUTES = [route for route in ROUTES if route.path != "/docs/<file>"]  # the page's own files
# What JSON Schema cannot say: rules over two fields, over sizes and times, over JSON or base64 within a
# string; and to it 1.0 is a whole number. What is before the @ has at most 64 characters.
UNSAYABLE = re.compile(
    r"(|/(send_at|expires_at|header_from|HeaderFrom|(bcc|Bcc)(/[0-9]+)?|[Aa]ttachments|headers/.*|SmtpHeaders.*|Template/TemplateData.*"
    r"|Simple.*|SmtpMessageId|idempotency_key|template/data.*|template/id|Template/TemplateID))"
)


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Return the validator of a schema that refers to the components of the document."""
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": {"schemas": SCHEMAS}}, validate_formats=True
    )


@pytest.fixture
def emulator_stack(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> Iterator[Emulator]:
    """An SES without limits of pace, so that a refusal is the request's own."""
    (tmp_path / "mailer.toml").write_text(CONFIG, encoding="utf-8")
    with Emulator(credentials=dict([SECRET]), rate=0, recipient_hourly=0) as unlimited:
        for name, value in {
            "MAILER_SES_ENDPOINT": unlimited.endpoint,
            "MAILER_RATE": "1000",
            "MAILER_CONFIG": str(tmp_path / "mailer.toml"),
            "MAILER_WEBHOOK_CONTACT": "a-token-of-the-contact-form",
            "MAILER_CALLBACK_TOKEN": TOKEN,
        }.items():
            monkeypatch.setenv(name, value)
        yield unlimited


# Every shape is read as the same request (tests/test_http_events.py): here one for each kind of body will do.
TRIED = SHAPES if "MAILER_FUZZ_EXAMPLES" in os.environ else (api_gateway_v2, lattice_v1, clb)
DOCUMENTED = schemathesis.openapi.from_wsgi("/openapi.json", front(api_gateway_v2))
# An invalid email fails alone: the batch is valid whatever its emails are.
DOCUMENTED.raw_schema["components"]["schemas"]["Batch"]["properties"]["emails"]["items"] = {}


@pytest.mark.compatible("Clients of the API", "Schemathesis", package="schemathesis")
@pytest.mark.parametrize("shape", TRIED)
@DOCUMENTED.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=THE_SAME,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_handler_answers_as_documented(
    case: Any, shape: Shape, emulator_stack: Emulator, log: io.StringIO
) -> None:
    excluded = [CHECKS.get_one("positive_data_acceptance")]
    if case.operation.path == "/ses/events/{token}":
        case.path_parameters["token"] = TOKEN
        excluded.append(CHECKS.get_one("negative_data_rejection"))  # what it cannot read it ignores
    if case.operation.path == "/webhooks/{source}":
        case.path_parameters["source"] = "contact"
        excluded.append(CHECKS.get_one("ignored_auth"))  # one of its schemes is the source's
    proofs = {"Authorization": f"Bearer {API_KEY}", "X-Webhook-Token": "a-token-of-the-contact-form"}
    response = case.call_and_validate(headers=proofs, excluded_checks=excluded, app=front(shape))
    positive = case.meta and case.meta.generation.mode.is_positive
    if positive and response.status_code == 422:
        problem = response.json()
        if problem["code"] == "InvalidRequest" and case.operation.path == "/emails":
            assert [error for error in problem["errors"] if not _unsayable(**error)] == []
    for secret in _texts_of(case):
        assert secret not in log.getvalue()


def _unsayable(pointer: str, detail: str) -> bool:
    return bool(UNSAYABLE.fullmatch(pointer)) or "before the @" in detail


def _texts_of(case: Any) -> Iterator[str]:
    """Yield what of a request must never be logged: its key, and every longer text in its body."""
    yield API_KEY
    pending = [case.body]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str) and len(value) > 12:
            yield value


def test_document_has_every_route_and_no_other() -> None:
    documented = {
        (method.upper(), path) for path, methods in openapi()["paths"].items() for method in methods
    }
    assert documented == {
        (route.method, route.path.replace("<", "{").replace(">", "}")) for route in API_ROUTES
    }


def test_operations_ask_for_the_proof_that_their_routes_ask_for() -> None:
    for route in API_ROUTES:
        operation = openapi()["paths"][re.sub(r"<(\w+)>", r"{\1}", route.path)][route.method.lower()]
        needed = [{"apiKey": [route.permission]}] if route.permission else []
        assert [one for one in operation["security"] if "apiKey" in one] == needed
        assert ("403" in operation["responses"]) == bool(route.permission)
        for status in ("400", "415"):  # of the content encoding
            assert (status in operation["responses"]) == (route.method == "POST")


def test_schemas_have_every_field_of_a_request_and_no_other() -> None:
    own = {field.alias or name for name, field in EmailRequest.model_fields.items()}
    assert set(SCHEMAS["EmailRequest"]["properties"]) == own
    assert set(SCHEMAS["SendEmail"]["properties"]) == {
        *FIELDS,
        *("idempotency_key", "send_at", "expires_at", "on_unknown"),
    }


@pytest.mark.parametrize(
    ("schema", "bodies"),
    [("EmailRequest", own_bodies()), ("SendEmail", own_bodies().map(native_body))],
    ids=["own", "native"],
)
def test_schema_accepts_what_the_model_accepts(
    schema: str, bodies: st.SearchStrategy[dict[str, Any]]
) -> None:
    documented = validator(ref(schema))

    @settings(max_examples=EXAMPLES * 10, derandomize=THE_SAME, deadline=None)
    @given(bodies | mutated_bodies(bodies).filter(lambda body: isinstance(body, dict)))
    def compared(body: dict[str, Any]) -> None:
        try:
            EmailRequest.parse(body, {"from": SENDER})
        except InvalidRequest as error:
            sayable = [one for one in error.errors if not _unsayable(one.pointer, one.detail)]
            assert not (sayable and documented.is_valid(body)), sayable
        else:
            assert documented.is_valid(body)

    compared()


def test_every_answer_has_a_description_and_every_body_valid_examples() -> None:
    for methods in openapi()["paths"].values():
        for operation in methods.values():
            bodies = list(operation.get("requestBody", {}).get("content", {}).values())
            for status, answer in operation["responses"].items():
                assert answer["description"]
                media = list(answer.get("content", {}).values())
                if operation["operationId"].startswith("head"):
                    assert not media
                elif int(status) >= 400:
                    assert media[0]["examples"]["problem"]["value"]["title"] == TITLES[int(status)]
                bodies += media
            for body in bodies:
                assert body["examples"]
                for example in body["examples"].values():
                    validator(body["schema"]).validate(example["value"])
            for parameter in operation.get("parameters", ()):
                given = openapi()["components"]["parameters"].get(parameter.get("$ref", "")[24:], parameter)
                validator(given["schema"]).validate(given["example"])


@pytest.mark.parametrize("shape", SHAPES)
def test_document_and_page_need_no_key_and_no_setting(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MAILER_")]:
        monkeypatch.delenv(name)
    status, headers, document = call("GET", "/openapi.json", headers={"Authorization": ""}, shape=shape)
    assert (status, headers["Content-Type"], document) == (200, "application/json", openapi())
    answer = app.handle(
        shape("GET", "/docs", {}, None), scf_context() if shape in OF_SCF else LambdaContext()
    )
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"


ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("ann@customer.example")
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_event_makes_the_handler_raise(
    shape: Shape, environment: dict[str, str], log: io.StringIO
) -> None:
    """Any field of an event may be missing, null or of a wrong type, at any depth."""
    template = shape(
        "POST", "/emails", {"Authorization": f"Bearer {API_KEY}"}, '{"to": "ann@customer.example"}'
    )
    context = scf_context() if shape in OF_SCF else LambdaContext()

    @settings(max_examples=EXAMPLES * 10, derandomize=THE_SAME)
    @given(st.data())
    def broken(data: Any) -> None:
        event = json.loads(json.dumps(template))
        for _ in range(data.draw(st.integers(1, 3))):
            place = event
            while True:
                name = data.draw(st.sampled_from(sorted(place)))
                if not (isinstance(place[name], dict) and place[name] and data.draw(st.booleans())):
                    break
                place = place[name]
            place[name] = data.draw(ANYTHING)
            if data.draw(st.booleans()):
                del place[name]
            if not (place and event):
                break
        answer = app.handle(event, context)
        assert 200 <= answer["statusCode"] < 500, answer
        json.dumps(answer)
        assert isinstance(answer["body"], str)

    broken()
    assert "ann@" not in log.getvalue()
    assert API_KEY not in log.getvalue()


@given(ANYTHING)
def test_no_value_makes_the_handler_raise(event: Any) -> None:
    assert app.handle(event, LambdaContext())["statusCode"] == 400
