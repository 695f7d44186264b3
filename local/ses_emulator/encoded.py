"""Content in base64, as requests and responses carry it."""

from __future__ import annotations

import base64

from .errors import ApiError


def decode(encoded: str, code: str) -> str:
    """Return the text whose UTF-8 is in `encoded`; raises an error with that code for anything else."""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        raise ApiError(code) from None


def encode(text: str) -> str:
    """Return the base64 of the text's UTF-8."""
    return base64.b64encode(text.encode()).decode()
