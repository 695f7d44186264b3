"""SES's callbacks through the handler: what they prove, what they record, whom they suppress."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import address_hash, body, email, sent_by_version_0_1_0
from http_calls import SHAPES, call
from mailer.email.identity import id_for
from mailer.errors import InvalidRequest
from mailer.ledger import Attempt, CallResult
from mailer.ledger.record import State
from mailer.ses.events import EVENT_TYPES, SesEvent
from promise_steps import in_an_hour

if TYPE_CHECKING:
    import io

    from http_calls import Shape
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

TOKEN = "a-token-that-nobody-guesses"
ANN = "ann@customer.example"
DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def _token(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_CALLBACK_TOKEN", TOKEN)


@pytest.fixture
def current(environment: dict[str, str]) -> Runtime:
    from mailer.runtime import Runtime

    return Runtime.current()


def event(name: str, **fields: Any) -> dict[str, Any]:
    """Return a callback as SES's page shows it."""
    return {
        "event": name,
        "email": ANN,
        "link": "",
        "bulkId": "qcloudses-30-1250000000-date-20261124005551-8U4EdxSTT9Bx",
        "timestamp": int(time.time()),
        "reason": "",
        "bounceType": "hard_bounce" if name == "bounce" else "",
        "username": "1250000000",
        "from": "noreply@mail.shop.example",
        "fromDomain": "mail.shop.example",
        "templateId": 100091,
        "useragent": "",
        "subject": "=?utf-8?b?WW91ciBjb2Rl?=",
        "messageId": "",
        **fields,
    }


def tell(*events: Any, token: str = TOKEN, shape: Shape = SHAPES[1]) -> Any:
    document = events[0] if len(events) == 1 else list(events)
    status, _, answer = call(
        "POST", f"/ses/events/{token}", document, headers={"Authorization": ""}, shape=shape
    )
    assert status == 200
    return answer


def sent(**fields: Any) -> dict[str, Any]:
    status, _, answer = call("POST", "/emails", body(**fields))
    assert status in {200, 202}
    answer["status"] = status
    return dict(answer)


def looked_up(name: str) -> dict[str, Any]:
    return call("GET", f"/emails/{name}")[2]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["delivered", "dropped", "bounce", "spamreport", "unsubscribe"])
def test_event_is_shown_with_its_email(current: Runtime, ses: Emulator, name: str, shape: Shape) -> None:
    answer = sent()
    reason = f"550 5.1.1 <{ANN}> user unknown" if name == "bounce" else ""
    told = event(name, messageId=answer["id"], bulkId=answer["message_id"], reason=reason)
    assert tell(told, shape=shape) == {"events": 1, "ignored": 0}
    record = looked_up(answer["id"])
    (delivery,) = record["deliveries"]
    assert (delivery["event"], delivery["recipient"]) == (name, address_hash(ANN))
    assert delivery.get("bounce") == ("hard" if name == "bounce" else None)
    assert delivery.get("smtp_code") == ("5.1.1" if name == "bounce" else None)
    assert record["events"] == record["deliveries"]
    assert record["state"] == "accepted"
    assert "customer" not in json.dumps(record)


@pytest.mark.parametrize("name", ["open", "click", "deferred"])
def test_event_that_changes_nothing_is_taken_and_not_kept(current: Runtime, name: str) -> None:
    answer = sent()
    assert tell(event(name, messageId=answer["id"])) == {"events": 1, "ignored": 0}
    assert looked_up(answer["id"])["events"] == []


def test_newest_event_of_each_recipient_is_its_delivery(current: Runtime) -> None:
    answer = sent(to=[ANN, "bob@customer.example"])
    now = int(time.time())
    tell(
        event("spamreport", messageId=answer["id"], timestamp=now),
        event("delivered", messageId=answer["id"], timestamp=now - 60),
        event("delivered", messageId=answer["id"], timestamp=str(now - 50), email="BOB@customer.example"),
        event("delivered", messageId=answer["id"], timestamp=now),
    )
    record = looked_up(answer["id"])
    found = {delivery["recipient"]: delivery["event"] for delivery in record["deliveries"]}
    assert found == {address_hash(ANN): "spamreport", address_hash("bob@customer.example"): "delivered"}
    assert len(record["events"]) == 4


def test_event_without_our_message_id_is_joined_by_ses_own(current: Runtime) -> None:
    answer = sent()
    tell(event("delivered", messageId="other@qcloudmail.com", bulkId=answer["message_id"]))
    tell(event("bounce", messageId=7, bulkId=None, bulkid=answer["message_id"], timestamp=1))
    assert [one["event"] for one in looked_up(answer["id"])["events"]] == ["bounce", "delivered"]


def test_repeated_event_changes_nothing(current: Runtime, log: io.StringIO) -> None:
    answer = sent()
    told = event("delivered", messageId=f"<{answer['id']}>", bulkId=answer["message_id"])
    tell(told)
    first = looked_up(answer["id"])
    tell(told, {**told, "useragent": "new", "fieldOfNextYear": [1]})
    assert looked_up(answer["id"]) == first
    verdicts = [json.loads(line).get("verdict") for line in log.getvalue().splitlines()]
    assert [verdict for verdict in verdicts if verdict] == ["recorded", "repeated", "repeated"]


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_event_settles_an_email_in_doubt_as_accepted(
    current: Runtime, ses: Emulator, name: str
) -> None:
    answer = sent(to="answer-lost@fault.example", idempotency_key="order-1")
    assert answer["state"] == "unknown"
    bulk_id = ses.inbox()[0].ses_message_id
    tell(event(name, email="answer-lost@fault.example", messageId=answer["id"], bulkId=bulk_id))
    record = looked_up(answer["id"])
    assert (record["state"], record["message_id"]) == ("accepted", bulk_id)
    assert (record["history"][-1]["evidence"], record["history"][-1]["event"]) == ("callback", name)
    again = sent(to="answer-lost@fault.example", idempotency_key="order-1")
    assert (again["status"], again["state"], again["message_id"]) == (200, "accepted", bulk_id)
    assert len(ses.calls()) == 1
    later = event("delivered", email="answer-lost@fault.example", bulkId=bulk_id, timestamp=5)
    tell(later)
    assert looked_up(answer["id"])["events"][0]["event"] == "delivered"


def test_event_that_overtakes_the_answer_leaves_no_doubt(current: Runtime) -> None:
    attempt = Attempt(id_for(current.settings.account, "k"), email(), "test")
    admission = current.ledger.admit(attempt)
    tell(event("delivered", messageId=attempt.smtp_message_id, bulkId="bulk-1"))
    assert not current.ledger.settle(
        attempt, admission, CallResult(State.UNKNOWN, code="Transport.ReadTimeout")
    ).own
    record = current.ledger.get(attempt.id)
    assert record
    assert (record.state, record.ses_message_id) == (State.ACCEPTED, "bulk-1")


@pytest.mark.parametrize(("name", "state"), [("delivered", "accepted"), ("dropped", "deferred")])
def test_email_that_waits_is_not_sent_again_once_it_is_proved_sent(
    current: Runtime, name: str, state: str
) -> None:
    attempt = Attempt(id_for(current.settings.account, "k"), email(), "test")
    admission = current.ledger.admit(attempt)
    current.ledger.settle(
        attempt, admission, CallResult(State.DEFERRED, code="FailedOperation.FrequencyLimit", delay=3600)
    )
    tell(event(name, messageId=attempt.smtp_message_id, bulkId=None))
    record = current.ledger.get(attempt.id)
    assert record
    assert record.state.value == state
    assert (current.ledger.stored_request(attempt.id) is None) == (state == "accepted")


@pytest.mark.parametrize(
    ("name", "code", "days"),
    [
        ("bounce", "Ledger.HardBounce", 14),
        ("spamreport", "Ledger.SpamReport", None),
        ("unsubscribe", "Ledger.Unsubscribed", None),
    ],
)
@pytest.mark.parametrize("email", ["known", "long forgotten"])
def test_recipient_is_suppressed(
    current: Runtime, ses: Emulator, name: str, code: str, days: int | None, email: str
) -> None:
    answer = sent()
    joined = {"messageId": answer["id"]} if email == "known" else {}
    calls = len(ses.calls())
    tell(event(name, email="ANN@customer.example", **joined))
    status, _, problem = call("POST", "/emails", body(subject="Another"))
    assert (status, problem["code"], problem["action"]) == (422, code, "suppress")
    assert problem["errors"][0]["pointer"] == "/to/0"
    assert len(ses.calls()) == calls
    domain = ["mail.shop.example"] if name == "unsubscribe" else []
    kind = "unsubscribed" if name == "unsubscribe" else "suppressed"
    left = current.ledger.store.client.pttl(current.ledger.store.key(kind, address_hash(ANN), *domain))
    assert left == -1 if days is None else (days - 1) * DAY_MS < left <= days * DAY_MS


def test_who_unsubscribed_from_one_domain_gets_mail_of_another(current: Runtime) -> None:
    sent()
    tell(event("unsubscribe", fromDomain=None, **{"from": "noreply@MAIL.shop.example"}))
    assert call("POST", "/emails", body())[0] == 422
    assert call("POST", "/emails", body(sender="noreply@other.example"))[0] == 200


def foreign(log: io.StringIO) -> list[str]:
    """Return the recipients of the callbacks that were not believed, as they are logged."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    told = [line for line in lines if line.get("verdict") == "foreign"]
    assert {line["level"] for line in told} <= {"WARNING"}
    return [recipient for line in told for recipient in line["recipients"]]


@pytest.mark.parametrize("name", ["bounce", "spamreport", "unsubscribe"])
def test_event_about_nobody_whom_we_mailed_is_not_believed(
    current: Runtime, log: io.StringIO, name: str
) -> None:
    """SES signs nothing, so whoever has the token could else suppress anybody for good."""
    call("POST", "/emails", body(to="bob@customer.example", send_at=in_an_hour()))  # not mailed yet
    events = [
        event(name),
        event(name, email="bob@customer.example"),
        event(name, messageId="nothing@of.ours"),
    ]
    assert tell(*events) == {"events": 0, "ignored": 3}
    bob = address_hash("bob@customer.example")
    assert foreign(log) == [address_hash(ANN), bob, address_hash(ANN)]
    store = current.ledger.store
    for kind in ("suppressed", "unsubscribed", "events"):
        assert store.client.keys(store.key(kind, "*")) == []
    assert call("POST", "/emails", body())[0] == 200


@pytest.mark.parametrize("state", ["accepted", "unknown"])
def test_event_about_somebody_else_than_its_email_is_not_believed(
    current: Runtime, log: io.StringIO, state: str
) -> None:
    sent(to="bob@customer.example")
    to = "answer-lost@fault.example" if state == "unknown" else ANN
    answer = sent(to=to)
    told = event("spamreport", email="eve@customer.example", messageId=answer["id"])
    assert tell(told) == {"events": 0, "ignored": 1}
    assert foreign(log) == [address_hash("eve@customer.example")]
    if state == "unknown":  # its route says whom it is for
        assert tell({**told, "email": "bob@customer.example"}) == {"events": 0, "ignored": 1}
        assert tell({**told, "email": "noreply@mail.shop.example"}) == {"events": 0, "ignored": 1}
    record = looked_up(answer["id"])
    assert (record["state"], record["events"]) == (state, [])
    assert call("POST", "/emails", body(to="eve@customer.example"))[0] == 200
    assert tell({**told, "email": to}) == {"events": 1, "ignored": 0}


def test_event_about_an_email_of_version_0_1_0_is_believed(current: Runtime) -> None:
    """That version did not keep whom it mailed."""
    name = sent_by_version_0_1_0(current, "order-1")
    store = current.ledger.store
    store.client.delete(store.key("mailed", address_hash(ANN)))
    told = event("bounce", messageId="other@qcloudmail.com", bulkId="ses-order-1")
    assert tell(told) == {"events": 1, "ignored": 0}
    assert [one["event"] for one in looked_up(name)["events"]] == ["bounce"]
    assert call("POST", "/emails", body())[0] == 422


def test_whom_we_mailed_is_known_as_long_as_records_are_kept(current: Runtime) -> None:
    sent()
    store = current.ledger.store
    assert 30 * DAY_MS - 60_000 < store.client.pttl(store.key("mailed", address_hash(ANN))) <= 30 * DAY_MS


def test_events_that_are_not_believed_are_counted(
    current: Runtime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "mailer")
    tell(event("open"), event("spamreport"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "ForeignEvent" in line]
    assert [line["ForeignEvent"] for line in lines] == [[2.0]]


def test_soft_bounce_suppresses_nobody(current: Runtime) -> None:
    answer = sent()
    tell(event("bounce", bounceType="soft_bounce", messageId=answer["id"]))
    assert looked_up(answer["id"])["deliveries"][0]["bounce"] == "soft"
    assert call("POST", "/emails", body(subject="Another"))[0] == 200


def test_suppression_is_never_shortened(current: Runtime) -> None:
    now = int(time.time())
    key = current.ledger.store.key("suppressed", address_hash(ANN))
    client = current.ledger.store.client
    sent()
    tell(event("bounce", timestamp=now - 86_400))
    before = client.pttl(key)
    tell(event("bounce", timestamp=now - 2 * 86_400))
    assert before - 60_000 < client.pttl(key) <= before
    tell(event("bounce", timestamp=now + 10**6))  # no later than the store's own clock
    assert before + DAY_MS - 60_000 < client.pttl(key) <= 14 * DAY_MS
    tell(event("spamreport"))
    tell(event("bounce", timestamp=now))
    assert client.pttl(key) == -1
    assert client.get(key) == "Ledger.SpamReport"


def test_bounce_of_long_ago_suppresses_nobody_now(current: Runtime) -> None:
    sent()
    tell(event("bounce", timestamp=int(time.time()) - 15 * 86_400))
    assert call("POST", "/emails", body())[0] == 200


def test_bounce_without_a_time_counts_from_now(current: Runtime) -> None:
    answer = sent()
    tell(event("bounce", timestamp=None, messageId=answer["id"]))
    assert call("POST", "/emails", body())[0] == 422
    assert "at" not in looked_up(answer["id"])["events"][0]


def test_one_call_may_bring_many_events_and_what_says_nothing_is_ignored(current: Runtime) -> None:
    answer = sent()
    events = [
        event("delivered", messageId=answer["id"]),
        event("processed"),
        event("delivered", email=None),
        "text",
        None,
        {},
        event("delivered", email="\ud800@x"),
        event("bounce", messageId=answer["id"], bounceType=["hard"]),
    ]
    assert tell(*events) == {"events": 2, "ignored": 6}
    assert len(looked_up(answer["id"])["events"]) == 2


def test_events_of_one_email_are_limited(current: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailer.ledger import ses_events as events

    monkeypatch.setattr(events, "MAX_EVENTS", 2)
    answer = sent()
    for moment in range(1, 5):
        tell(event("delivered", messageId=answer["id"], timestamp=moment))
    assert len(looked_up(answer["id"])["events"]) == 2


@pytest.mark.parametrize("token", ["wrong", "é", TOKEN + "x"])
def test_wrong_token_is_404_and_changes_nothing(current: Runtime, token: str) -> None:
    assert call("POST", f"/ses/events/{token}", event("spamreport"))[0] == 404
    assert call("POST", "/emails", body())[0] == 200


def test_no_token_opens_what_none_is_set_for(current: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAILER_CALLBACK_TOKEN")
    assert call("POST", f"/ses/events/{TOKEN}", event("spamreport"))[0] == 404


def test_each_of_several_tokens_is_accepted_during_a_rotation(
    current: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "another-token-that-nobody-guesses"
    monkeypatch.setenv("MAILER_CALLBACK_TOKEN", f"{TOKEN} {other}")
    for token, status in ((TOKEN, 200), (other, 200), (f"{TOKEN}%20{other}", 404)):
        assert call("POST", f"/ses/events/{token}", event("delivered"))[0] == status


def test_what_is_no_json_is_422(current: Runtime) -> None:
    assert call("POST", f"/ses/events/{TOKEN}", "{")[0] == 422


def test_call_whose_time_is_up_is_to_be_sent_again(current: Runtime) -> None:
    status, headers, problem = call("POST", f"/ses/events/{TOKEN}", event("spamreport"), seconds=0.1)
    assert (status, problem["code"], headers["Retry-After"]) == (503, "TimeIsUp", "1")


def test_store_that_is_down_is_503(current: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_STORE_URL", "redis://127.0.0.1:1/0")
    status, headers, _ = call("POST", f"/ses/events/{TOKEN}", event("spamreport"))
    assert status == 503
    assert headers["Retry-After"]


def test_log_tells_of_events_without_addresses(current: Runtime, log: io.StringIO) -> None:
    answer = sent()
    tell(event("bounce", messageId=answer["id"], reason=f"550 <{ANN}>"), event("delivered", email=None))
    told = [json.loads(line) for line in log.getvalue().splitlines() if "event of SES" in line]
    assert (told[0]["event"], told[0]["code"]) == ("bounce", "Ledger.HardBounce")
    for secret in (ANN, TOKEN, "WW91ciBjb2Rl"):
        assert secret not in log.getvalue()


def test_emulator_and_mailer_agree_on_callbacks(current: Runtime, ses: Emulator) -> None:
    answer = sent(to="bounce@callback.example")
    payloads = [
        ses.callbacks.payload(ses.inbox()[0], "bounce@callback.example", name) for name in EVENT_TYPES
    ]
    assert tell(*payloads) == {"events": len(EVENT_TYPES), "ignored": 0}
    assert {one["event"] for one in looked_up(answer["id"])["events"]} == {
        name for name, kind in EVENT_TYPES.items() if kind.stored
    }


OPTIONAL = ("bulkId", "messageId", "timestamp", "bounceType", "from", "fromDomain", "reason")
values = st.one_of(st.none(), st.text(), st.integers(), st.lists(st.text()), st.booleans(), st.floats())


@given(
    st.one_of(
        values,
        st.fixed_dictionaries(
            {
                "event": st.one_of(st.sampled_from(sorted(EVENT_TYPES)), values),
                "email": st.one_of(st.emails(), values),
            },
            optional=dict.fromkeys(OPTIONAL, values),
        ),
    )
)
def test_event_is_read_or_refused_whatever_it_holds(document: Any) -> None:
    try:
        parsed = SesEvent.parse(document, address_hash)
    except InvalidRequest:
        return
    assert parsed.event_type is EVENT_TYPES[document["event"]]
    assert document["email"].strip() not in json.dumps(parsed.stored_fields())


@pytest.mark.parametrize(
    ("document", "pointer", "detail"),
    [
        (event("processed"), "/event", f"must be one of: {', '.join(EVENT_TYPES)}"),
        (event("delivered", email="ann"), "/email", "must be the recipient's address"),
    ],
)
def test_a_refused_event_names_its_field(document: Any, pointer: str, detail: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        SesEvent.parse(document, address_hash)
    assert refused.value.to_json() == [{"pointer": pointer, "detail": detail}]


@pytest.mark.parametrize(
    ("fields", "domain"),
    [
        (
            {"fromDomain": "One.example", "from": "a@two.example", "messageId": "b@three.example"},
            "one.example",
        ),
        ({"fromDomain": "", "from": "a@two.example", "messageId": "b@three.example"}, "two.example"),
        ({"fromDomain": "", "from": '<"a@b"@two.example>', "messageId": ""}, "two.example"),
        ({"fromDomain": "", "from": "nobody", "messageId": "<b@three.example>"}, "three.example"),
        ({"fromDomain": "", "from": "", "messageId": "three"}, ""),
        ({"fromDomain": "", "from": "<a@two.exampleX>", "messageId": ""}, "two.examplex"),
    ],
)
def test_the_senders_domain_is_found_where_the_event_has_it(fields: dict[str, str], domain: str) -> None:
    assert SesEvent.parse(event("unsubscribe", **fields), address_hash).sender_domain == domain


def test_only_a_bounce_has_a_kind_of_bounce() -> None:
    told = {name: SesEvent.parse(event(name, bounceType="soft_bounce"), address_hash) for name in EVENT_TYPES}
    assert [name for name in told if "bounce" in told[name].stored_fields()] == ["bounce"]
    assert told["bounce"].stored_fields()["bounce"] == "soft"
