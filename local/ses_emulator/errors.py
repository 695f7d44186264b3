"""The error codes of Tencent Cloud SES, as data (`error_codes.json`) and as the exception that answers one.

Exception
└── ApiError            answered as HTTP 200 with Response.Error
"""

import json
from pathlib import Path
from typing import Any

_CODES: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("error_codes.json").read_text(encoding="utf-8")
)
API_PAGE_CODES = _CODES["api_page"]
COMMON_CODES = _CODES["common"]
MESSAGES = {**COMMON_CODES, **API_PAGE_CODES}


class ApiError(Exception):
    """A request that the API refuses; `code` is the answer's `Error.Code`, `message` its `Error.Message`."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.message = " ".join(part for part in (MESSAGES.get(code, ""), detail) if part) or code
        super().__init__(f"{self.code}: {self.message}")

    def as_response(self) -> dict[str, Any]:
        """The `Response` object of the answer, without its RequestId."""
        return {"Error": {"Code": self.code, "Message": self.message}}
