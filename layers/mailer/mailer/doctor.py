"""Deployment checks: settings, connections, store, SES."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from . import clock
from .config.store_url import StoreUrl, is_loopback
from .errors import SesFailure, StoreUnavailable
from .ledger.health import FULL, NEARLY_FULL, store_health, store_usage
from .ses.error_table import rule_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config.settings import Settings
    from .runtime import Runtime

MIN_VERSION = 7
NOTED_OFFSET = 60.0  # seconds
# SES refuses a signature that is older, and its acceptances are looked for no further from an attempt.
MAX_OFFSET = 300.0  # seconds
SES_SECONDS = 10.0


class Check(NamedTuple):
    """The result of one check; `critical` failures break the delivery guarantee."""

    subject: str
    passed: bool
    detail: str
    critical: bool = True


def run_checks(runtime: Runtime) -> Iterator[Check]:
    """Yield the results for the settings, the store and SES; nothing is sent."""
    yield _store_encryption(runtime.settings)
    yield from _store(runtime)
    yield _ses_encryption(runtime.settings)
    yield _ses(runtime)
    yield from _clocks(runtime)
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
        bool(runtime.settings.callback_tokens),
        "callbacks of SES are accepted"
        if runtime.settings.callback_tokens
        else "is empty: callbacks, the only exact proof of an unknown send, are rejected",
        critical=False,
    )
    yield _hash_keys(runtime)


def _hash_keys(runtime: Runtime) -> Check:
    given = len(runtime.settings.hash_keys)
    detail = "addresses are hashed with a key that the store keeps"
    if given:
        earlier = f"; {given - 1} earlier keys are matched" if given > 1 else ""
        detail = f"addresses are hashed with the key that is set{earlier}"
    return Check("MAILER_HASH_KEY", passed=True, detail=detail, critical=False)


def _store_encryption(settings: Settings) -> Check:
    url = StoreUrl.parse(settings.store_url)
    detail = "is encrypted, the server's certificate and name are verified"
    if url.is_local:
        detail = "does not leave this machine"
    elif url.tls is None:
        detail = (
            "is not encrypted: the network, a private one too, shows the store's password and the emails "
            "to whoever listens; use rediss:// in MAILER_STORE_URL"
        )
    elif not url.tls.verify_certificate:
        detail = "goes to any server: remove ssl_cert_reqs=none, name a private authority with ssl_ca_certs"
    elif not url.tls.verify_name:
        detail = (
            "goes to any server with a certificate of the same authorities: remove ssl_check_hostname=false"
        )
    verified = url.tls is not None and url.tls.verify_name
    return Check("store: connection", url.is_local or verified, detail)


def _ses_encryption(settings: Settings) -> Check:
    if settings.ses_scheme == "https":
        return Check("SES: connection", passed=True, detail="is encrypted")
    if is_loopback(settings.ses_host.partition(":")[0]):
        return Check("SES: connection", passed=True, detail="does not leave this machine")
    return Check(
        "SES: connection",
        passed=False,
        detail="is not encrypted: the network shows the emails to whoever listens, and a response may be "
        "anyone's; use https:// in MAILER_SES_ENDPOINT",
    )


def _store(runtime: Runtime) -> Iterator[Check]:
    try:
        yield from _answering_store(runtime)
    except StoreUnavailable as error:
        why = error.__cause__ or error
        yield Check("store", passed=False, detail=f"is unavailable ({why}): nothing can be sent")


def _answering_store(runtime: Runtime) -> Iterator[Check]:
    health = store_health(runtime.ledger.store)
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
    if health.in_cluster and not runtime.ledger.store.is_cluster:
        yield Check(
            "store: cluster",
            passed=False,
            detail="this server is part of a cluster: add ?cluster=true to MAILER_STORE_URL",
        )
        return
    usage = store_usage(runtime.ledger.store)
    if usage.memory is not None:
        yield _level("store: memory", usage.memory, "maxmemory")
    yield _level("store: dead letters", usage.dead_letters_used, "MAILER_DEAD_LETTERS_MAX")


def _level(subject: str, used: float, limit: str) -> Check:
    """Return whether less than 80 % of a limit is used; from 100 % on the store takes nothing new."""
    return Check(subject, used < NEARLY_FULL, f"{used:g} % of {limit} are used", critical=used >= FULL)


def _ses(runtime: Runtime) -> Check:
    params = {"RequestDate": datetime.now(timezone.utc).date().isoformat(), "Offset": 0, "Limit": 1}
    try:
        runtime.ses.call("GetSendEmailStatus", params, SES_SECONDS)
    except SesFailure as failure:
        rule = rule_for(failure.code)
        return Check("SES", passed=False, detail=f"{failure.code}: {rule.why}; {rule.hint}")
    return Check("SES", passed=True, detail="reachable, credentials accepted")


def _clocks(runtime: Runtime) -> Iterator[Check]:
    """Yield how far the clocks are from that of SES, which the Date of its response has shown."""
    ahead = runtime.ses.clock_offset
    if ahead is None:
        return
    yield Check("clock", abs(ahead) <= NOTED_OFFSET, _offset(ahead, "this machine's"), critical=False)
    try:
        asked_at = clock.Moment()
        runtime.store_answered(runtime.ledger.store.now(), asked_at)
    except StoreUnavailable:  # which the checks of the store say
        return
    of_store = (runtime.clock_offset or 0) / 1000
    yield Check(
        "store: clock",
        abs(of_store) <= NOTED_OFFSET,
        _offset(of_store, "the store's"),
        critical=abs(of_store) > MAX_OFFSET,
    )


def _offset(ahead: float, whose: str) -> str:
    direction = "ahead of" if ahead >= 0 else "behind"
    return f"SES's is {abs(ahead):.0f} seconds {direction} {whose}; {MAX_OFFSET:.0f} are tolerated"
