"""The SES client: one SendEmail call through the official SDK, with the SDK's quirks isolated here.

The SDK is imported when the first email is about to go, so that a call which sends nothing never pays for it.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from mailer import clock
from mailer.email.native import to_native
from mailer.errors import SesFailure

from .credentials import EnvironmentCredential

if TYPE_CHECKING:
    from mailer.email.request import EmailRequest

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
MIN_READ_TIMEOUT = 1.0
IDLE_LIMIT = 30.0  # seconds after which a kept connection may have been closed by the peer unnoticed
POOL_SIZE = 32
_API_VERSION = "2020-10-02"


@dataclass(frozen=True)
class Receipt:
    """SES's acceptance: its MessageId and the RequestId of the call."""

    ses_message_id: str
    request_id: str | None


class SesClient:
    """Calls SES at one endpoint over one pool of connections; safe to share between threads."""

    def __init__(self, scheme: str, host: str, region: str) -> None:
        self._scheme = scheme
        self._host = host
        self._region = region
        self._client: Any = None
        self._lock = threading.Lock()
        self._timeouts = threading.local()
        self._used_at = 0.0
        self.measured_clock: clock.Offset | None = None

    @property
    def clock_offset(self) -> float | None:
        """How many seconds SES's clock was ahead of this process's at the last response that came at once."""
        return self.measured_clock.seconds if self.measured_clock else None

    def open(self) -> None:
        """Import the SDK and build its client, if that has not been done; drop connections that went idle."""
        with self._lock:
            if self._client is None:
                self._client = self._build()
            now = clock.now()  # not the monotonic clock, which does not advance while an instance is frozen
            if now - self._used_at > IDLE_LIMIT:
                self._client.request.conn._session.close()  # noqa: SLF001 - the SDK has no public way
            self._used_at = now

    def send(self, request: EmailRequest, smtp_message_id: str, seconds: float) -> Receipt:
        """Make one SendEmail call that ends within `seconds`; raises SesFailure unless SES accepted.

        `smtp_message_id` is the Message-ID without its brackets.
        """
        response = self.call("SendEmail", to_native(request.document(), smtp_message_id), seconds)
        ses_message_id = response.get("MessageId")
        if not isinstance(ses_message_id, str) or not ses_message_id:
            raise SesFailure("Transport.NoMessageId", response.get("RequestId"))
        return Receipt(ses_message_id, response.get("RequestId"))

    def call(self, action: str, parameters: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Return the `Response` object of one API call; raises SesFailure."""
        connect = min(CONNECT_TIMEOUT, seconds / 3)
        read = min(READ_TIMEOUT, seconds - connect)
        if read < MIN_READ_TIMEOUT:
            raise SesFailure("Transport.NotStarted")
        self.open()
        from .transport import code_of

        self._timeouts.value = (connect, read)
        handled_by_caller = sys.exc_info()[1]
        try:
            body = self._client.call(action, parameters)
        except Exception as error:  # what is not known to have happened before the sending leaves it unknown
            code = code_of(error, handled_by_caller)
            raise SesFailure(code, getattr(error, "requestId", None)) from error
        return _response(body)

    def close(self) -> None:
        """Drop the connections; the client can still be used and opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.request.conn._session.close()  # noqa: SLF001 - the SDK has no public way

    def _read_date(self, header: str | None, asked_at: clock.Moment) -> None:
        """Measure SES's clock by the Date of a response (RFC 9110 §6.6.1), which is exact to a second.

        One that came late, or was read late because the process stood still, says nothing of now.
        """
        try:
            date = parsedate_to_datetime(header or "")
        except ValueError:
            return
        if date.tzinfo:
            measured = clock.offset_of(date.timestamp() + 0.5, asked_at)
            self.measured_clock = measured or self.measured_clock

    def _build(self) -> Any:
        from requests.adapters import HTTPAdapter
        from tencentcloud.common.common_client import CommonClient
        from tencentcloud.common.profile.client_profile import ClientProfile
        from tencentcloud.common.profile.http_profile import HttpProfile

        timeouts, read_date = self._timeouts, self._read_date

        class Adapter(HTTPAdapter):
            """Gives every call the timeouts of its own deadline; the SDK has one for the whole client."""

            def send(self, *args: Any, **options: Any) -> Any:
                asked_at = clock.Moment()
                response = super().send(*args, **{**options, "timeout": timeouts.value})
                read_date(response.headers.get("Date"), asked_at)
                return response

        # At DEBUG the SDK's logger prints the body and the Authorization header.
        logger = logging.getLogger("tencentcloud_sdk_common")
        logger.setLevel(logging.WARNING)
        logger.propagate = False

        http = HttpProfile(protocol=self._scheme, endpoint=self._host)
        profile = ClientProfile(httpProfile=http, language="en-US")  # no retryer, no region breaker
        client = CommonClient("ses", _API_VERSION, EnvironmentCredential(), self._region, profile)
        session = client.request.conn._session  # noqa: SLF001 - the SDK has no public way
        session.trust_env = False  # a ~/.netrc attempt would replace the Authorization header
        session.max_redirects = 0  # a 307 would post the email again elsewhere
        session.mount(f"{self._scheme}://", Adapter(pool_maxsize=POOL_SIZE))
        return client


def _response(body: bytes) -> dict[str, Any]:
    try:
        response = json.loads(body)["Response"]
    except (ValueError, KeyError, TypeError) as error:
        raise SesFailure("Transport.NotJson") from error
    if not isinstance(response, dict):
        raise SesFailure("Transport.NotJson")
    return response
