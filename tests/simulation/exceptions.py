"""What no code can prevent: each exception has a name, is counted, and must explain exactly what was found.

Where the store forgets what it did between two steps, nobody knows of it but the worker that did it. Once
that has ended, or before it can say so, the same happens again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.history import History
    from simulation.ses import Call

LOST_ATTEMPT = "exception: the store forgot the attempt, and it began again before anybody could say so"
LOST_WORD = "exception: the store forgot what somebody had been told"
LOST_ROW = "exception: the row of an attempt that the store forgot was taken for another's"
WRONG_WORD = "exception: an operator's word was wrong"


class Exceptions:
    """The exceptions of one history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._forgotten = history.faults.forgotten

    def accepted(self, email: str) -> list[Call]:
        """Return the calls with which SES accepted an email, in the order of their admissions."""
        calls = [call for call in self._history.ses.calls if call.email == email and call.accepted_at]
        return sorted(calls, key=lambda call: call.step)

    def _settled(self, call: Call) -> list[int]:
        return [step for token, step in self._history.store.settled if token == call.token]

    def lost(self, call: Call) -> bool:
        """Return whether the store forgot the call's admission, or what was settled of it."""
        return any(map(self._forgotten, [call.step, *self._settled(call)]))

    def lost_attempt(self, first: Call, second: Call) -> bool:
        """Return whether the store forgot the first attempt and was not told before the second began."""
        return any(
            copied < first.step <= lost < second.step
            and not any(
                lost < step < second.step and not self._forgotten(step, second.step)
                for step in self._settled(first)
            )
            for copied, lost in self._history.faults.failovers
        )

    def took_lost_row(self, email: str) -> bool:
        """Return whether some other email has a row at SES of which its record does not know."""
        return any(
            self.lost(call) or self.wrong_word(call.email, "failed", "resend")
            for call in self._history.ses.calls
            if call.email != email and call.accepted_at
        )

    def said(self, email: str, word: str) -> bool:
        """Return whether an operator said this of an email."""
        return any(
            (given.email, given.word) == (email, word) and given.step is not None
            for given in self._history.words
        )

    def wrong_word(self, email: str, *words: str) -> bool:
        """Return whether an operator said one of `words` of an email, and it was not so."""
        return any(
            (given.word == "accepted") != any(call.step <= given.step for call in self.accepted(email))
            for given in self._history.words
            if given.email == email and given.word in words and given.step is not None
        )
