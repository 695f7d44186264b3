"""The attachments of SendEmail: their limits, and their decoded form."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import ApiError

COUNT_MAX = 10
NAME_MAX = 255
TOTAL_MAX = 4 * 1024 * 1024
_FORBIDDEN_IN_NAME = re.compile(r'[\s?\\*|"<>:/\x00-\x1f\x7f]')
_TYPES = """
    xlsx xls ods docx docm doc csv pdf txt gif jpg jpeg png tif tiff rtf bmp cgm css shtml html htm zip xml
    ppt pptx tar ez ics mobi msg pub eps odt mp3 m4a
"""
SUPPORTED_TYPES = frozenset(_TYPES.split())


@dataclass(frozen=True)
class Attachment:
    """A decoded attachment: its name, its size in bytes and the SHA-256 of its content in hex."""

    name: str
    size: int
    sha256: str


def decode(attachments: Sequence[dict[str, Any]]) -> list[Attachment]:
    """Return the decoded attachments, checked for number, names, content and size; raises `ApiError`."""
    if len(attachments) > COUNT_MAX:
        raise ApiError("FailedOperation.TooManyAttachments")
    decoded = [_decode(attachment) for attachment in attachments]
    if sum(attachment.size for attachment in decoded) > TOTAL_MAX:
        raise ApiError("FailedOperation.AttachContentToolarge")
    return decoded


def _decode(attachment: dict[str, Any]) -> Attachment:
    name = attachment["FileName"]
    stem, _, extension = name.rpartition(".")
    if not stem or len(name) > NAME_MAX or _FORBIDDEN_IN_NAME.search(name):
        raise ApiError("FailedOperation.InvalidAttachName")
    if extension.lower() not in SUPPORTED_TYPES:
        raise ApiError("FailedOperation.InvalidAttachName", f"Type .{extension}.")
    if attachment.get("FileURL"):
        raise ApiError("FailedOperation.FileURLNotExist")
    try:
        content = base64.b64decode(attachment.get("Content", ""), validate=True)
    except ValueError:
        content = b""
    if not content:
        raise ApiError("InvalidParameterValue.AttachContentIsWrong")
    return Attachment(name, len(content), hashlib.sha256(content).hexdigest())
