"""Defects that the layer had once, each as an edit that brings it back: the simulation must find them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from mailer.delivery import sweep
from mailer.ses import transport
from simulation.facts import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

_NOTHING_OF_AN_ABSENT_RECORD = """if not record.state then
  return reply('settled', { id = params.id, state = params.state, smtp_message_id = params.smtp_message_id })
end
local own ="""

_ONE_DEAD_LETTER_A_KEY = """  local mark = keys.record:gsub(':email:', ':dead_letter_seen:')
  if not redis.call('SET', mark, '1', 'NX', 'PX', '2592000000') then
    return
  end
  add_dead_letter(keys, 'email:'"""


@dataclass(frozen=True)
class RemovedFix:
    """A defect: edits of scripts (name, what is there, what was there), and what replaces functions.

    `says` is in the violation that it leads to; `first` is a seed shortly before one that finds it.
    """

    name: str
    says: str
    scripts: tuple[tuple[str, str, str], ...] = ()
    functions: Mapping[str, Any] = field(default_factory=dict)
    first: int = 0

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the functions be as they were."""
        with ExitStack() as stack:
            for target, value in self.functions.items():
                stack.enter_context(mock.patch(target, value))
            yield


_code_of = transport.code_of
_send = sweep._send
_drawn = Plan.drawn


def _code_of_everything(error: Exception, _handled_by_caller: BaseException | None = None) -> str:
    """Classify a failure by what the caller was handling as well."""
    return _code_of(error)


def _with_halts(random: Random) -> Plan:
    """Let SES halt something in every history."""
    return replace(_drawn(random), halts=True)


def _send_and_bury(email_id: str, trigger: str, deadline: Any, runtime: Any) -> str:
    """Write the dead letter of what the sweep closed in a second step."""
    stored = runtime.ledger.stored_request(email_id)
    state = _send(email_id, trigger, deadline, runtime)
    if stored and state in {"refused", "expired", "failed"}:
        runtime.ledger.dead_letter(f"email:{email_id}", {"state": state}, stored.body)
    return state


REMOVED_FIXES = (
    RemovedFix(
        "a failed call is classified by what the caller handles",
        "sent twice",
        first=60,
        functions={"mailer.ses.transport.code_of": _code_of_everything},
    ),
    RemovedFix(
        "SES's clock is taken for the store's",
        "sent twice",
        first=30,
        functions={
            "mailer.delivery.reconcile.MAX_CLOCK_ERROR_MS": 5000,
            "mailer.ledger.unknown.MAX_CLOCK_ERROR_MS": 5000,
            "mailer.runtime.Runtime.clock_offset": None,
        },
    ),
    RemovedFix(
        "an acceptance of what the store forgot is dropped",
        "sent twice",
        first=90,
        scripts=(("settle", "local own =", _NOTHING_OF_AN_ABSENT_RECORD),),
    ),
    RemovedFix(
        "a doubt or deferral of what the store forgot is dropped",
        "was told",
        first=160,
        scripts=(("settle", "local own =", _NOTHING_OF_AN_ABSENT_RECORD),),
    ),
    RemovedFix(
        "a late `certainly not sent` closes what somebody was told is kept",
        "was told",
        first=20,
        scripts=(
            (
                "settle",
                "if state == 'failed' and not params.final and promised(record) then",
                "if false then",
            ),
            (
                "settle",
                "finish_unsent(keys, record, state, now, note, params.retention, params.detail)",
                "transition(keys, record, state, now, note) finalize(keys, record, params.retention)",
            ),
        ),
    ),
    RemovedFix(
        "the sweep writes a dead letter in a second step",
        "was told",
        scripts=(
            (
                "admit",
                "finish_unsent(keys, record, state, now, note, params.retention)",
                "transition(keys, record, state, now, note) finalize(keys, record, params.retention)",
            ),
        ),
        functions={"mailer.delivery.sweep._send": _send_and_bury},
    ),
    RemovedFix(
        "a second email under a key leaves no dead letter",
        "was told",
        first=555,
        functions={"simulation.facts.Plan.drawn": _with_halts},
        scripts=(
            (
                "record",
                "  add_dead_letter(keys, 'email:'",
                _ONE_DEAD_LETTER_A_KEY,
            ),
        ),
    ),
    RemovedFix(
        "an acceptance without a MessageId owns no row",
        "accepted",
        first=85,
        scripts=(("record", "elseif record.route then", "elseif false then"),),
    ),
    RemovedFix(
        "records of two clusters, or of a topic made anew, are one email",
        "was told",
        functions={
            "mailer.triggers.kafka._cluster": lambda _event: "",
            "mailer.triggers.kafka.record_hash": lambda _record, *_fields: "",
        },
    ),
    RemovedFix(
        "a full store does not let go what is in it",
        "stuck",
        functions={"simulation.store.SimulatedStore.IN_FULL_STORE": False},
    ),
    RemovedFix(
        "what is held stays for ever",
        "after the retention",
        first=30,
        scripts=(("resolve", "if age >= params.retention then", "if false then"),),
    ),
    RemovedFix(
        "a probe that is accepted ends newer halts as well",
        "was in force",
        functions={"simulation.facts.Plan.drawn": _with_halts},
        scripts=(
            (
                "settle",
                "for index, since in pairs(cjson.decode(record.probes)) do",
                (
                    "for index = 0, params.halts - 1 do\n"
                    "      local since = redis.call('HGET', KEYS[halts_from + index], 'since')"
                ),
            ),
        ),
    ),
    RemovedFix(
        "dead letters stay for ever",
        "after the retention",
        scripts=(
            ("dead_letter_expire", "expire_dead_letters(keys, clock(), tonumber(ARGV[1]), count)", "0"),
        ),
    ),
    RemovedFix(
        "an email claims the row of one that goes to others as well",
        "sent twice",
        functions={"mailer.delivery.reconcile.frozenset": lambda _route: 0},
        first=800,
    ),
)
