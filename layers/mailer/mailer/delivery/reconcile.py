"""Reconciliation: resolves emails whose outcome is unknown.

A callback that carries the Message-ID settles an email by itself. What is still unknown after the grace time
is looked up with GetSendEmailStatus (SES API 2020-10-02): by recipient, sender and time, since its rows carry
no Message-ID. A row counts only if no other record owns its MessageId, and only if there are as many such
rows as there are emails that could match them. SES's clock is measured by the Date of its responses.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from mailer import clock
from mailer.deadline import DEFAULT_SECONDS, Deadline
from mailer.email.addresses import address_of
from mailer.email.request import EmailRequest
from mailer.errors import InvalidRequest, SesFailure
from mailer.ledger.record import State
from mailer.ledger.unknown import (
    MAX_CLOCK_ERROR_MS,
    Decision,
    Matches,
    UnknownLedger,
    acceptance_windows,
)
from mailer.telemetry import logs

from .attempts import stored_attempt
from .deliver import MAX_ATTEMPTS, deliver_stored
from .outcome import Outcome
from .row_matching import leaves_rows_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailer.email.identity import AddressHasher
    from mailer.ledger.record import Record
    from mailer.ledger.records import StoredRequest
    from mailer.runtime import Runtime

SES_TIME_ZONE = timezone(timedelta(hours=8))  # SES's days begin and end by Beijing's clock
PAGE = 100
MAX_PER_RUN = 1000  # at one query a second no function has time for more


class StatusRow(NamedTuple):
    """SES's acceptance of one email to one recipient; `accepted_at` is in milliseconds."""

    ses_message_id: str
    sender: str
    recipient: str
    accepted_at: int


class _Hashes:
    """The hashes of an email's addresses: what was stored under an earlier one reads as the current one."""

    def __init__(self, hasher: AddressHasher, addresses: Sequence[str]) -> None:
        self.hasher = hasher
        self._current = {one: hasher(address) for address in addresses for one in hasher.all_of(address)}

    def current(self, route: Sequence[str]) -> tuple[str, ...]:
        """Return a route with the current hashes, as far as it is to this email's addresses."""
        return tuple(self._current.get(one, one) for one in route)


def reconcile(deadline: Deadline, runtime: Runtime) -> Iterator[tuple[str, Decision]]:
    """Yield each email that was unknown for the grace time, with the decision that its record now holds.

    The caller sends the emails decided as `RESEND`. Raises StoreUnavailable.
    """
    unknown = UnknownLedger(runtime.ledger.store)
    for email_id in unknown.older_than(runtime.settings.unknown_grace, MAX_PER_RUN):
        if not deadline.allows_call():
            return
        record = runtime.ledger.get(email_id)
        stored = runtime.ledger.stored_request(email_id)
        if record is None or stored is None:
            unknown.postpone(email_id, runtime.settings.unknown_grace)
        elif record.state is State.UNKNOWN:
            decision = _reconcile_one(record, stored, unknown, deadline, runtime)
            if decision is Decision.UNDECIDED:
                unknown.postpone(email_id, runtime.settings.unknown_grace)
            logs.reconciled(record.smtp_message_id, decision.value)
            yield email_id, decision


def resolve(email_id: str, decision: str, runtime: Runtime) -> Outcome:
    """Resolve an unknown email by an operator's decision: it was `accepted`, it `failed`, or `resend` it now.

    Raises InvalidRequest where no unknown email has this id, or the one to be resent cannot be read by this
    version, and StoreUnavailable.
    """
    record, stored = runtime.ledger.get(email_id), runtime.ledger.stored_request(email_id)
    if record is None or stored is None or record.state is not State.UNKNOWN:
        raise InvalidRequest.at("", "no email with this id is unknown")
    unknown = UnknownLedger(runtime.ledger.store)
    if decision == "resend":
        attempt = stored_attempt(email_id, stored, "operator")
        unknown.resolve(email_id, record.attempts, operator=decision)
        return deliver_stored(attempt, State.UNKNOWN, deadline=Deadline(DEFAULT_SECONDS), runtime=runtime)
    unknown.resolve(email_id, record.attempts, operator=decision)
    return Outcome.of_record(runtime.ledger.get(email_id) or record, replayed=False)


def _reconcile_one(
    record: Record, stored: StoredRequest, unknown: UnknownLedger, deadline: Deadline, runtime: Runtime
) -> Decision:
    try:
        request = EmailRequest.parse(stored.body, stored=True)
    except InvalidRequest as error:  # stored by a version with other rules: it stays unknown
        logs.refused("sweep", error, id=record.id)
        return Decision.UNDECIDED
    hashes = _Hashes(
        runtime.ledger.store.addresses.hasher(), (address_of(request.sender), *request.recipients)
    )
    route = hashes.current(stored.route)
    mailed = [address for address in request.recipients if hashes.hasher(address) in route[1:]]
    always = _mailed_by_every_attempt(record, mailed, hashes.hasher)
    rows = _find_rows(request, always or mailed or request.recipients, record, unknown, deadline, runtime)
    if rows is None:
        return Decision.UNDECIDED
    matches = _match_rows(record.id, rows, unknown, runtime.clock_offset, hashes) if rows else Matches()
    return unknown.resolve(
        record.id,
        record.attempts,
        matches,
        hold=request.on_unknown == "hold" or (len(mailed) > 0 and not always),
        exhausted=record.attempts - record.attempts_before >= MAX_ATTEMPTS,
    )


def _mailed_by_every_attempt(record: Record, mailed: Sequence[str], hasher: AddressHasher) -> list[str]:
    """Return whom no attempt left out: each of the attempts has its rows there, if SES accepted it.

    Where there is nobody, an attempt may have rows where others are looked for.
    """
    dropped = {
        one
        for note in record.history
        if note["state"] == State.SENDING.value and note.get("attempt", 0) > record.attempts_before
        for one in note.get("dropped", ())
    }
    return [address for address in mailed if dropped.isdisjoint(hasher.all_of(address))]


def _find_rows(
    request: EmailRequest,
    mailed: Sequence[str],
    record: Record,
    unknown: UnknownLedger,
    deadline: Deadline,
    runtime: Runtime,
) -> list[StatusRow] | None:
    """Return SES's rows that could match this email, of the first `mailed` one that has any, or None."""
    sender = address_of(request.sender).lower()
    for recipient in mailed:
        rows: dict[str, StatusRow] = {}
        for day in _days(_windows(record, runtime), _ses_time(runtime)):
            found = _query(recipient, day, unknown, deadline, runtime)
            if found is None:
                return None
            windows = _windows(record, runtime)  # the response has told more of SES's clock
            rows |= {
                row.ses_message_id: row
                for row in found
                if (row.sender, row.recipient) == (sender, recipient.lower())
                and any(start <= row.accepted_at <= end for start, end in windows)
            }
        if rows:
            return list(rows.values())
    return []


def _windows(record: Record, runtime: Runtime) -> list[tuple[int, int]]:
    """Return when SES may have accepted an email, also if a clock was set meanwhile."""
    return acceptance_windows(
        record.history,
        runtime.clock_offset,
        MAX_CLOCK_ERROR_MS,
        since_attempt=record.attempts_before + 1,
    )


def _ses_time(runtime: Runtime) -> int:
    """Return what SES's clock shows at most, in milliseconds, by the store's, as the attempts are."""
    offset = runtime.clock_offset
    return runtime.ledger.store.now() + (MAX_CLOCK_ERROR_MS if offset is None else offset)


def _days(windows: Sequence[tuple[int, int]], now: int) -> list[str]:
    """Return SES's days that the windows touch, up to that of `now`: around midnight there are two."""
    today = datetime.fromtimestamp(now / 1000, SES_TIME_ZONE).date()
    days = {
        datetime.fromtimestamp(moment / 1000, SES_TIME_ZONE).date() for window in windows for moment in window
    }
    return [day.isoformat() for day in sorted(days) if day <= today]


def _query(
    recipient: str, day: str, unknown: UnknownLedger, deadline: Deadline, runtime: Runtime
) -> list[StatusRow] | None:
    """Return all of SES's rows of one recipient and day, or None where SES cannot be queried in time."""
    rows: list[StatusRow] = []
    while _wait_for_query_slot(unknown, deadline):
        parameters = {"RequestDate": day, "Offset": len(rows), "Limit": PAGE, "ToEmailAddress": recipient}
        try:
            response = runtime.ses.call("GetSendEmailStatus", parameters, deadline.remaining())
            page = [_row(fields) for fields in response["EmailStatusList"]]
        except (SesFailure, KeyError, TypeError, ValueError) as error:
            logs.status_query_failed(error)
            return None
        finally:
            unknown.release_query_slot()
        asked_at = clock.Moment()
        runtime.store_answered(runtime.ledger.store.now(), asked_at)
        rows += page
        if len(page) < PAGE:
            return rows
    return None


def _wait_for_query_slot(unknown: UnknownLedger, deadline: Deadline) -> bool:
    while wait := unknown.acquire_query_slot():
        if not deadline.allows_call(after=wait):
            return False
        clock.sleep(wait)
    return True


def _row(fields: dict[str, Any]) -> StatusRow:
    return StatusRow(
        fields["MessageId"],
        fields["FromEmailAddress"].lower(),
        fields["ToEmailAddress"].lower(),
        int(fields["RequestTime"]) * 1000,
    )


def _match_rows(
    email_id: str, rows: list[StatusRow], unknown: UnknownLedger, clock_offset: int | None, hashes: _Hashes
) -> Matches:
    """Return which of the rows could be this email's, and how many emails could be theirs.

    The ledger is read after SES, so that every accepted email is either unsettled, or owns its MessageId, or
    counts as the owner of some row. A row is claimed only if each other email could still have one, first of
    them the one that the fewest emails could match; so as many rows as emails are enough for all. A row that
    only a change of the clocks could make this email's is a trace: with one the email is not sent again. Nor
    is it beside a row that another email explains, but does not own yet, where it is not known how SES's
    clock was when this one was sent.

    Which of the emails owns which row makes no difference as long as all go to the same recipients. Where one
    goes to others as well, its row is listed for them too, and taken for another's there: nobody claims one.
    """
    sender, recipient = map(hashes.hasher, (rows[0].sender, rows[0].recipient))
    candidates: list[str] = []
    claims: Counter[str] = Counter()
    possible_claims: Counter[str] = Counter()
    routes = []
    rows_of_others = []
    doubtful = False
    for email in unknown.unsettled(clock_offset):
        email = replace(email, route=hashes.current(email.route))  # noqa: PLW2901
        if not email.goes_to(sender, recipient):
            continue
        likely = _rows_within(email.windows, rows)
        claims.update(likely)
        possible = _rows_within(email.possible, rows)
        possible_claims.update(possible)
        if possible:
            routes.append(frozenset(email.route))
        if email.id == email_id:
            candidates, doubtful = likely, email.possible != email.windows
        elif possible:
            rows_of_others.append(possible)
    candidates.sort(key=possible_claims.__getitem__)
    claimable = [row for row in candidates if leaves_rows_to(rows_of_others, row)]
    others = [row.ses_message_id for row in rows if row.ses_message_id not in candidates]
    return Matches(
        (*claimable, *(row for row in candidates if row not in claimable)),
        tuple(row for row in others if claims[row]),
        tuple(row for row in others if not claims[row]),
        max(len(routes), 1) if len(set(routes)) <= 1 else len(rows) + 1,
        doubtful,
        len(claimable),
    )


def _rows_within(windows: Sequence[tuple[int, int]], rows: list[StatusRow]) -> list[str]:
    return [
        row.ses_message_id for row in rows if any(start <= row.accepted_at <= end for start, end in windows)
    ]
