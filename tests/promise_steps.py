"""Steps of an email's way through the ledger, taken one at a time by the tests of the promise."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from factories import email
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver
from mailer.delivery.sweep import sweep
from mailer.email.identity import id_for
from mailer.errors import StoreUnavailable
from mailer.ledger import Attempt, CallResult, Verdict
from mailer.ledger.record import State
from mailer.ses.error_table import rule_for
from stored_times import make_due

if TYPE_CHECKING:
    import pytest

    from mailer.delivery.outcome import Outcome
    from mailer.ledger import Admission
    from mailer.ledger.record import Record
    from mailer.runtime import Runtime

UNSENT = "ResourceInsufficient"
TRANSIENT = "FailedOperation.ServiceNotAvailable"


def email_id(runtime: Runtime, key: str = "order-1") -> str:
    return id_for(runtime.settings.account, key)


def record_of(runtime: Runtime, key: str = "order-1") -> Record:
    record = runtime.ledger.get(email_id(runtime, key))
    assert record
    return record


def field(runtime: Runtime, name: str, key: str = "order-1") -> str | None:
    store = runtime.ledger.store
    value: str | None = store.client.hget(store.key("email", email_id(runtime, key)), name)
    return value


def score(runtime: Runtime, index: str, key: str = "order-1") -> float | None:
    store = runtime.ledger.store
    value: float | None = store.client.zscore(store.key(index), email_id(runtime, key))
    return value


def send(runtime: Runtime, seconds: float = 2.5, **options: Any) -> Outcome:
    return deliver(email(), key="order-1", deadline=Deadline(seconds), runtime=runtime, **options)


def expire_lease(runtime: Runtime, key: str = "order-1") -> None:
    store = runtime.ledger.store
    store.client.hset(store.key("email", email_id(runtime, key)), "lease_until", 1)


def attempt(runtime: Runtime, key: str = "order-1", *, stored: bool = False, **fields: Any) -> Attempt:
    return Attempt(email_id(runtime, key), email(**fields), "test", stored=stored)


def admitted(
    runtime: Runtime, key: str = "order-1", from_state: State | None = None, **fields: Any
) -> tuple[Attempt, Admission]:
    one = attempt(runtime, key, stored=from_state is not None, **fields)
    admission = runtime.ledger.admit(one, from_state=from_state)
    assert admission.verdict is Verdict.SEND
    return one, admission


def failure(state: State, code: str = UNSENT, **more: Any) -> CallResult:
    return CallResult(state, code=code, rule=rule_for(code), **more)


UNKNOWN = failure(State.UNKNOWN, "Transport.ReadTimeout")


def everything_is_due(runtime: Runtime) -> None:
    client, key = runtime.ledger.store.client, runtime.ledger.store.key
    for one in client.zrange(key("open"), 0, -1):
        client.zadd(key("open"), {one: 1})
    for one in client.zrange(key("due"), 0, -1):
        make_due(runtime, one)


def sweep_all(runtime: Runtime) -> dict[str, Any]:
    everything_is_due(runtime)
    return sweep("test", Deadline(20), runtime)


def lose_replies(runtime: Runtime, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store carry out each call of a script of the ledger, and its replies not come back."""
    run = getattr(runtime.ledger, script)

    def lost(**arguments: Any) -> Any:
        run(**arguments)
        raise StoreUnavailable("TimeoutError")

    monkeypatch.setattr(runtime.ledger, script, lost)


def in_an_hour() -> str:
    return (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
