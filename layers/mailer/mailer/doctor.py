"""The doctor: finds what would lose email, send it twice or stop it, before an email meets it."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from .errors import SesFailure, StoreUnavailable
from .ledger.health import store_health
from .ses.error_table import rule_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .runtime import Runtime

MIN_VERSION = 7
MAX_SKEW = 60  # seconds; SES refuses a signature that is 5 minutes off
SES_SECONDS = 10.0


class Check(NamedTuple):
    """One thing that was looked at; what is not `good` names what to do, and `grave` stops the promise."""

    subject: str
    good: bool
    detail: str
    grave: bool = True


def run_checks(runtime: Runtime) -> Iterator[Check]:
    """Yield what is right and what is not with the settings, the store and SES; nothing is sent."""
    yield from _store(runtime)
    yield _ses(runtime)
    yield Check(
        "MAILER_API_KEYS",
        bool(runtime.settings.api_keys),
        "the HTTP API has keys" if runtime.settings.api_keys else "is empty: nobody gets in over HTTP",
        grave=False,
    )
    yield Check(
        "MAILER_CALLBACK_TOKEN",
        bool(runtime.settings.callback_token),
        "SES can call back"
        if runtime.settings.callback_token
        else "is empty: callbacks, the only exact proof of an unknown send, are off",
        grave=False,
    )


def _store(runtime: Runtime) -> Iterator[Check]:
    try:
        health = store_health(runtime.ledger.store)
    except StoreUnavailable as error:
        yield Check("store", good=False, detail=f"does not answer ({error}): nothing can be sent")
        return
    yield Check(
        "store: version",
        health.major_version >= MIN_VERSION,
        f"speaks Redis {health.major_version}; {MIN_VERSION} is needed",
    )
    yield Check(
        "store: durable",
        health.durable,
        "writes a log or has a replica"
        if health.durable
        else "has neither appendonly nor a replica: a restart forgets what was sent, and sends it twice",
    )
    yield Check(
        "store: noeviction",
        not health.evicts,
        "drops records when it is full: set maxmemory-policy to noeviction"
        if health.evicts
        else "keeps every record",
    )
    skew = abs(health.time - time.time())
    yield Check("clock", skew <= MAX_SKEW, f"is {skew:.0f} seconds from the store's", grave=False)


def _ses(runtime: Runtime) -> Check:
    question = {"RequestDate": datetime.now(timezone.utc).date().isoformat(), "Offset": 0, "Limit": 1}
    try:
        runtime.ses.call("GetSendEmailStatus", question, SES_SECONDS)
    except SesFailure as failure:
        rule = rule_for(failure.code)
        return Check("SES", good=False, detail=f"{failure.code}: {rule.why}; {rule.hint}")
    return Check("SES", good=True, detail="answers, and takes the key")
