"""TC3-HMAC-SHA256, the signature of Tencent Cloud API 3.0: signing and verification."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone

from .errors import ApiError

ALGORITHM = "TC3-HMAC-SHA256"
SERVICE = "ses"
CLOCK_SKEW = 300
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=(?P<id>[^/,\s]+)/(?P<date>\d{{4}}-\d\d-\d\d)/(?P<service>[^/,\s]+)/tc3_request,"
    r" *SignedHeaders=(?P<signed>[a-z0-9;-]+), *Signature=(?P<signature>[0-9a-f]{64})"
)
# The SDK of Node.js signs Host without its port, which at Tencent is never there.
_PORT = re.compile(r":\d+\Z")
# The documentation lowercases the values of signed headers, the official SDKs do not.
_VALUE_FORMS: tuple[Callable[[str], str], ...] = (str.lower, str)


def sign(
    secret_key: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    date: str,
    signed: str = "content-type;host",
    service: str = SERVICE,
    form: Callable[[str], str] = str.lower,
) -> str:
    """Return the hex signature of a POST to `/`; `headers` has lower-case names, all of `signed` included."""
    unsigned = headers.get("x-tc-content-sha256") == "UNSIGNED-PAYLOAD"
    payload = b"UNSIGNED-PAYLOAD" if unsigned else body
    canonical_headers = "".join(f"{name}:{form(headers[name].strip())}\n" for name in signed.split(";"))
    canonical_request = f"POST\n/\n\n{canonical_headers}\n{signed}\n{hashlib.sha256(payload).hexdigest()}"
    digest = hashlib.sha256(canonical_request.encode()).hexdigest()
    key = f"TC3{secret_key}".encode()
    for step in (date, service, "tc3_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    text = f"{ALGORITHM}\n{headers['x-tc-timestamp']}\n{date}/{service}/tc3_request\n{digest}"
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def services_of(host: str) -> set[str]:
    """Return the services that a request to `host` may be signed for.

    The SDKs of Node.js and Java take the first label of the endpoint, with its port where there is no dot,
    which is `ses` at Tencent.
    """
    return {SERVICE, *(form.partition(".")[0] for form in _hosts(host))}


def _hosts(host: str) -> tuple[str, ...]:
    """Return what SDKs sign of a Host header: all of it, or without its port."""
    return tuple(dict.fromkeys((host, _PORT.sub("", host))))


def utc_date(timestamp: float) -> str:
    """Return the UTC date of a Unix time as in a TC3 credential scope."""
    return datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%d")


def verify(
    headers: Mapping[str, str],
    body: bytes,
    *,
    credentials: Mapping[str, str],
    tokens: Mapping[str, str],
    now: float,
) -> None:
    """Check the signer, the signature and the age of a request.

    `headers` has lower-case names. Raises `ApiError` with an AuthFailure code, or MissingParameter or
    InvalidParameter for the timestamp.
    """
    timestamp = _timestamp(headers)
    authorization = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if authorization is None:
        raise ApiError("AuthFailure.InvalidAuthorization")
    signed = authorization["signed"].split(";")
    missing = {"content-type", "host"} - set(signed) or {name for name in signed if name not in headers}
    if missing or signed != sorted(signed):
        raise ApiError("AuthFailure.InvalidAuthorization", "SignedHeaders is incomplete or not in order.")
    if abs(now - timestamp) > CLOCK_SKEW:
        raise ApiError("AuthFailure.SignatureExpire")
    secret_key = credentials.get(authorization["id"])
    if secret_key is None:
        raise ApiError("AuthFailure.SecretIdNotFound")
    host = headers["host"]
    if authorization["date"] != utc_date(timestamp) or authorization["service"] not in services_of(host):
        raise ApiError("AuthFailure.SignatureFailure", "The credential scope does not match the request.")
    if not any(
        hmac.compare_digest(
            sign(
                secret_key,
                {**headers, "host": signed_host},
                body,
                date=authorization["date"],
                signed=authorization["signed"],
                service=authorization["service"],
                form=form,
            ),
            authorization["signature"],
        )
        for signed_host in _hosts(host)
        for form in _VALUE_FORMS
    ):
        raise ApiError("AuthFailure.SignatureFailure")
    token = tokens.get(authorization["id"])
    if token is not None and not hmac.compare_digest(
        token.encode(), headers.get("x-tc-token", "").encode("utf-8", "replace")
    ):
        raise ApiError("AuthFailure.TokenFailure")


def _timestamp(headers: Mapping[str, str]) -> int:
    text = headers.get("x-tc-timestamp")
    if text is None:
        raise ApiError("MissingParameter", "X-TC-Timestamp.")
    if not re.fullmatch(r"[0-9]{1,11}", text):
        raise ApiError("InvalidParameter", "X-TC-Timestamp is not a Unix time.")
    return int(text)
