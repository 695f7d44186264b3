"""The two kinds of keys: a caller's never block a platform's, and what version 0.1.0 sent is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from factories import LambdaContext, body, email, sent_by_version_0_1_0
from http_calls import call
from mailer.deadline import Deadline
from mailer.delivery.attempts import record_of
from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition
from mailer.delivery.sweep import sweep
from mailer.email.identity import Key, KeyKind, PlatformKey, id_for
from mailer.ledger import Attempt, CallResult, DeferPolicy
from mailer.ledger.record import State
from mailer.ses.error_table import rule_for
from mailer.triggers.queue import handle
from queue_events import ckafka, cloud_event, failures, kafka, sqs

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

PLATFORM_KEYS = [
    "sqs:message-0",
    "digest:daily:2026-05-01T09:00:00Z:abc",
    "webhook:contact:c-1",
    "invoke:r-1",
]


@pytest.mark.parametrize("text", PLATFORM_KEYS)
def test_caller_who_guesses_a_platforms_key_does_not_take_it(
    runtime: Runtime, ses: Emulator, text: str
) -> None:
    taken = deliver(email(), key=text)
    outcome = deliver(email(), platform_key=text)
    assert (outcome.disposition, outcome.replayed) == (Disposition.ACCEPTED, False)
    assert outcome.id != taken.id
    assert deliver(email(), platform_key=text).replayed
    assert len(ses.inbox()) == 2


def test_message_is_sent_although_somebody_used_its_id_as_a_key(runtime: Runtime, ses: Emulator) -> None:
    for key in ("sqs:message-0", "message-0"):
        call("POST", "/emails", body(), headers={"Idempotency-Key": key})
    assert failures(handle(sqs(body(to="bob@customer.example")), LambdaContext())) == []
    assert len(ses.inbox()) == 3


def test_cloud_event_does_not_take_the_key_of_a_caller(runtime: Runtime, ses: Emulator) -> None:
    event = cloud_event(body(), source="shop", id="1")
    handle(event, LambdaContext())
    assert deliver(email(), key="cloudevent:shop:1").replayed is False
    handle(event, LambdaContext())
    assert len(ses.inbox()) == 2


def test_key_in_a_message_is_one_email_through_any_trigger(runtime: Runtime, ses: Emulator) -> None:
    handle(sqs(body(idempotency_key="order-1")), LambdaContext())
    _, headers, _ = call("POST", "/emails", body(), headers={"Idempotency-Key": "order-1"})
    assert headers["Idempotent-Replayed"] == "true"
    assert len(ses.inbox()) == 1


# Redeliveries of what version 0.1.0 sent


def test_redelivery_after_an_upgrade_is_not_sent_again(runtime: Runtime, ses: Emulator) -> None:
    first = sent_by_version_0_1_0(runtime, "sqs:message-0")
    assert failures(handle(sqs(body()), LambdaContext())) == []
    outcome = deliver(email(), platform_key="sqs:message-0")
    assert (outcome.id, outcome.replayed, outcome.ses_message_id) == (first, True, "ses-sqs:message-0")
    assert ses.calls() == []


@pytest.mark.parametrize("state", [State.DEFERRED, State.UNKNOWN])
def test_email_that_version_0_1_0_kept_is_sent_once(runtime: Runtime, ses: Emulator, state: State) -> None:
    """A redelivery meets the kept email time and again, before the sweep sends it and after."""
    attempt = Attempt(id_for(runtime.settings.account, "sqs:message-0"), email(), "sqs", namespace=None)
    rule = rule_for("FailedOperation.TemporaryBlocked")
    result = CallResult(
        state, code="FailedOperation.TemporaryBlocked", rule=rule._replace(scope=rule_for("x").scope)
    )
    runtime.ledger.settle(attempt, runtime.ledger.admit(attempt), result)
    for _ in range(3):
        outcome = deliver(email(), platform_key="sqs:message-0", defer=DeferPolicy.ALWAYS)
        assert (outcome.state, outcome.replayed, outcome.id) == (state, True, attempt.smtp_message_id)
    assert ses.calls() == []
    if state is State.DEFERRED:
        assert sweep("test", Deadline(30), runtime) == {"accepted": 1}
        assert deliver(email(), platform_key="sqs:message-0").replayed
        assert len(ses.inbox()) == 1


def test_email_of_version_0_1_0_in_flight_is_unknown_once_its_lease_ends(
    runtime: Runtime, ses: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = Attempt(id_for(runtime.settings.account, "sqs:message-0"), email(), "sqs", namespace=None)
    monkeypatch.setattr(runtime.ledger, "_lease", 1)
    runtime.ledger.admit(attempt)
    outcome = deliver(email(), platform_key="sqs:message-0")
    assert (outcome.state, outcome.id) == (State.UNKNOWN, attempt.smtp_message_id)
    assert ses.calls() == []


@pytest.mark.parametrize("state", [State.REFUSED, State.FAILED])
def test_email_that_version_0_1_0_certainly_did_not_send_is_free(
    runtime: Runtime, ses: Emulator, state: State
) -> None:
    attempt = Attempt(id_for(runtime.settings.account, "sqs:message-0"), email(), "sqs", namespace=None)
    runtime.ledger.settle(attempt, runtime.ledger.admit(attempt), CallResult(state))
    outcome = deliver(email(), platform_key="sqs:message-0")
    assert (outcome.state, outcome.replayed) == (State.ACCEPTED, False)
    key = Key("sqs:message-0", KeyKind.PLATFORM)
    assert outcome.id.startswith(key.email_id(runtime.settings.account))


KAFKA = kafka({"emails-0": [body()]})


@pytest.mark.parametrize(
    ("event", "key"),
    [(KAFKA, f"kafka:{KAFKA['eventSourceArn']}:emails-0:0"), (ckafka(body()), "ckafka:emails:1:0")],
    ids=["Kafka", "CKafka"],
)
def test_record_that_version_0_1_0_knew_by_its_offset_is_not_sent_again(
    runtime: Runtime, ses: Emulator, event: dict[str, Any], key: str
) -> None:
    sent_by_version_0_1_0(runtime, key)
    handle(event, LambdaContext())
    assert ses.calls() == []


def test_cloud_event_in_a_record_has_its_own_key(runtime: Runtime, ses: Emulator) -> None:
    sent_by_version_0_1_0(runtime, "ckafka:emails:1:0")
    handle(ckafka(cloud_event(body())), LambdaContext())
    assert len(ses.calls()) == 1


@pytest.mark.parametrize(("namespace", "known"), [(None, True), ("", False)])
def test_record_under_a_platforms_key_may_be_one_of_version_0_1_0(
    runtime: Runtime, ses: Emulator, namespace: str | None, *, known: bool
) -> None:
    """The email of a caller's key of the same text is not the platform's."""
    attempt = Attempt(id_for(runtime.settings.account, "digest:1"), email(), "test", namespace=namespace)
    runtime.ledger.admit(attempt)
    assert (record_of("digest:1", runtime) is not None) == known
    assert record_of("digest:2", runtime) is None
    own = deliver(email(), platform_key="digest:3")
    found = record_of("digest:3", runtime)
    assert found
    assert found.smtp_message_id == own.id


def test_platforms_key_may_have_had_another_text_in_version_0_1_0(runtime: Runtime, ses: Emulator) -> None:
    sent_by_version_0_1_0(runtime, "kafka:c:emails-0:1")
    assert deliver(
        email(), platform_key=PlatformKey("kafka:c:emails-0:1:hash", "kafka:c:emails-0:1")
    ).replayed
    assert not deliver(email(), platform_key=PlatformKey("kafka:c:emails-0:1:other")).replayed


def test_other_content_under_a_key_of_a_namespace_is_not_that_of_version_0_1_0(
    runtime: Runtime, ses: Emulator
) -> None:
    attempt = Attempt(
        id_for(runtime.settings.account, "c-1"),
        email(subject="Another"),
        "test",
        email(subject="Another").content_fingerprint(),
        namespace=None,
    )
    runtime.ledger.settle(
        attempt, runtime.ledger.admit(attempt), CallResult(State.ACCEPTED, ses_message_id="s")
    )
    assert deliver(email(), key="c-1", namespace="webhook:contact").replayed is False
    assert deliver(email(subject="Another"), key="c-1", namespace="webhook:other").replayed is True


def test_namespace_is_kept_with_the_record(runtime: Runtime, ses: Emulator) -> None:
    ids = {
        "shop": deliver(email(), key="one", namespace="shop").id,
        "": deliver(email(), key="one").id,
    }
    for namespace, identity in ids.items():
        record = runtime.ledger.get(identity.partition("@")[0])
        assert record
        assert record.namespace == namespace


def test_record_that_the_store_forgot_has_its_namespace_again(runtime: Runtime, ses: Emulator) -> None:
    attempt = Attempt("a" * 32, email(), "test", namespace="shop")
    admission = runtime.ledger.admit(attempt)
    runtime.ledger.store.client.delete(runtime.ledger.store.key("email", attempt.id))
    runtime.ledger.settle(attempt, admission, CallResult(State.ACCEPTED, ses_message_id="s"))
    record = runtime.ledger.get(attempt.id)
    assert record
    assert record.namespace == "shop"
