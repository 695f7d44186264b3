"""An email of which some recipients are suppressed: refused, or sent to the others (`on_suppressed`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from factories import address_hash, body, email
from http_calls import call
from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition
from mailer.ledger import Attempt, Verdict
from mailer.ledger.record import State
from mailer.ledger.unknown import UnknownLedger
from promise_steps import UNKNOWN, UNSENT, email_id, failure, field, in_an_hour, record_of, sweep_all
from store_faults import Replica, around_call

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from local.ses_emulator import Emulator
    from mailer.email.request import EmailRequest
    from mailer.runtime import Runtime

pytestmark = pytest.mark.unlimited_status_queries

SENDER, ANN, BOB, CEM = (
    "noreply@mail.shop.example", "ann@customer.example", "Bob@customer.example", "cem@other.example",
)  # fmt: skip
TOKEN = "token-of-the-contact-form"


def suppress(runtime: Runtime, *addresses: str) -> None:
    store = runtime.ledger.store
    for address in addresses:
        store.client.set(store.key("suppressed", address_hash(address)), "Ledger.SpamReport")


def allow(runtime: Runtime, address: str) -> None:
    store = runtime.ledger.store
    store.client.delete(store.key("suppressed", address_hash(address)))


def request(**fields: Any) -> EmailRequest:
    return email(**{"to": [ANN], "cc": [BOB], "bcc": [CEM], "on_suppressed": "drop", **fields})


def attempt(runtime: Runtime, **fields: Any) -> Attempt:
    return Attempt(email_id(runtime), request(**fields), "test")


def route(runtime: Runtime) -> list[str]:
    """Return the addresses whose hashes are in the record's route."""
    names = {address_hash(address): address for address in (SENDER, ANN, BOB, CEM)}
    return [names[one] for one in json.loads(field(runtime, "route") or "[]")]


def test_email_is_sent_to_the_others(runtime: Runtime, ses: Emulator, log: io.StringIO) -> None:
    suppress(runtime, ANN, BOB)
    outcome = deliver(request(), key="order-1")
    assert (outcome.state, outcome.dropped, outcome.dropped_addresses) == (State.ACCEPTED, (0, 1), (ANN, BOB))
    [mail] = ses.inbox()
    assert (mail.to, mail.cc, mail.bcc) == ([], [], [CEM])
    note = record_of(runtime).history[0]
    assert (note["state"], note["dropped"]) == ("sending", [address_hash(ANN), address_hash(BOB)])
    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["recipients"], line["dropped"]) == ([address_hash(CEM)], 2)
    assert "customer.example" not in log.getvalue()


def test_email_without_suppressed_recipients_names_nobody(runtime: Runtime, ses: Emulator) -> None:
    outcome = deliver(request(), key="order-1")
    assert (outcome.dropped, len(ses.inbox()[0].bcc)) == ((), 1)
    assert "dropped" not in record_of(runtime).history[0]
    assert "dropped" not in outcome.receipt()


@pytest.mark.parametrize(
    ("suppressed", "fields", "pointer"),
    [((BOB,), {"on_suppressed": "refuse"}, "/cc/0"), ((ANN, BOB, CEM), {}, "/to/0")],
    ids=["by default", "nobody is left"],
)
def test_email_is_refused(
    runtime: Runtime, ses: Emulator, suppressed: tuple[str, ...], fields: dict[str, Any], pointer: str
) -> None:
    suppress(runtime, *suppressed)
    outcome = deliver(request(**fields))
    assert (outcome.disposition, outcome.code) == (Disposition.REFUSED, "Ledger.SpamReport")
    assert (outcome.pointer, outcome.dropped) == (pointer, ())
    assert ses.calls() == []


def test_request_that_says_nothing_is_refused(runtime: Runtime) -> None:
    suppress(runtime, BOB)
    assert deliver(email(to=[ANN, BOB])).state is State.REFUSED


def test_answer_names_who_was_left_out_as_the_caller_wrote_them(runtime: Runtime, ses: Emulator) -> None:
    suppress(runtime, BOB)
    document = body(to=[ANN, BOB], on_suppressed="drop", idempotency_key="order-1")
    status, _, answer = call("POST", "/emails", document)
    assert (status, answer["dropped"]) == (200, [BOB])
    allow(runtime, BOB)
    status, headers, again = call("POST", "/emails", document)  # what was said stays true
    assert (headers["Idempotent-Replayed"], again["dropped"]) == ("true", [BOB])
    _, _, batch = call("POST", "/emails/batch", {"emails": [document]})
    assert batch["results"][0]["dropped"] == [BOB]
    history = call("GET", f"/emails/{answer['id']}")[2]["history"]
    assert history[0]["dropped"] == [address_hash(BOB)]
    status, _, problem = call("POST", "/emails", {**document, "subject": "Another"})
    assert (status, "dropped" in problem) == (422, False)
    assert len(ses.calls()) == 1


def test_answer_does_not_name_whom_mailer_toml_names(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "mailer.toml"
    path.write_text(
        f"""
        [defaults]
        bcc = ["{CEM}"]
        on_suppressed = "drop"
        [webhooks.contact]
        scheme = "token"
        secret_env = "MAILER_WEBHOOK_CONTACT"
        [webhooks.contact.email]
        from = "{SENDER}"
        to = ["{ANN}"]
        subject = "A message"
        [webhooks.contact.map]
        cc = "copy"
        simple.text = "text"
        """
    )
    monkeypatch.setenv("MAILER_CONFIG", str(path))
    monkeypatch.setenv("MAILER_WEBHOOK_CONTACT", TOKEN)
    suppress(runtime, ANN, BOB)
    headers = {"X-Webhook-Token": TOKEN, "Authorization": ""}
    status, _, answer = call("POST", "/webhooks/contact", {"copy": BOB, "text": "Hi"}, headers=headers)
    assert (status, answer["dropped"]) == (200, [BOB])
    suppress(runtime, CEM)
    allow(runtime, ANN)
    status, _, answer = call("POST", "/emails", body())
    assert (status, "dropped" in answer) == (200, False)
    native = {
        "FromEmailAddress": SENDER,
        "Destination": [ANN, BOB],
        "Subject": "x",
        "Template": {"TemplateID": 100091},
    }
    assert call("POST", "/emails", native)[2]["dropped"] == [BOB]
    status, _, problem = call("POST", "/emails", {**native, "on_suppressed": "drop"})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/on_suppressed")


def test_who_was_left_out_is_neither_counted_nor_mailed(runtime: Runtime, ses: Emulator) -> None:
    suppress(runtime, ANN)
    deliver(request(), key="order-1")
    store = runtime.ledger.store
    for kind in ("sent", "mailed"):
        there = [store.client.exists(store.key(kind, address_hash(one))) for one in (ANN, BOB, CEM)]
        assert there == [0, 1, 1]


def test_what_holds_up_who_is_left_out_holds_up_nobody(runtime: Runtime, ses: Emulator) -> None:
    store = runtime.ledger.store
    suppress(runtime, CEM)
    store.client.set(store.key("blocked", "other.example"), "FailedOperation.TemporaryBlocked", px=60_000)
    for number in range(10):
        store.client.zadd(store.key("sent", address_hash(CEM)), {str(number): 2e12})
    assert deliver(request()).state is State.ACCEPTED
    allow(runtime, CEM)
    assert deliver(request()).code == "FailedOperation.TemporaryBlocked"


def test_failure_of_the_only_one_left_is_his(runtime: Runtime, ses: Emulator) -> None:
    suppress(runtime, ANN, BOB)
    ses.add_fault("FailedOperation.EmailAddrInBlacklist")
    outcome = deliver(request())
    assert (outcome.state, outcome.dropped) == (State.REFUSED, ())
    store = runtime.ledger.store
    assert (
        store.client.get(store.key("suppressed", address_hash(CEM))) == "FailedOperation.EmailAddrInBlacklist"
    )
    ses.add_fault("FailedOperation.EmailAddrInBlacklist")
    suppress(runtime, ANN)
    allow(runtime, BOB)
    allow(runtime, CEM)
    deliver(request())
    assert store.client.exists(*(store.key("suppressed", address_hash(one)) for one in (BOB, CEM))) == 0


def test_domain_of_the_only_one_left_is_paused(runtime: Runtime, ses: Emulator) -> None:
    suppress(runtime, ANN, BOB)
    ses.add_fault("FailedOperation.TemporaryBlocked")
    assert deliver(request()).state is State.DEFERRED
    store = runtime.ledger.store
    assert store.client.keys(store.key("blocked", "*")) == [store.key("blocked", "other.example")]


@pytest.mark.parametrize("later", ["scheduled", "deferred"])
def test_who_is_left_out_is_decided_when_the_email_is_sent(
    runtime: Runtime, ses: Emulator, later: str
) -> None:
    suppress(runtime, ANN)
    fields = {"send_at": in_an_hour()} if later == "scheduled" else {}
    if not fields:
        ses.add_fault(UNSENT)
    outcome = deliver(request(**fields), key="order-1")
    assert (outcome.state.value, outcome.dropped) == (later, ())
    allow(runtime, ANN)
    suppress(runtime, BOB)
    if fields:
        store = runtime.ledger.store
        store.client.hset(store.key("email", email_id(runtime)), "body", json.dumps(request().document()))
    assert sweep_all(runtime) == {"accepted": 1}
    assert (ses.inbox()[0].to, ses.inbox()[0].cc, ses.inbox()[0].bcc) == ([ANN], [], [CEM])
    again = deliver(request(**fields), key="order-1")
    assert (again.state, again.dropped_addresses) == (State.ACCEPTED, (BOB,))


def test_redelivery_of_a_platform_says_who_was_left_out(runtime: Runtime, ses: Emulator) -> None:
    suppress(runtime, BOB)
    deliver(request(), platform_key="sqs:1")
    again = deliver(request(to=[CEM], cc=[BOB], bcc=[]), platform_key="sqs:1")
    assert (again.replayed, again.dropped_addresses) == (True, (BOB,))


def test_admission_whose_reply_was_lost_says_again_who_is_left_out(runtime: Runtime) -> None:
    suppress(runtime, ANN)
    one = attempt(runtime)
    runtime.ledger.admit(one)
    allow(runtime, ANN)
    again = runtime.ledger.admit(one)
    assert (again.verdict, again.dropped) == (Verdict.SEND, (0,))


@pytest.mark.parametrize("sent", [True, False])
def test_unknown_email_is_found_among_those_whom_it_mailed(
    runtime: Runtime, ses: Emulator, *, sent: bool
) -> None:
    """A row to who was left out is another email's."""
    suppress(runtime, ANN)
    ses.add_fault("reset-after" if sent else "reset-before")
    outcome = deliver(request(), key="order-1")
    assert (outcome.state, outcome.dropped_addresses) == (State.UNKNOWN, (ANN,))
    assert route(runtime) == [SENDER, BOB, CEM]
    runtime.ses.send(email(to=ANN), "another@mail.shop.example", 5)
    assert sweep_all(runtime) == ({"found": 1} if sent else {"resend": 1, "accepted": 1})
    assert [mail.to for mail in ses.inbox()].count([ANN]) == 1
    assert len(ses.inbox()) == 2


def test_attempt_that_left_somebody_out_is_found_beside_rows_of_theirs(
    runtime: Runtime, ses: Emulator
) -> None:
    """Ann, whom the first attempt mailed if it mailed anybody, has rows of another email."""
    ses.add_fault("reset-before")
    deliver(request(), key="order-1")
    deliver(email(to=ANN), key="order-2")
    suppress(runtime, ANN)
    ses.add_fault("reset-after")
    assert sweep_all(runtime) == {"resend": 1, "unknown": 1}
    assert record_of(runtime).history[-2]["dropped"] == [address_hash(ANN)]
    assert sweep_all(runtime) == {"found": 1}
    assert [mail.cc for mail in ses.inbox()].count([BOB]) == 1


def test_attempts_that_nobody_got_all_of_are_left_to_an_operator(runtime: Runtime, ses: Emulator) -> None:
    recipients = {"cc": [], "bcc": [BOB]}
    suppress(runtime, ANN)
    ses.add_fault("reset-before")
    deliver(request(**recipients), key="order-1")
    allow(runtime, ANN)
    suppress(runtime, BOB)
    ses.add_fault("reset-before")
    assert sweep_all(runtime) == {"resend": 1, "unknown": 1}
    assert sweep_all(runtime) == {"needs_operator": 1}
    assert ses.inbox() == []


def test_email_that_is_sent_again_may_have_been_sent_to_more(runtime: Runtime, ses: Emulator) -> None:
    """The first attempt mailed Ann if it mailed anybody, so a row of hers is still its."""
    suppress(runtime, BOB)
    one = attempt(runtime)
    runtime.ledger.settle(one, runtime.ledger.admit(one), UNKNOWN)
    allow(runtime, BOB)
    suppress(runtime, ANN)
    UnknownLedger(runtime.ledger.store).resolve(one.id, 1, operator="resend")
    again = attempt(runtime)
    admission = runtime.ledger.admit(again, from_state=State.UNKNOWN)
    assert (admission.verdict, admission.dropped) == (Verdict.SEND, (0,))
    assert route(runtime) == [SENDER, BOB, CEM, ANN]
    runtime.ledger.settle(again, admission, failure(State.DEFERRED, UNSENT))
    store = runtime.ledger.store
    store.client.hset(store.key("email", one.id), "due_at", 1)
    runtime.ledger.admit(attempt(runtime), from_state=State.DEFERRED)
    assert route(runtime) == [SENDER, BOB, CEM]


def test_who_was_left_out_is_known_after_a_failover(runtime: Runtime, ses: Emulator) -> None:
    suppress(runtime, ANN)
    replica = Replica(runtime)
    ses.add_fault("reset-after")
    with around_call(runtime, after=replica.fall_over):
        deliver(request(), key="order-1")
    assert route(runtime) == [SENDER, BOB, CEM]
    assert json.loads(field(runtime, "body") or "")["to"] == [ANN]
    assert record_of(runtime).dropped == [address_hash(ANN)]


def test_whom_a_forgotten_attempt_may_have_mailed_is_known(runtime: Runtime, ses: Emulator) -> None:
    """Its worker is still under way when another one sends the email anew, to others."""
    one, replica = attempt(runtime), Replica(runtime)
    first = runtime.ledger.admit(one)
    replica.fall_over()
    suppress(runtime, ANN)
    again = attempt(runtime)
    second = runtime.ledger.admit(again)
    assert route(runtime) == [SENDER, BOB, CEM]
    runtime.ledger.settle(one, first, UNKNOWN)
    assert route(runtime) == [SENDER, BOB, CEM, ANN]
    assert runtime.ledger.settle(again, second, failure(State.DEFERRED, UNSENT)).record.state is State.UNKNOWN


def test_callback_about_who_was_left_out_is_not_believed(runtime: Runtime, ses: Emulator) -> None:
    from mailer.ses.events import SesEvent

    suppress(runtime, ANN)
    ses.add_fault("reset-before")
    outcome = deliver(request(), key="order-1")
    told = {"event": "delivered", "email": ANN, "messageId": outcome.id}
    assert runtime.events.record(SesEvent.parse(told, address_hash))[1] == "foreign"
    assert record_of(runtime).state is State.UNKNOWN


def test_request_without_its_recipients() -> None:
    whole = request(to=[ANN, BOB], cc=[])
    assert whole.without(()) is whole
    assert whole.without((0, 2)).document() == {
        **{name: value for name, value in whole.document().items() if name != "bcc"}, "to": [BOB],
    }  # fmt: skip
    assert whole.without((0,)).content_fingerprint() == whole.content_fingerprint()


def test_field_is_a_part_of_what_is_asked_for() -> None:
    assert email(on_suppressed="drop").content_fingerprint() != email().content_fingerprint()
