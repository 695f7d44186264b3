"""What SES lists, and what the clocks say: neither is believed further than it is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from factories import address_hash, email
from mailer import clock
from mailer.deadline import Deadline
from mailer.delivery.deliver import deliver
from mailer.delivery.reconcile import StatusRow, _Hashes, _match_rows, _rows_within
from mailer.delivery.row_matching import leaves_rows_to
from mailer.digest.clock import format_utc, parse_scheduled_time
from mailer.ledger.digests import DigestLedger
from mailer.ledger.record import State
from mailer.ledger.unknown import Decision, Matches, UnknownLedger, UnsettledEmail
from mailer.ses.client import SesClient
from promise_steps import UNKNOWN, admitted, email_id, field, in_an_hour, record_of, sweep_all
from store_faults import Replica

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime

pytestmark = pytest.mark.unlimited_status_queries

NOON = "2026-05-01T12:00:00Z"


def test_email_to_two_leaves_the_rows_of_one_alone(runtime: Runtime, ses: Emulator) -> None:
    """Whichever row it claimed, the other one would tell something wrong of somebody's email."""
    for to, fault in (
        (["ann@customer.example", "bob@customer.example"], "reset-after"),
        (["ann@customer.example"], "reset-after"),
        (["bob@customer.example"], "reset-before"),
    ):
        ses.add_fault(fault)
        assert deliver(email(to=to), key=" ".join(to), deadline=Deadline(5)).state is State.UNKNOWN
    assert sweep_all(runtime) == {"ambiguous": 3}
    assert len(ses.inbox()) == 2


def test_row_that_fewer_emails_could_have_is_claimed_first() -> None:
    """The later of two attempts had its own row; the earlier could have had that of another email."""
    rows = [
        StatusRow(name, "sender@mail.shop.example", "ann@customer.example", accepted_at)
        for name, accepted_at in (("a-shared", 50), ("b-own", 1050))
    ]
    route = tuple(map(address_hash, (rows[0].sender, rows[0].recipient)))
    emails = [
        UnsettledEmail("own", route, ((0, 100), (1000, 1100)), ((-300, 400), (700, 1400))),
        UnsettledEmail("other", route, ((200, 300),), ((-100, 600),)),
    ]
    unknown = SimpleNamespace(unsettled=lambda _offset: emails)
    hashes = _Hashes(address_hash, (rows[0].sender, rows[0].recipient))
    assert _match_rows("own", rows, cast("UnknownLedger", unknown), None, hashes) == Matches(
        ("b-own", "a-shared"), match_count=2, doubtful=True, claimable=1
    )
    settled = _match_rows("settled meanwhile", rows, cast("UnknownLedger", unknown), None, hashes)
    assert (settled.candidates, settled.doubtful) == ((), False)


def test_row_that_another_email_could_alone_have_is_not_claimed(runtime: Runtime) -> None:
    """All rows could be those of two emails, and one of the emails could have the first row alone."""
    rows = [
        StatusRow(name, "sender@mail.shop.example", "ann@customer.example", accepted_at)
        for name, accepted_at in (("a", 50), ("b", 150), ("c", 250))
    ]
    route = tuple(map(address_hash, (rows[0].sender, rows[0].recipient)))
    emails = [
        UnsettledEmail(name, route, (window,), (window,))
        for name, window in (("first", (0, 100)), ("all", (0, 300)), ("later", (100, 300)))
    ]
    unknown = SimpleNamespace(unsettled=lambda _offset: emails)
    hashes = _Hashes(address_hash, (rows[0].sender, rows[0].recipient))
    claimed = {
        one.id: _match_rows(one.id, rows, cast("UnknownLedger", unknown), None, hashes) for one in emails
    }
    assert [(one.candidates, one.claimable) for one in claimed.values()] == [
        (("a",), 1),
        (("b", "c", "a"), 2),
        (("b", "c"), 2),
    ]
    runtime.ledger.settle(*admitted(runtime), UNKNOWN)
    ledger = UnknownLedger(runtime.ledger.store)
    assert ledger.resolve(email_id(runtime), 1, Matches(("a",), match_count=1)) is Decision.AMBIGUOUS
    assert ledger.resolve(email_id(runtime), 1, Matches(("a",), claimable=1)) is Decision.FOUND


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ([], True),
        ([{"b"}], True),
        ([{"a"}], False),
        ([{"a", "b"}, {"b"}], False),
        ([{"b", "c"}, {"b"}], True),
        ([["b", "c"], ["b", "d"], ["b"]], True),
        ([["b", "c"], ["b", "c"], ["c", "b"]], False),
    ],
)
def test_claim_leaves_rows_to_the_others(others: list[list[str]], left: bool) -> None:  # noqa: FBT001
    assert leaves_rows_to(others, "a") is left


@pytest.mark.parametrize(("accepted_at", "within"), [(99, False), (100, True), (200, True), (201, False)])
def test_window_has_both_of_its_ends(accepted_at: int, within: bool) -> None:  # noqa: FBT001
    row = StatusRow("m-1", "sender@mail.shop.example", "ann@customer.example", accepted_at)
    assert _rows_within([(100, 200)], [row]) == ["m-1"] * within


def test_emails_to_the_same_two_share_their_rows(runtime: Runtime, ses: Emulator) -> None:
    for key in ("first", "second"):
        ses.add_fault("reset-after")
        deliver(email(to=["ann@customer.example", "bob@customer.example"]), key=key, deadline=Deadline(5))
    assert sweep_all(runtime) == {"found": 2}


@pytest.mark.parametrize(("days", "decision"), [(27, Decision.RESEND), (29, Decision.NEEDS_OPERATOR)])
def test_what_ses_lists_no_more_is_no_evidence(runtime: Runtime, days: int, decision: Decision) -> None:
    runtime.ledger.settle(*admitted(runtime), UNKNOWN)
    store = runtime.ledger.store
    store.client.hset(store.key("email", email_id(runtime)), "sent_at", store.now() - days * 86_400_000)
    assert UnknownLedger(store).resolve(email_id(runtime), 1) is decision


def test_forgotten_attempt_says_when_it_began_in_a_record_that_was_never_sent(runtime: Runtime) -> None:
    replica = Replica(runtime)
    one = admitted(runtime)
    replica.fall_over()
    deliver(email(send_at=in_an_hour()), key="order-1", deadline=Deadline(5))
    assert record_of(runtime).state is State.SCHEDULED
    runtime.ledger.settle(*one, UNKNOWN)
    assert record_of(runtime).state is State.UNKNOWN
    assert one[1].record
    assert field(runtime, "sent_at") == str(one[1].record.sent_at)
    decision = UnknownLedger(runtime.ledger.store).resolve(email_id(runtime), 0, hold=True)
    assert decision is Decision.NEEDS_OPERATOR


def test_forgotten_attempt_does_not_make_a_later_one_older(runtime: Runtime) -> None:
    replica = Replica(runtime)
    one = admitted(runtime)
    replica.fall_over()
    admitted(runtime)
    later = field(runtime, "sent_at")
    runtime.ledger.settle(*one, UNKNOWN)
    assert field(runtime, "sent_at") == later


def test_run_that_another_has_just_finished_is_nobodys(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests, scheduled_at = DigestLedger(runtime.ledger.store), parse_scheduled_time(NOON)
    begin, client = (format_utc(scheduled_at), scheduled_at.timestamp()), runtime.ledger.store.client
    add = client.zadd

    def add_and_finish(*args: object, **options: object) -> object:
        reply = add(*args, **options)
        digests.finish_run("daily", begin[0])
        return reply

    monkeypatch.setattr(client, "zadd", add_and_finish)
    assert digests.begin_run("daily", *begin) == []


@pytest.mark.parametrize("waited", ["wall", "monotonic"])
def test_time_in_an_answer_that_was_read_late_says_nothing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, waited: str
) -> None:
    wall, monotonic = [1000.0], [50.0]
    monkeypatch.setattr(clock, "now", lambda: wall[0])
    monkeypatch.setattr(clock, "monotonic", lambda: monotonic[0])
    runtime.store_answered(1_007_000, clock.Moment())
    asked_at = clock.Moment()
    (wall if waited == "wall" else monotonic)[0] += 3.0
    runtime.store_answered(1_900_000, asked_at)
    assert runtime.store_clock.offset
    assert runtime.store_clock.offset.seconds == 7.0
    client = SesClient("https", "ses.example", "ap-singapore")
    client._read_date("Tue, 24 Nov 2026 19:16:30 GMT", asked_at)
    assert client.clock_offset is None


@pytest.mark.parametrize("set_by", [-30.0, 30.0])
def test_offsets_measured_by_a_clock_that_was_set_between_do_not_compare(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, set_by: float
) -> None:
    wall = [1_800_000_000.0]
    monkeypatch.setattr(clock, "now", lambda: wall[0])
    runtime.store_answered(1_800_000_007_000, clock.Moment())
    runtime.ses.measured_clock = clock.offset_of(wall[0] + 9, clock.Moment())
    assert runtime.clock_offset == 2000
    wall[0] += set_by
    runtime.store_answered(int(wall[0] * 1000) + 7000, clock.Moment())
    assert runtime.clock_offset is None
