"""Mailer: requests, messages and schedules into email through Tencent Cloud SES, each sent at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actions import Action
    from .delivery import deliver
    from .outcome import Outcome
    from .request import EmailRequest

__all__ = ["Action", "EmailRequest", "Outcome", "deliver"]

_HOMES = {"Action": "actions", "EmailRequest": "request", "Outcome": "outcome", "deliver": "delivery"}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: a function that sends nothing stays quick to start."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
