"""What must hold of a history: the promises to those who were told something, and the order of the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailer.ledger.record import State
from mailer.ses.error_table import rule_for
from simulation.exceptions import LOST_ATTEMPT, LOST_ROW, LOST_WORD, WRONG_WORD, Exceptions
from simulation.world import Violation

if TYPE_CHECKING:
    from simulation.facts import Item, Told
    from simulation.history import History
    from simulation.ses import Call

    Content = dict[str, Any]

STORED = {"deferred", "scheduled", "unknown", "sending"}
UNDECIDABLE = {"ambiguous", "needs_operator"}  # what may stay unknown: a guess would break a promise
# Keys without a life of their own: indexes, bounded by what is in flight, and what is to stay.
FOREVER = (
    "due",
    "scheduled",
    "open",
    "digest_expiry",
    "unsubscribed:",
    "suppressed:",
    "email:",
    "digest:",
)
DEAD = ("dead", "dead_size")  # whose members have a life, and a cap
KEPT = ("unsubscribed:", "suppressed:", "digest_expiry_complete")  # when all else is over
RUNS = ("runs", "cursors")  # of a digest: the next run drops what a killed one has left
_INDEXES = ("due", "scheduled", "open", "unmatched")


class Oracle:
    """The judge of one history; every check raises Violation."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._label = history.faults.label
        self._exceptions = Exceptions(history)

    # The store.

    def check_store(self) -> Content:
        """Return the store's content; indexes, bodies and records agree in it, at any time."""
        dump = self._history.store.dump()
        content = {key: value for key, (value, _) in dump.items()}
        members = {index: set(content.get(index, ())) for index in _INDEXES}
        records = _records(content)
        for email, record in records.items():
            expires = dump[f"email:{email}"][1] is not None
            self._check_record(email, record, {name: email in ids for name, ids in members.items()}, expires)
        for index, ids in members.items():
            if index != "unmatched" and ids - records.keys():
                raise Violation(f"{index} has {sorted(ids - records.keys())}, without records")
        for key, (_, deadline) in dump.items():
            if deadline is None and key not in DEAD and not key.startswith(FOREVER):
                raise Violation(f"{key} stays for ever")
        self._check_dead_letters(content.get("dead", []), content.get("dead_size", {}))
        return content

    def _check_dead_letters(self, letters: list[Content], size: Content) -> None:
        bytes_ = sum(len(text.encode()) for letter in letters for text in letter.values())
        counted = int(size.get("letters", 0)), int(size.get("bytes", 0))
        if counted != (len(letters), bytes_):
            raise Violation(f"the dead letters are {(len(letters), bytes_)}, and counted as {counted}")
        if not letters and size:
            raise Violation(f"there is no dead letter, and a size of {size}")

    def _check_record(self, email: str, record: Content, member_of: dict[str, bool], expires: bool) -> None:  # noqa: FBT001
        name, state, kept = self._label(email), record["state"], "body" in record
        expected = {
            "due": state in {"deferred", "scheduled"},
            "scheduled": state == "scheduled",
            "open": state == "sending" or (state == "unknown" and kept),
            "unmatched": member_of["unmatched"] and state == "accepted" and "route" in record,
        }
        for index, there in expected.items():
            if member_of[index] != there:
                raise Violation(f"{name} is {state}, and {'in' if member_of[index] else 'not in'} `{index}`")
        if kept != (state in STORED) and record.get("code") != "Ledger.Unresolved":
            raise Violation(f"{name} is {state}, {'with' if kept else 'without'} its request")
        if expires == kept:
            raise Violation(f"{name} is {state}, and its record {'expires' if expires else 'stays for ever'}")

    def check_gone(self, content: Content) -> None:
        """Check, after more than the retention, that nothing is left but what is meant to stay."""
        for key, value in content.items():
            if not key.startswith(KEPT) and not key.endswith(RUNS):
                raise Violation(f"{key} is left after the retention: {value}")

    # The promises.

    def check_promises(self, content: Content) -> None:
        """Check what SES accepted and what everybody was told, once nothing happens any more."""
        records, letters = _records(content), content.get("dead", [])
        for email in dict.fromkeys(call.email for call in self._history.ses.calls):
            self._check_accepted_once(email)
        for told in self._history.told:
            self._check_told(told, records.get(told.email.id), letters)
        for email, record in records.items():
            self._check_record_against_ses(email, record)
            self._check_not_stuck(email, record)
        for item in self._history.items:
            self._check_item(item, content)

    def _check_accepted_once(self, email: str) -> None:
        calls = self._exceptions.accepted(email)
        for first, second in _pairs(calls):
            exceptions = (
                (WRONG_WORD, self._exceptions.wrong_word(email, "failed", "resend")),
                (LOST_ATTEMPT, self._exceptions.lost_attempt(first, second)),
            )
            if not self._excepted(exceptions):
                raise Violation(
                    f"{self._label(email)} was sent twice: {first.ses_message_id}, {second.ses_message_id}"
                )

    def _check_told(self, told: Told, record: Content | None, letters: list[Content]) -> None:
        email, exceptions = told.email, self._exceptions
        calls = exceptions.accepted(email.id)
        sent = any(call.content == told.content or email.platform for call in calls)
        if sent or any(_is_about(letter, told) for letter in letters):
            return
        body = json.loads(record.get("body", "{}")) if record and record["state"] in STORED else {}
        if body and (email.platform or body["subject"] == told.content):
            return
        accepted = record is not None and record["state"] == "accepted"
        excepted = (
            (WRONG_WORD, accepted and exceptions.said(email.id, "accepted")),
            (LOST_ATTEMPT, accepted and any(map(exceptions.lost, calls))),
            (LOST_ROW, accepted and exceptions.took_lost_row(email.id)),
            (LOST_WORD, self._history.faults.forgotten(told.step)),
        )
        if not self._excepted(excepted):
            state = record["state"] if record else "absent"
            raise Violation(
                f"{email.trigger} was told {told.disposition} of {email.name}, {told.content!r}; "
                f"it is {state}, without a dead letter"
            )

    def _check_record_against_ses(self, email: str, record: Content) -> None:
        name, state, calls = self._label(email), record["state"], self._exceptions.accepted(email)
        if state == "accepted" and not calls:
            excepted = (
                (WRONG_WORD, self._exceptions.wrong_word(email, "accepted")),
                (LOST_ROW, self._exceptions.took_lost_row(email)),
            )
            if not self._excepted(excepted):
                raise Violation(f"{name} is called accepted, and SES never accepted it")
        if calls and state not in {"accepted", "unknown"}:
            excepted = (
                (WRONG_WORD, self._exceptions.wrong_word(email, "failed", "resend")),
                (LOST_ATTEMPT, any(map(self._exceptions.lost, calls))),
            )
            if not self._excepted(excepted):
                raise Violation(f"SES accepted {name}, and its record says {state}")

    def _check_not_stuck(self, email: str, record: Content) -> None:
        state = record["state"]
        decisions = {note.get("decision") for note in json.loads(record["history"])}
        if state in {"deferred", "scheduled", "sending"} or (
            state == "unknown" and not decisions & UNDECIDABLE
        ):
            raise Violation(f"{self._label(email)} is stuck in {state}")

    def _check_item(self, item: Item, content: Content) -> None:
        calls = [call for call in self._history.ses.calls if call.accepted_at]
        emails = {call.email for call in calls if f"[{item.name}]" in call.template}
        forgot = bool(self._history.faults.failovers)
        if len(emails) > 1 and not self._excepted(((LOST_WORD, forgot),)):
            raise Violation(f"item {item.name} was sent in two digests")
        kept = [value for key, value in content.items() if key.startswith(("digest:", "dead"))]
        bodies = [record.get("body") for record in _records(content).values()]
        stored = f'"{item.name}"' in json.dumps(kept).replace("\\", "") or f"[{item.name}]" in json.dumps(
            bodies
        )
        if item.told is None or emails or stored:
            return
        if not self._excepted(((LOST_WORD, forgot),)):
            raise Violation(f"item {item.name} is neither sent nor stored nor in a dead letter")

    def _excepted(self, exceptions: tuple[tuple[str, bool], ...]) -> bool:
        """Return whether an exception that no code can prevent explains what was found, and count it."""
        name = next((name for name, holds in exceptions if holds), None)
        if name:
            self._history.world.reach(name)
        return name is not None


def reach_states(history: History, content: Content) -> None:
    """Count the states, actions, decisions and evidence that the records' histories show."""
    for record in _records(content).values():
        for note in json.loads(record["history"]):
            history.world.reach(f"state: {State(note['state']).value}")
            if note.get("code"):
                history.world.reach(f"action: {rule_for(note['code']).action.value}")
            for name in ("decision", "evidence"):
                if note.get(name):
                    history.world.reach(f"{name}: {note[name]}")


def _records(content: Content) -> dict[str, Content]:
    return {key.removeprefix("email:"): value for key, value in content.items() if key.startswith("email:")}


def _pairs(calls: list[Call]) -> list[tuple[Call, Call]]:
    return [(calls[index], calls[index + 1]) for index in range(len(calls) - 1)]


def _is_about(letter: Content, told: Told) -> bool:
    """Return whether a dead letter holds what was asked for."""
    if told.disposition == "dead_letter" and told.email.key in letter["source"]:
        return True
    subject = json.loads(letter["body"]).get("subject")
    return letter["source"].endswith(told.email.id) and (told.email.platform or subject == told.content)
