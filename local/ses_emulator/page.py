"""The inbox page: one HTML file that loads nothing from elsewhere and reads the admin API."""

import base64
import hashlib
import re
from pathlib import Path

from .response import Response

_PAGE = Path(__file__).with_name("page.html").read_bytes()


def _script_hash() -> str:
    script = re.search(rb"<script>(.*?)</script>", _PAGE, re.DOTALL)
    if script is None:
        raise ValueError("page.html has no script")
    return base64.b64encode(hashlib.sha256(script[1]).digest()).decode()


# The frame that shows an email inherits this policy: no script except the page's own, nothing from elsewhere.
_POLICY = (
    f"default-src 'none'; script-src 'sha256-{_script_hash()}'; style-src 'unsafe-inline';"
    " connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def response() -> Response:
    """Return the page, with a policy under which an email's HTML loads and runs nothing."""
    return Response(
        _PAGE,
        content_type="text/html; charset=utf-8",
        headers=(("Content-Security-Policy", _POLICY), ("X-Content-Type-Options", "nosniff")),
    )
