"""CKafka on SCF: a batch of records that the platform brings again only as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailer.errors import MailerError
from mailer.ledger import Keep
from mailer.outcome import Disposition

from .messages import Fate, Message, Platform, process

if TYPE_CHECKING:
    from mailer.deadline import Deadline
    from mailer.runtime import Runtime

CKAFKA = Platform(
    "ckafka",
    Keep.UNSENT,
    {
        Disposition.ACCEPTED: Fate.DONE,
        Disposition.KEPT: Fate.DONE,
        Disposition.REFUSED: Fate.BURY,
        Disposition.NOT_SENT: Fate.RETURN,
        Disposition.HALTED: Fate.RETURN,
        Disposition.IN_FLIGHT: Fate.RETURN,
        Disposition.KEY_REUSED: Fate.BURY,
    },
)


class Redeliver(MailerError):
    """Some records could neither be sent nor kept: SCF must bring the whole batch again."""

    code = "Redeliver"
    retryable = True


def is_ckafka(event: Any) -> bool:
    """Tell whether `event` is a batch that SCF pulled from CKafka."""
    records = event.get("Records") if isinstance(event, dict) else None
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(record, dict) and isinstance(record.get("Ckafka"), dict) for record in records)
    )


def handle_ckafka(event: dict[str, Any], deadline: Deadline, runtime: Runtime) -> dict[str, Any]:
    """Return how many records are done; raises Redeliver where one must come again."""
    messages = [_message(record["Ckafka"]) for record in event["Records"]]
    returned = process(CKAFKA, messages, deadline, runtime)
    if returned:
        raise Redeliver(f"{len(returned)} of {len(messages)} records must come again")
    return {"records": len(messages)}


def _message(record: dict[str, Any]) -> Message:
    partition = record.get("partition", record.get("Partition"))  # SCF's own pages write it both ways
    lane = f"ckafka:{record.get('topic')}:{partition}"
    return Message(f"{lane}:{record.get('offset')}", str(record.get("msgBody", "")), lane)
