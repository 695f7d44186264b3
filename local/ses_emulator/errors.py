"""The error codes of Tencent Cloud SES, as data (`error_codes.json`) and as an exception.

Exception
└── ApiError            becomes HTTP 200 with Response.Error
"""

import json
from pathlib import Path
from typing import Any

_CODES: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("error_codes.json").read_text(encoding="utf-8")
)
API_PAGE_CODES = _CODES["api_page"]
COMMON_CODES = _CODES["common"]
OTHER_ACTIONS_CODES = _CODES["other_actions"]
MESSAGES = {**COMMON_CODES, **API_PAGE_CODES, **OTHER_ACTIONS_CODES}


class ApiError(Exception):
    """A request that the API rejects; `code` becomes `Error.Code`, `message` `Error.Message`."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.message = " ".join(part for part in (MESSAGES.get(code, ""), detail) if part) or code
        super().__init__(f"{self.code}: {self.message}")

    def as_response(self) -> dict[str, Any]:
        """Return the `Response` object, without its RequestId."""
        return {"Error": {"Code": self.code, "Message": self.message}}
