"""Reconciliation: finds out what became of the emails whose outcome is unknown, and never guesses.

A callback that carries the Message-ID settles an email by itself. What is still in doubt after the grace
time is looked up with GetSendEmailStatus (SES API 2020-10-02): by recipient, sender and time, since its rows
carry no Message-ID. A row counts only if no other record owns its MessageId, and only if there are as many
such rows as there are emails that they could be.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from . import logs
from .addresses import address_of
from .deadline import DEFAULT_SECONDS, Deadline
from .delivery import MAX_ATTEMPTS, MIN_SECONDS, deliver_kept
from .errors import InvalidRequest, SesFailure
from .identity import address_hash
from .ledger.doubts import Decision, DoubtLedger, windows
from .outcome import Outcome
from .record import State
from .request import EmailRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .record import Record
    from .runtime import Runtime

SES_TIME_ZONE = timezone(timedelta(hours=8))  # SES's days begin and end by Beijing's clock
PAGE = 100
MOST = 1000  # emails looked into by one run; at one query a second no function has time for more


class Row(NamedTuple):
    """SES's acceptance of one email to one recipient; `moment` is in milliseconds."""

    message_id: str
    sender: str
    recipient: str
    moment: int


def reconcile(deadline: Deadline, runtime: Runtime) -> Iterator[tuple[str, Decision]]:
    """Yield each email that was in doubt for the grace time, with the decision that its record now holds.

    Whoever takes what is yielded sends the emails decided as `RESEND`. Raises StoreUnavailable.
    """
    doubts = DoubtLedger(runtime.ledger.store)
    for email in doubts.overdue(runtime.settings.unknown_grace, MOST):
        if deadline.left() < MIN_SECONDS:
            return
        record = runtime.ledger.look(email)
        kept = runtime.ledger.request_of(email)
        if record is None or kept is None:
            doubts.forget(email)
        elif record.state is State.UNKNOWN:
            decision = _look_into(record, kept[1], doubts, deadline, runtime)
            logs.reconciled(record.smtp_message_id, decision.value)
            yield email, decision


def decide(email: str, verdict: str, runtime: Runtime) -> Outcome:
    """Settle an unknown email on an operator's word: it was `accepted`, it `failed`, or `resend` it now.

    Raises InvalidRequest where no unknown email has this id, and StoreUnavailable.
    """
    record, kept = runtime.ledger.look(email), runtime.ledger.request_of(email)
    if record is None or kept is None or record.state is not State.UNKNOWN:
        raise InvalidRequest.at("", "no email with this id is unknown")
    decision = DoubtLedger(runtime.ledger.store).resolve(email, record.attempts, operator=verdict)
    if decision is Decision.RESEND:
        return deliver_kept(
            email,
            EmailRequest.parse(kept[1]),
            State.UNKNOWN,
            trigger="operator",
            deadline=Deadline(DEFAULT_SECONDS),
            runtime=runtime,
        )
    return Outcome.of_record(runtime.ledger.look(email) or record, replayed=False)


def _look_into(
    record: Record, body: str, doubts: DoubtLedger, deadline: Deadline, runtime: Runtime
) -> Decision:
    request = EmailRequest.parse(body)
    rows = _find(request, record, doubts, deadline, runtime)
    if rows is None:
        return Decision.UNDECIDED
    contenders, candidates = _contest(rows, doubts) if rows else (1, [])
    exhausted = record.attempts >= MAX_ATTEMPTS
    decision = doubts.resolve(
        record.id,
        record.attempts,
        candidates,
        contenders=contenders,
        hold=request.on_unknown == "hold",
        exhausted=exhausted,
    )
    if decision is Decision.GIVEN_UP:
        final = runtime.ledger.look(record.id)
        reason = {"code": "Ledger.AttemptsExhausted", "history": final.history if final else []}
        runtime.ledger.bury(f"email:{record.id}", reason, body)
    return decision


def _find(
    request: EmailRequest, record: Record, doubts: DoubtLedger, deadline: Deadline, runtime: Runtime
) -> list[Row] | None:
    """Return SES's rows that may be this email's, of the first recipient that has any; None is no answer."""
    spans = windows(record.history)
    sender = address_of(request.sender).lower()
    for recipient in request.recipients:
        rows: dict[str, Row] = {}
        for day in _days(spans):
            found = _query(recipient, day, doubts, deadline, runtime)
            if found is None:
                return None
            rows |= {
                row.message_id: row
                for row in found
                if (row.sender, row.recipient) == (sender, recipient.lower())
                and any(start <= row.moment <= end for start, end in spans)
            }
        if rows:
            return list(rows.values())
    return []


def _days(spans: tuple[tuple[int, int], ...]) -> list[str]:
    """Return SES's days that the spans touch, up to today: around midnight there are two."""
    today = datetime.now(SES_TIME_ZONE).date()
    days = {datetime.fromtimestamp(moment / 1000, SES_TIME_ZONE).date() for span in spans for moment in span}
    return [day.isoformat() for day in sorted(days) if day <= today]


def _query(
    recipient: str, day: str, doubts: DoubtLedger, deadline: Deadline, runtime: Runtime
) -> list[Row] | None:
    """Return all of SES's rows of one recipient and day, or None where SES cannot be asked in time."""
    rows: list[Row] = []
    while _wait_for_turn(doubts, deadline):
        question = {"RequestDate": day, "Offset": len(rows), "Limit": PAGE, "ToEmailAddress": recipient}
        try:
            answer = runtime.ses.call("GetSendEmailStatus", question, deadline.left())
            page = [_row(one) for one in answer["EmailStatusList"]]
        except (SesFailure, KeyError, TypeError, ValueError) as error:
            logs.status_query_failed(error)
            return None
        finally:
            doubts.end_turn()
        rows += page
        if len(page) < PAGE:
            return rows
    return None


def _wait_for_turn(doubts: DoubtLedger, deadline: Deadline) -> bool:
    while wait := doubts.take_turn():
        if deadline.left() < wait + MIN_SECONDS:
            return False
        time.sleep(wait)
    return True


def _row(fields: dict[str, Any]) -> Row:
    return Row(
        fields["MessageId"],
        fields["FromEmailAddress"].lower(),
        fields["ToEmailAddress"].lower(),
        int(fields["RequestTime"]) * 1000,
    )


def _contest(rows: list[Row], doubts: DoubtLedger) -> tuple[int, list[str]]:
    """Return how many emails the rows could belong to, and the MessageIds, likeliest first.

    It looks only after SES has answered: whatever was accepted by then is open now, or has its owner. The
    row that the fewest others could claim comes first, so that as many rows as emails are enough for all.
    """
    sender, recipient = address_hash(rows[0].sender), address_hash(rows[0].recipient)
    claims = dict.fromkeys((row.message_id for row in rows), 0)
    contenders = 0
    for rival in doubts.rivals():
        claimed = [row.message_id for row in rows if rival.may_own(sender, recipient, row.moment)]
        contenders += bool(claimed)
        for message_id in claimed:
            claims[message_id] += 1
    return max(contenders, 1), sorted(claims, key=lambda message_id: claims[message_id])
