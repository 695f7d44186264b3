"""Mailer: requests, messages and schedules into email through Tencent Cloud SES, each sent at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .delivery.deliver import deliver
    from .delivery.outcome import Outcome
    from .email.request import EmailRequest
    from .ses.error_table import Action

__version__ = "0.1.0"
__all__ = ["Action", "EmailRequest", "Outcome", "deliver"]

_EXPORTS = {
    "Action": "ses.error_table",
    "EmailRequest": "email.request",
    "Outcome": "delivery.outcome",
    "deliver": "delivery.deliver",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: a function that sends nothing stays quick to start."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
