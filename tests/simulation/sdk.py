"""What the SDK raises and returns when a call fails: the cause is in the context of its exception alone."""

from __future__ import annotations

import socket
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import requests
from requests import exceptions
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from urllib3 import HTTPSConnectionPool
from urllib3 import exceptions as causes

from mailer.ses.credentials import NoCredentials

if TYPE_CHECKING:
    from collections.abc import Callable

NO_CREDENTIALS = "no credentials"
READ_TIMEOUT = "read timeout"


def _max_retries(cause: Exception) -> Exception:
    pool: Any = HTTPSConnectionPool("ses.example")
    return causes.MaxRetryError(pool, "/", cause)


def _connection(cause: Callable[[Any], Exception]) -> Exception:
    return exceptions.ConnectionError(_max_retries(cause(SimpleNamespace(host="ses.example"))))


def _tls_failure() -> Exception:
    def do_handshake() -> NoReturn:
        raise ssl.SSLError("certificate verify failed")

    try:
        do_handshake()
    except ssl.SSLError as error:
        return exceptions.SSLError(error)


_NOT_SENT: dict[str, Callable[[], Exception]] = {
    "connection refused": lambda: _connection(lambda host: causes.NewConnectionError(host, "refused")),
    "no name": lambda: _connection(
        lambda host: causes.NameResolutionError("ses.example", host, socket.gaierror())
    ),
    "connect timeout": lambda: exceptions.ConnectTimeout(_max_retries(causes.ConnectTimeoutError())),
    "TLS": _tls_failure,
    "proxy": lambda: exceptions.ProxyError(_max_retries(causes.ProxyError("refused", OSError()))),
}
_BROKEN: dict[str, Callable[[], Exception]] = {
    READ_TIMEOUT: exceptions.ReadTimeout,
    "connection lost": lambda: exceptions.ConnectionError(causes.ProtocolError("Connection aborted.")),
}
_BODIES = {
    "not JSON": b"<html>",
    "no object": b'{"Response": []}',
    "no MessageId": b'{"Response": {"RequestId": "request-id"}}',
}
NOT_SENT = (*_NOT_SENT, NO_CREDENTIALS)
DATED = ("HTTP status", *_BODIES)  # failures of which the headers have come
LOST = (*_BROKEN, "body cut", *DATED)


def raise_not_sent(how: str) -> NoReturn:
    """Raise what the SDK raises where nothing was sent."""
    if how == NO_CREDENTIALS:
        raise NoCredentials
    _raise_within_the_sdk(_NOT_SENT[how]())


def lose_answer(how: str) -> bytes:
    """Return or raise what the SDK does where the answer does not come, or says nothing."""
    if how in _BROKEN:
        _raise_within_the_sdk(_BROKEN[how]())
    if how == "body cut":
        raise requests.exceptions.ChunkedEncodingError
    if how == "HTTP status":
        raise TencentCloudSDKException("ServerNetworkError", "502")
    return _BODIES[how]


def _raise_within_the_sdk(cause: Exception) -> NoReturn:
    try:
        raise cause  # noqa: TRY301 - as `requests` does below the SDK
    except Exception as error:  # noqa: BLE001 - as the SDK does
        raise TencentCloudSDKException("ClientNetworkError", str(error))  # noqa: B904 - as the SDK does
