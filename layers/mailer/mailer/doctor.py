"""Deployment checks: settings, store, SES."""

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
    """The result of one check; `critical` failures break the delivery guarantee."""

    subject: str
    passed: bool
    detail: str
    critical: bool = True


def run_checks(runtime: Runtime) -> Iterator[Check]:
    """Yield the results for the settings, the store and SES; nothing is sent."""
    yield from _store(runtime)
    yield _ses(runtime)
    yield Check(
        "MAILER_API_KEYS",
        bool(runtime.settings.api_keys),
        "the HTTP API has keys"
        if runtime.settings.api_keys
        else "is empty: all HTTP requests are rejected (401)",
        critical=False,
    )
    yield Check(
        "MAILER_CALLBACK_TOKEN",
        bool(runtime.settings.callback_token),
        "callbacks of SES are accepted"
        if runtime.settings.callback_token
        else "is empty: callbacks, the only exact proof of an unknown send, are rejected",
        critical=False,
    )


def _store(runtime: Runtime) -> Iterator[Check]:
    try:
        health = store_health(runtime.ledger.store)
    except StoreUnavailable as error:
        yield Check("store", passed=False, detail=f"is unavailable ({error}): nothing can be sent")
        return
    yield Check(
        "store: version",
        health.major_version >= MIN_VERSION,
        f"is compatible with Redis {health.major_version}; {MIN_VERSION} is required",
    )
    yield Check(
        "store: durable",
        health.durable,
        "has an append-only file or a replica"
        if health.durable
        else "has neither appendonly nor a replica: a restart loses the send history; duplicates follow",
    )
    yield Check(
        "store: noeviction",
        not health.evicts,
        "evicts records when it is full: set maxmemory-policy to noeviction"
        if health.evicts
        else "keeps every record",
    )
    skew = abs(health.time - time.time())
    yield Check("clock", skew <= MAX_SKEW, f"is {skew:.0f} seconds from the store's", critical=False)


def _ses(runtime: Runtime) -> Check:
    params = {"RequestDate": datetime.now(timezone.utc).date().isoformat(), "Offset": 0, "Limit": 1}
    try:
        runtime.ses.call("GetSendEmailStatus", params, SES_SECONDS)
    except SesFailure as failure:
        rule = rule_for(failure.code)
        return Check("SES", passed=False, detail=f"{failure.code}: {rule.why}; {rule.hint}")
    return Check("SES", passed=True, detail="reachable, credentials accepted")
