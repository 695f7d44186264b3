"""What many histories must have reached, or they show little: each fault, state, action and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailer.delivery.outcome import Disposition
from mailer.ledger import Verdict
from mailer.ledger.record import State
from mailer.ledger.unknown import Decision
from mailer.ses.error_table import Action
from mailer.triggers.messages import Ack
from simulation.exceptions import LOST_ATTEMPT, LOST_WORD
from simulation.faults import AT_A_STEP
from simulation.outages import AT_A_TIME
from simulation.sdk import LOST, NOT_SENT

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

MIN_SEEDS = 1000  # of fewer histories nothing is expected
EXPECTED = (
    *(f"fault: {name}" for name in (*AT_A_STEP, *AT_A_TIME)),
    "fault: delivered again",
    "fault: other content under the key",
    "fault: called while an error is handled",
    "fault: callback early",
    "fault: callback late",
    "fault: callback twice",
    "fault: callback without bulkId",
    "fault: look-alike",
    "fault: offset of another record",
    "fault: only halts",
    "fault: store full at the end",
    *(f"SES: {how}" for how in (*NOT_SENT, *LOST)),
    "SES: slower than the client waits",
    "SES: accepted after the client gave up",
    "SES: status query failed",
    *(f"state: {state.value}" for state in State),
    *(f"action: {action.value}" for action in Action),
    *(f"admit: {verdict.value}" for verdict in Verdict),
    "settle: settled",
    "settle: superseded",
    *(f"resolve: {decision.value}" for decision in Decision if decision is not Decision.UNDECIDED),
    "postpone: undecided",
    *(f"{script}: dead letters full" for script in ("admit", "dead_letter", "digest_add")),
    *(f"ses_event: {verdict}" for verdict in ("settled", "recorded", "repeated", "absent")),
    *(f"evidence: {evidence}" for evidence in ("callback", "status-query", "no-trace", "operator")),
    *(f"operator: {word}" for word in ("accepted", "failed", "resend")),
    *(f"told: {disposition.value}" for disposition in Disposition),
    *(f"told: {ack.value}" for ack in Ack),
    "digest: item added",
    "digest: accepted",
    "digest: dead_lettered",
    "digest: nothing",
    "digest: unfinished",
    LOST_ATTEMPT,
    LOST_WORD,
)


def missing(reached: Counter[str]) -> list[str]:
    """Return what was never reached."""
    return [name for name in EXPECTED if not reached[name]]


def table(reached: Counter[str]) -> Iterator[str]:
    """Yield a line for each thing, with how often it was reached."""
    width = max(map(len, [*reached, *EXPECTED]))
    for name in sorted({*reached, *EXPECTED}):
        yield f"  {name:<{width}} {reached[name]:>9,}"
