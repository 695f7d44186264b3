"""A faithful local Tencent Cloud SES, for any of its SDKs (README.md)."""

from .emulator import Emulator
from .mails import Call, Mail
from .settings import SECRET_ID, SECRET_KEY, Settings
from .templates import Template

__all__ = ["SECRET_ID", "SECRET_KEY", "Call", "Emulator", "Mail", "Settings", "Template"]
