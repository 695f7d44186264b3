"""Mailer: requests, messages and schedules into email through Tencent Cloud SES, each sent at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "Action",
    "ConfigurationError",
    "DeadLettersFull",
    "Deadline",
    "DeferPolicy",
    "Disposition",
    "EmailRequest",
    "FieldError",
    "Forbidden",
    "InvalidHeader",
    "InvalidRequest",
    "MailerError",
    "Outcome",
    "SesFailure",
    "State",
    "StoreUnavailable",
    "UnknownEvent",
    "deliver",
]

if TYPE_CHECKING:
    from .deadline import Deadline
    from .delivery.deliver import deliver
    from .delivery.outcome import Disposition, Outcome
    from .email.request import EmailRequest
    from .errors import (
        ConfigurationError,
        DeadLettersFull,
        FieldError,
        Forbidden,
        InvalidHeader,
        InvalidRequest,
        MailerError,
        SesFailure,
        StoreUnavailable,
        UnknownEvent,
    )
    from .ledger.admission import DeferPolicy
    from .ledger.record import State
    from .ses.error_table import Action
else:  # to a type checker, a module with __getattr__ has every name
    _MODULES = {
        "Action": "ses.error_table",
        "Deadline": "deadline",
        "DeferPolicy": "ledger.admission",
        "Disposition": "delivery.outcome",
        "EmailRequest": "email.request",
        "Outcome": "delivery.outcome",
        "State": "ledger.record",
        "deliver": "delivery.deliver",
    }

    def __getattr__(name: str) -> object:
        """Import what is asked for only then: a function that sends nothing stays quick to start."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f".{_MODULES.get(name, 'errors')}", __name__), name)
