from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.email.forms import is_form
from mailer.errors import InvalidRequest, UnknownEvent
from mailer.http_api.content_encoding import without_encoding
from mailer.triggers.http_events import HttpRequest, read_http, write_http
from request_bodies import json_values, mutated_bodies

EVENTS = Path(__file__).parents[1] / "events"
BODY = '{"subject": "商店"}'


def lambda_url(**fields: Any) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": "/emails",
        "rawQueryString": "",
        "headers": {"Authorization": "Bearer k", "content-type": "application/json"},
        "requestContext": {
            "domainName": "abc.lambda-url.eu-west-1.on.aws",
            "stage": "$default",
            "http": {"method": "POST", "path": "/emails"},
        },
        "body": BODY,
        "isBase64Encoded": False,
        **fields,
    }


def http_api(stage: str = "$default", **fields: Any) -> dict[str, Any]:
    context = {
        "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
        "stage": stage,
        "http": {"method": "POST", "path": "/emails"},
    }
    return lambda_url(requestContext=context, **fields)


def rest_api(**fields: Any) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}",
        "path": "/emails",
        "httpMethod": "POST",
        "headers": {"Authorization": "Bearer k", "Content-Type": "application/json"},
        "multiValueHeaders": {"Authorization": ["Bearer k"], "Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"stage": "prod"},
        "body": BODY,
        "isBase64Encoded": False,
        **fields,
    }


def scf_gateway(**fields: Any) -> dict[str, Any]:
    return {
        "requestContext": {"serviceId": "service-f94sy04v", "httpMethod": "POST", "stage": "release"},
        "headers": {"authorization": "Bearer k", "Content-Type": "application/json"},
        "body": BODY,
        "pathParameters": {},
        "queryStringParameters": {},
        "path": "/emails",
        "queryString": {},
        "httpMethod": "POST",
        **fields,
    }


def balancer(**fields: Any) -> dict[str, Any]:
    """Return an event of a load balancer of AWS."""
    event = rest_api(requestContext={"elb": {"targetGroupArn": "arn:aws:elb"}}, **fields)
    del event["resource"]
    return event


def clb(**fields: Any) -> dict[str, Any]:
    return {
        "headers": {"X-Method": "POST", "X-Uri": "/emails?page=2?", "Authorization": "Bearer k"},
        "payload": BODY,
        **fields,
    }


def scf_url(**fields: Any) -> dict[str, Any]:
    return {
        "body": BODY,
        "headers": {"authorization": "Bearer k", "content-type": "application/json"},
        "httpMethod": "POST",
        "path": "/emails",
        "queryString": {},
        **fields,
    }


def lattice_v2(**fields: Any) -> dict[str, Any]:
    return {
        "version": "2.0",
        "path": "/emails?tag=a&tag=b",
        "method": "POST",
        "headers": {"Authorization": ["Bearer k"], "content-type": ["application/json"]},
        "queryStringParameters": {"tag": ["a", "b"]},
        "body": BODY,
        "isBase64Encoded": False,
        "requestContext": {"serviceNetworkArn": "arn:aws:vpc-lattice:x", "identity": {"type": "AWS_IAM"}},
        **fields,
    }


SHAPES = {
    "vpc-lattice-v2": lattice_v2,
    "lambda-url": lambda_url,
    "api-gateway-v2": http_api,
    "api-gateway-v1": rest_api,
    "scf-api-gateway": scf_gateway,
    "scf-url": scf_url,
}
every_shape = pytest.mark.parametrize(("trigger", "event"), SHAPES.items(), ids=SHAPES)


@every_shape
def test_every_shape_of_event_is_the_same_request(trigger: str, event: Any) -> None:
    headers = {"authorization": "Bearer k", "content-type": "application/json"}
    assert read_http(event()) == (trigger, HttpRequest("POST", "/emails", headers, BODY.encode()))


@pytest.mark.parametrize(
    "file", sorted(EVENTS.glob("*/http-*.json")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_the_sample_events_are_recognised(file: Path) -> None:
    trigger, request = read_http(json.loads(file.read_text(encoding="utf-8")))
    assert trigger in {*SHAPES, "alb", "clb", "vpc-lattice-v1"}
    assert request.method in {"GET", "POST"}
    assert request.path.startswith("/")
    assert all(name == name.lower() for name in request.headers)
    inflated = without_encoding(request)
    assert isinstance(inflated, HttpRequest)
    content = inflated.body
    assert (
        content == b""
        or is_form(request.headers.get("content-type", ""))
        or isinstance(json.loads(content), (dict, list))
    )


@every_shape
@given(st.binary())
def test_a_body_in_base64_is_decoded_to_the_bytes_that_were_sent(
    trigger: str, event: Any, content: bytes
) -> None:
    text = base64.b64encode(content).decode()
    encodings = {True: content, "true": content, "True": content, False: text.encode(), "": text.encode()}
    for flag, body in encodings.items():
        request = read_http(event(body=text, isBase64Encoded=flag))[1]
        assert (request.body, request.body_is_verbatim) == (body, True)


@every_shape
def test_a_body_that_is_not_the_base64_it_claims_to_be_is_refused(trigger: str, event: Any) -> None:
    for text in ("?", "YQ", "é===", "\ud800AAA"):
        with pytest.raises(InvalidRequest, match="is base64, and it is not"):
            read_http(event(body=text, isBase64Encoded=True))


@every_shape
def test_a_body_that_the_platform_has_parsed_is_text_again(trigger: str, event: Any) -> None:
    assert json.loads(read_http(event(body={"a": [1]}))[1].body) == {"a": [1]}
    assert read_http(event(body=None))[1].body == b""
    assert read_http(event(body="\ud800"))[1].body == b"\xed\xa0\x80"


@every_shape
def test_names_of_headers_are_read_in_any_case(trigger: str, event: Any) -> None:
    headers = {"IDEMPOTENCY-KEY": "k", "x-none": None, "X-Number": 5, "X-Many": ["a", "b"], "X-Empty": []}
    expected = {"idempotency-key": "k", "x-number": "5", "x-many": "a,b", "x-empty": ""}
    assert read_http(event(headers=headers))[1].headers == expected


@every_shape
@pytest.mark.parametrize("headers", [None, {}, [], "x"])
def test_an_event_without_headers_has_none(trigger: str, event: Any, headers: Any) -> None:
    assert read_http(event(headers=headers, multiValueHeaders=None))[1].headers == {}


@pytest.mark.parametrize(("sent", "read"), [(100, 100), (101, 101), (102, 101), (10_000, 101)])
def test_no_more_headers_are_read_than_show_that_there_are_too_many(sent: int, read: int) -> None:
    headers = {f"X-{number}": "x" for number in range(sent)}
    assert len(read_http(scf_url(headers=headers))[1].headers) == read


def test_a_balancer_that_sends_lists_only_is_read_as_well() -> None:
    event = rest_api(headers=None)
    del event["resource"]
    request = read_http(event)[1]
    assert request.headers == {"authorization": "Bearer k", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (http_api("prod", rawPath="/prod/emails"), "/emails"),
        (http_api("prod", rawPath="/prod"), "/"),
        (http_api("prod", rawPath="/production/emails"), "/production/emails"),
        (http_api(rawPath=None), "/emails"),
        (lambda_url(rawPath="/emails/a%40b"), "/emails/a%40b"),
        (rest_api(path=None), "/"),
        (scf_url(path=""), "/"),
    ],
)
def test_the_path_is_read_without_the_stage(event: dict[str, Any], path: str) -> None:
    assert read_http(event)[1].path == path


@pytest.mark.parametrize(
    ("event", "full_path"),
    [
        (http_api("prod", rawPath="/prod/emails", rawQueryString="a=%20&b"), "/prod/emails?a=%20&b"),
        (http_api(), "/emails"),
        (rest_api(), "/emails"),
        (rest_api(requestContext={"path": "/prod/emails"}), "/prod/emails"),
        (rest_api(queryStringParameters={"a": "1 2"}), "/emails?a=1+2"),
        (rest_api(multiValueQueryStringParameters={"a": ["1", "2"]}), "/emails?a=1&a=2"),
        (balancer(queryStringParameters={"a": "%20"}), "/emails?a=%20"),
        (scf_url(queryString={"a": "1", "b": None}), "/emails?a=1&b="),
        (scf_url(queryString={"a": "\ud800"}), "/emails?a=%ED%A0%80"),
        (clb(headers={"X-Method": "POST", "X-Uri": "/emails?a=1"}), "/emails?a=1"),
    ],
)
def test_the_full_path_is_as_the_client_wrote_it(event: dict[str, Any], full_path: str) -> None:
    assert read_http(event)[1].full_path == full_path


def test_an_event_without_any_path_is_for_the_root() -> None:
    event = lambda_url(requestContext={"domainName": "a.lambda-url.b", "http": {"method": "GET"}})
    del event["rawPath"]
    assert read_http(event)[1].path == "/"


@pytest.mark.parametrize(
    "event",
    [
        None,
        5,
        "POST",
        [],
        {},
        {"body": BODY},
        {"payload": BODY},
        {"headers": {"X-Method": "POST", "X-Uri": "/emails"}},
        {"Records": []},
        {"Type": "Timer"},
        {"requestContext": {"http": "GET"}},
        {"requestContext": None},
    ],
)
def test_another_event_is_refused(event: Any) -> None:
    with pytest.raises(UnknownEvent) as refused:
        read_http(event)
    assert refused.value.to_json() == [
        {
            "pointer": "",
            "detail": "is not an HTTP event of API Gateway, a function URL, a load balancer or SCF",
        }
    ]


def test_balancers_of_both_clouds_are_recognised() -> None:
    headers = {"authorization": "Bearer k", "content-type": "application/json"}
    assert read_http(balancer()) == ("alb", HttpRequest("POST", "/emails", headers, BODY.encode()))
    headers = {"authorization": "Bearer k", "x-method": "POST", "x-uri": "/emails?page=2?"}
    assert read_http(clb()) == ("clb", HttpRequest("POST", "/emails", headers, BODY.encode()))
    assert read_http(clb(payload={"a": 1}))[1].body_is_verbatim is False


def lattice_v1(**fields: Any) -> dict[str, Any]:
    return {
        "raw_path": "/emails?tag=a",
        "method": "POST",
        "headers": {"authorization": "Bearer k", "x-many": "a, b"},
        "query_string_parameters": {"tag": "a"},
        "body": base64.b64encode(BODY.encode()).decode(),
        "is_base64_encoded": True,
        **fields,
    }


def test_first_version_of_vpc_lattice_names_its_fields_otherwise() -> None:
    headers = {"authorization": "Bearer k", "x-many": "a, b"}
    assert read_http(lattice_v1()) == (
        "vpc-lattice-v1",
        HttpRequest("POST", "/emails", headers, BODY.encode()),
    )
    assert read_http(lattice_v1(is_base64_encoded=False, body=BODY))[1].body == BODY.encode()
    assert read_http(lattice_v1(body=None, raw_path=None))[1] == HttpRequest("POST", "/", headers, b"")
    assert write_http(lattice_v1(), 201, {"X-A": "b"}, "text") == {
        "statusCode": 201,
        "headers": {"X-A": "b"},
        "body": "text",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    "fields",
    [{"requestContext": {}}, {"requestContext": None}, {"requestContext": {"region": "eu-west-1"}}],
)
def test_what_only_resembles_vpc_lattice_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UnknownEvent):
        read_http(lattice_v2(**fields))


def test_a_service_of_vpc_lattice_may_be_named_without_its_network() -> None:
    context = {"serviceArn": "arn:aws:vpc-lattice:y"}
    assert read_http(lattice_v2(requestContext=context))[0] == "vpc-lattice-v2"
    assert read_http(lattice_v2(headers={"X-Many": ["a", "b"]}))[1].headers == {"x-many": "a,b"}


@pytest.mark.parametrize("headers", [{}, {"X-Method": "GET"}, {"X-Uri": "/"}, {"X-Method": "", "X-Uri": "/"}])
def test_balancer_that_does_not_pass_the_path_is_refused_with_what_to_set(headers: dict[str, str]) -> None:
    with pytest.raises(UnknownEvent) as refused:
        read_http(clb(headers=headers))
    (error,) = refused.value.to_json()
    assert error == {
        "pointer": "/headers",
        "detail": "CLB must be set to pass the method and the path: X-Method and X-Uri",
    }


@pytest.mark.parametrize("event", [balancer(multiValueHeaders=None), rest_api(), scf_url(), None])
def test_response_is_the_same_for_every_platform(event: Any) -> None:
    if event:
        event.pop("multiValueHeaders", None)
    assert write_http(event, 201, {"X-A": "b"}, "text") == {
        "statusCode": 201,
        "headers": {"X-A": "b"},
        "body": "text",
        "isBase64Encoded": False,
    }
    assert write_http(event, 200, {}, "dGV4dA==", base64_encoded=True)["isBase64Encoded"] is True


def test_balancer_with_lists_of_headers_is_answered_with_lists() -> None:
    assert write_http(balancer(), 201, {"X-A": "b"}, "text")["multiValueHeaders"] == {"X-A": ["b"]}
    assert "multiValueHeaders" not in write_http(rest_api(), 201, {"X-A": "b"}, "text")


def test_what_an_event_of_a_function_url_lacks_is_read_elsewhere_or_empty() -> None:
    event = lambda_url(rawPath="", body=None)
    event["requestContext"]["http"] = {"path": "/other"}
    assert read_http(event)[1] == HttpRequest(
        "", "/other", {"authorization": "Bearer k", "content-type": "application/json"}, b""
    )
    del event["requestContext"]["domainName"], event["isBase64Encoded"]
    assert read_http(event)[0] == "api-gateway-v2"


def test_header_without_a_value_is_empty() -> None:
    assert read_http(scf_url(headers={"X-Flag": True, "X-Off": False}))[1].headers == {
        "x-flag": "",
        "x-off": "False",
    }


def test_body_that_is_not_base64_is_refused_as_a_whole() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_http(scf_url(body="?", isBase64Encoded=True))
    assert refused.value.to_json() == [
        {"pointer": "", "detail": "the event says that its body is base64, and it is not"}
    ]


@given(mutated_bodies(st.sampled_from([shape() for shape in SHAPES.values()])) | json_values)
def test_any_event_is_read_or_refused(event: Any) -> None:
    with contextlib.suppress(InvalidRequest):
        _trigger, request = read_http(event)
        assert isinstance(request.body, bytes)
        assert all(isinstance(text, str) for pair in request.headers.items() for text in pair)
