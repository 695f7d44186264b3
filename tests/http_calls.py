"""HTTP requests in the event shape of each platform, and the handler's response."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from factories import API_KEY, LambdaContext, scf_context
from mailer.http_api import app

Shape = Callable[[str, str, dict[str, str], str | None], dict[str, Any]]
AUTHORIZED = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}


def api_gateway_v2(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {"http": http, "stage": "$default", "domainName": "id.execute-api.example"},
        "body": text,
        "isBase64Encoded": False,
    }


def lambda_url(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
    event = api_gateway_v2(method, path, headers, None)
    event["requestContext"]["domainName"] = "id.lambda-url.ap-southeast-1.on.aws"
    if text is not None:
        event |= {"body": base64.b64encode(text.encode()).decode(), "isBase64Encoded": True}
    return event


def api_gateway_v1(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "requestContext": {"stage": "prod", "path": f"/prod{path}", "httpMethod": method},
        "body": text,
        "isBase64Encoded": False,
    }


def scf_url(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
    lower = {name.lower(): value for name, value in headers.items()}
    return {"body": text or "", "headers": lower, "httpMethod": method, "path": path, "queryString": {}}


def scf_gateway(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
    context = {"serviceId": "service-1", "path": path, "httpMethod": method, "stage": "release"}
    return {**scf_url(method, path, {}, text), "headers": headers, "requestContext": context}


def alb(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
    target = "arn:aws:elasticloadbalancing:ap-southeast-1:123456789012:targetgroup/mailer/6d0ecf831eec9f09"
    return {
        "requestContext": {"elb": {"targetGroupArn": target}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {},
        "headers": {name.lower(): value for name, value in headers.items()},
        "body": text or "",
        "isBase64Encoded": False,
    }


def lattice_v1(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
    return {
        "raw_path": f"{path}?via=lattice",
        "method": method,
        "headers": {name.lower(): value for name, value in headers.items()},
        "query_string_parameters": {"via": "lattice"},
        "body": base64.b64encode((text or "").encode(errors="surrogatepass")).decode(),
        "is_base64_encoded": True,
    }


def lattice_v2(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
    network = "arn:aws:vpc-lattice:ap-southeast-1:123456789012:servicenetwork/sn-0bf3f2882e9cc805a"
    return {
        "version": "2.0",
        "path": f"{path}?via=lattice",
        "method": method,
        "headers": {name.lower(): [value] for name, value in headers.items()},
        "queryStringParameters": {"via": ["lattice"]},
        "body": text,
        "isBase64Encoded": False,
        "requestContext": {"serviceNetworkArn": network, "region": "ap-southeast-1"},
    }


def clb(method: str, path: str, headers: dict[str, str], text: str | None) -> dict[str, Any]:
    """Return CLB's event: it parses JSON and encodes everything else as base64."""
    headers = {**headers, "X-Method": method, "X-Uri": path, "X-Client-Proto": "http"}
    try:
        payload, encoded = json.loads(text or '""'), "false"
    except ValueError:
        payload, encoded = base64.b64encode((text or "").encode(errors="surrogatepass")).decode(), "true"
    return {"headers": headers, "payload": payload, "isBase64Encoded": encoded}


SHAPES: tuple[Shape, ...] = (
    api_gateway_v1,
    api_gateway_v2,
    lambda_url,
    alb,
    lattice_v1,
    lattice_v2,
    scf_url,
    scf_gateway,
    clb,
)
OF_SCF = frozenset({scf_url, scf_gateway, clb})


def call(
    method: str,
    path: str,
    document: Any = None,
    *,
    headers: dict[str, str] | None = None,
    shape: Shape = api_gateway_v2,
    seconds: float = 30.0,
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return the status, headers and JSON body of the handler's response."""
    text = document if isinstance(document, str) or document is None else json.dumps(document)
    event = shape(method, path, AUTHORIZED | (headers or {}), text)
    context = scf_context(seconds) if shape in OF_SCF else LambdaContext(seconds)
    answer = app.handle(event, context)
    assert set(answer) == {"statusCode", "headers", "body", "isBase64Encoded"}
    return answer["statusCode"], answer["headers"], json.loads(answer["body"] or "null")
