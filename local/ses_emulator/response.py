"""An HTTP response as data, and what happens to it on the connection."""

import enum
import json
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any


class Ending(enum.Enum):
    """What the server does on the connection."""

    COMPLETE = "the whole response is sent"
    CUT = "half of the body is sent, then the connection is closed"
    CLOSE = "nothing is sent and the connection is closed"
    RESET = "nothing is sent and the connection is reset (RST)"
    HANG = "nothing is sent until the client closes the connection or the time for slow faults is over"


@dataclass(frozen=True)
class Response:
    """Status, headers and body; without `content_type` there is no such header."""

    body: bytes
    status: int = 200
    content_type: str | None = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    ending: Ending = Ending.COMPLETE

    def encode(self, *, close: bool, date: float) -> bytes:
        """Return the bytes to send in one piece, so that no part of them waits for a delayed ACK.

        `date` is the time of the response in Unix seconds.
        """
        phrase = HTTPStatus(self.status).phrase
        lines = [f"HTTP/1.1 {self.status} {phrase}", f"Date: {formatdate(date, usegmt=True)}"]
        lines.append(f"Content-Length: {len(self.body)}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.content_type is not None:
            lines.append(f"Content-Type: {self.content_type}")
        lines.append(f"Connection: {'close' if close else 'keep-alive'}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head + (self.body[: len(self.body) // 2] if self.ending is Ending.CUT else self.body)


def json_response(value: Any, status: int = 200) -> Response:
    """Return a response with `value` as its JSON body."""
    return Response(json.dumps(value).encode(), status)


def api_response(result: dict[str, Any], request_id: str) -> Response:
    """Return the API's envelope around `result`: HTTP 200 for a success and for an error."""
    return json_response({"Response": {**result, "RequestId": request_id}})
