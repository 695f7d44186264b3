"""An HTTP answer as data, with the ways in which a connection can betray it."""

import enum
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


class Ending(enum.Enum):
    """What happens on the connection."""

    COMPLETE = "the whole answer is sent"
    CUT = "half of the body is sent, then the connection is closed"
    CLOSE = "nothing is sent and the connection is closed"
    RESET = "nothing is sent and the connection is reset (RST)"
    HANG = "nothing is sent until the client gives up, or the time for slow faults is over"


@dataclass(frozen=True)
class Answer:
    """Status, headers and body; `content_type` None leaves the header out."""

    body: bytes
    status: int = 200
    content_type: str | None = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    ending: Ending = Ending.COMPLETE

    def encode(self, *, close: bool) -> bytes:
        """The bytes for the wire in one piece, so that no half of them waits for a delayed ACK."""
        phrase = HTTPStatus(self.status).phrase
        lines = [f"HTTP/1.1 {self.status} {phrase}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.content_type is not None:
            lines.append(f"Content-Type: {self.content_type}")
        lines.append(f"Connection: {'close' if close else 'keep-alive'}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head + (self.body[: len(self.body) // 2] if self.ending is Ending.CUT else self.body)


def json_answer(value: Any, status: int = 200) -> Answer:
    """An answer with `value` as its JSON body."""
    return Answer(json.dumps(value).encode(), status)


def api_answer(response: dict[str, Any], request_id: str) -> Answer:
    """The API's envelope: HTTP 200 whether it is a success or an error."""
    return json_answer({"Response": {**response, "RequestId": request_id}})
