"""What an exception of the SDK means: was the request certainly not sent, or is the outcome unknown?

The SDK has one exception type. An API error carries the API's code; a network fault of any kind carries
`ClientNetworkError`, and its cause is only in `__context__`. What goes wrong while the answer is read escapes
as it is. This module gives each a code of the error table; only what provably happens before the first byte
of the request leaves counts as not sent.
"""

from __future__ import annotations

import ssl
import traceback
from typing import TYPE_CHECKING

from requests import exceptions as requests_errors
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from urllib3 import exceptions as urllib3_errors

from .credentials import NoCredentials

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEFORE_SENDING = frozenset({"ClientError", "ClientParamsError", "ClientSideError", "InvalidCredential"})

# The first line whose type is found anywhere in the chain of causes decides.
_SEND_ERRORS: tuple[tuple[type[BaseException], str], ...] = (
    (urllib3_errors.NameResolutionError, "Transport.NameResolution"),
    (urllib3_errors.ProxyError, "Transport.ProxyFailure"),
    (urllib3_errors.NewConnectionError, "Transport.ConnectionRefused"),  # a kind of ConnectTimeoutError
    (urllib3_errors.ConnectTimeoutError, "Transport.ConnectTimeout"),
    (requests_errors.ReadTimeout, "Transport.ReadTimeout"),
    (requests_errors.ConnectionError, "Transport.ConnectionLost"),
)
_READ_ERRORS: tuple[tuple[type[BaseException], str], ...] = (
    (NoCredentials, "InvalidCredential"),
    (requests_errors.RequestException, "Transport.BodyCut"),
    (ValueError, "Transport.NotJson"),
    (LookupError, "Transport.NotJson"),
    (TypeError, "Transport.NotJson"),
)


def code_of(error: Exception, handled_by_caller: BaseException | None = None) -> str:
    """Return the code of the error table for what a call of the SDK raised.

    What led to an error that the caller was handling when it made the call says nothing about the call.
    """
    if not isinstance(error, TencentCloudSDKException):
        return next(
            (code for kind, code in _READ_ERRORS if isinstance(error, kind)), "Transport.Unclassified"
        )
    code = str(error.code)
    if error.requestId or code in _BEFORE_SENDING:
        return code
    if code == "ServerNetworkError":
        return "Transport.HttpStatus"
    causes = list(_causes(error, handled_by_caller))
    if any(map(_is_tls_handshake_error, causes)):
        return "Transport.TlsFailure"
    for kind, name in _SEND_ERRORS:
        if any(isinstance(cause, kind) for cause in causes):
            return name
    return "Transport.Unclassified"


def _is_tls_handshake_error(cause: BaseException) -> bool:
    """Return whether TLS was never established: an error later may come after the request was sent."""
    frames = (frame for frame, _line in traceback.walk_tb(cause.__traceback__))
    return isinstance(cause, ssl.SSLError) and any(frame.f_code.co_name == "do_handshake" for frame in frames)


def _causes(error: BaseException, handled_by_caller: BaseException | None) -> Iterator[BaseException]:
    """Yield what led to `error` within the call: contexts, causes, and what urllib3 and requests carry."""
    pending: list[object] = [error]
    seen: list[object] = []
    while pending:
        cause = pending.pop()
        if isinstance(cause, BaseException) and cause is not handled_by_caller and cause not in seen:
            seen.append(cause)
            yield cause
            pending += [cause.__context__, cause.__cause__, getattr(cause, "reason", None), *cause.args]
