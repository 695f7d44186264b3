"""Batches of messages: each becomes an email, in the order that its platform promises."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition
from mailer.errors import FieldError, InvalidRequest, MailerError, StoreUnavailable
from mailer.ledger import DeferPolicy
from mailer.telemetry import logs

from .bodies import DigestItem, read_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mailer.deadline import Deadline
    from mailer.delivery.outcome import Outcome
    from mailer.runtime import Runtime

WORKERS = 20  # SES takes 20 requests a second


class Ack(Enum):
    """How a message is acknowledged."""

    ACK = "ack"
    """Acknowledge."""
    NACK = "nack"
    """Negative-acknowledge: redeliver, or the platform's dead-letter queue."""
    DEAD_LETTER = "dead_letter"
    """Dead-letter in the ledger and acknowledge."""


# Where the platform has dead letters of its own, a refused message is returned until it gets there.
PLATFORM_DLQ = {
    Disposition.ACCEPTED: Ack.ACK,
    Disposition.PENDING: Ack.ACK,
    Disposition.REFUSED: Ack.NACK,
    Disposition.RETRY_LATER: Ack.NACK,
    Disposition.HALTED: Ack.NACK,
    Disposition.IN_FLIGHT: Ack.NACK,
    Disposition.KEY_REUSED: Ack.NACK,
}
# Where a refused message would come back for ever and hold up the others, the ledger buries it.
LEDGER_DLQ = PLATFORM_DLQ | {Disposition.REFUSED: Ack.DEAD_LETTER, Disposition.KEY_REUSED: Ack.DEAD_LETTER}


@dataclass(frozen=True, eq=False)
class Message:
    """One message of a batch.

    `key` is its own identity, the same at every delivery, which names the email where the body names none;
    None where it has none. `origin` says where it comes from: `topic`, `queue`, `source`. `lane` is what
    must stay in order (a FIFO group, a partition), or None where nothing must. `receive_count` counts its
    deliveries, and `handle` is what its platform calls it in an answer.
    """

    key: str | None
    body: Any
    origin: Mapping[str, str] = field(default_factory=dict)
    lane: str | None = None
    receive_count: int = 1
    handle: Any = None


@dataclass(frozen=True)
class BatchPolicy:
    """What a platform wants done with its messages: what the ledger keeps of them, and their acks."""

    trigger: str
    keep: DeferPolicy
    acks: Mapping[Disposition, Ack]


@dataclass(frozen=True)
class MessageSource(BatchPolicy):
    """How one message source is recognised, read and answered.

    `messages` never raises, whatever its event holds. `partial` makes the answer that names what must come
    again; None where the platform takes no such answer and brings all or nothing.
    """

    matches: Callable[[Any], bool]
    messages: Callable[[Any], list[Message]]
    partial: Callable[[Sequence[Message]], dict[str, Any]] | None = None


class Result(NamedTuple):
    """What became of one message: its ack, and what a caller who waits for it is told."""

    message: Message
    ack: Ack
    report: dict[str, Any]


class RedeliveryRequired(MailerError):
    """Some messages could neither be sent nor kept: the platform must bring the whole batch again."""

    code = "RedeliveryRequired"
    retryable = True


@dataclass(frozen=True)
class _Batch:
    """What the lanes of a batch share; once `store_down` is set, no lane asks the store again."""

    platform: BatchPolicy
    deadline: Deadline
    runtime: Runtime
    store_down: threading.Event = field(default_factory=threading.Event)

    def should_return(self) -> bool:
        """Tell whether what is left goes back to its platform without a look at it."""
        late = not self.deadline.allows_call() and self.platform.keep is not DeferPolicy.ALWAYS
        return late or self.store_down.is_set()


def process(
    platform: BatchPolicy, messages: Sequence[Message], deadline: Deadline, runtime: Runtime
) -> list[Result]:
    """Send every message's email and return what became of each, in the order of `messages`.

    In a lane nothing is sent after a message that must come again; what is refused for good holds its lane
    up at its first delivery only.
    """
    lanes: defaultdict[object, list[Message]] = defaultdict(list)
    for message in messages:
        lanes[message if message.lane is None else message.lane].append(message)
    batch = _Batch(platform, deadline, runtime)
    with ThreadPoolExecutor(max_workers=min(WORKERS, len(lanes)) or 1) as pool:
        done = pool.map(lambda lane: _process_lane(batch, lane), lanes.values())
        results = {result.message: result for lane in done for result in lane}
    return [results[message] for message in messages]


def _process_lane(batch: _Batch, lane: list[Message]) -> list[Result]:
    results: list[Result] = []
    for index, message in enumerate(lane):
        if batch.should_return():
            return results + [_unsent(one) for one in lane[index:]]
        result, stops = _process_message(batch, message)
        results.append(result)
        if stops:
            return results + [_unsent(one) for one in lane[index + 1 :]]
    return results


def _process_message(batch: _Batch, message: Message) -> tuple[Result, bool]:
    """Return what became of the message, and whether its lane stops here."""
    trigger, runtime = batch.platform.trigger, batch.runtime
    try:
        try:
            disposition, report = _deliver(batch, message)
        except InvalidRequest as error:
            logs.refused(trigger, error, key=message.key)
            disposition = Disposition.REFUSED
            report = {"code": error.code, "errors": [vars(one) for one in error.errors]}
        except MailerError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect met by one message must not hold up the others
            logs.unexpected(trigger, error)
            disposition, report = Disposition.REFUSED, {"code": "InternalError"}
        ack = batch.platform.acks[disposition]
        if ack is Ack.DEAD_LETTER:
            _dead_letter(runtime, trigger, message, report)
    except StoreUnavailable as error:
        logs.refused(trigger, error, key=message.key)
        batch.store_down.set()
        return Result(message, Ack.NACK, {"code": error.code}), True
    for_good = disposition in {Disposition.REFUSED, Disposition.KEY_REUSED}
    stops = ack is Ack.NACK and not (for_good and message.receive_count > 1)
    return Result(message, ack, report), stops


def _deliver(batch: _Batch, message: Message) -> tuple[Disposition, dict[str, Any]]:
    asked = read_body(message.body, message.origin, message.key, batch.runtime.config)
    if asked is None:
        return Disposition.ACCEPTED, {"state": "ignored"}
    if isinstance(asked, DigestItem):
        return _gather(batch, asked)
    if asked.key is None:
        raise InvalidRequest.at(
            "/idempotency_key", "is needed: the message has no identity that would last over its redelivery"
        )
    outcome = deliver(
        asked.request,
        key=asked.key,
        trigger=batch.platform.trigger,
        deadline=batch.deadline,
        defer=batch.platform.keep,
        runtime=batch.runtime,
    )
    return outcome.disposition, _report(outcome)


def _gather(batch: _Batch, item: DigestItem) -> tuple[Disposition, dict[str, Any]]:
    """Put a digest's item where its digest gathers them; raises InvalidRequest.

    An item without an `item_id` goes by its message's own identity.
    """
    from mailer.digest.items import add_items

    try:
        added = add_items(None, [{"item_id": item.key, **item.fields}], batch.runtime)
    except InvalidRequest as error:
        raise InvalidRequest(
            FieldError(one.pointer.removeprefix("/0"), one.detail) for one in error.errors
        ) from None
    return Disposition.ACCEPTED, {"state": "gathered", "duplicate": bool(added.duplicates)}


def _report(outcome: Outcome) -> dict[str, Any]:
    if outcome.disposition in {Disposition.ACCEPTED, Disposition.PENDING}:
        return outcome.receipt()
    return outcome.reason()


def _unsent(message: Message) -> Result:
    return Result(message, Ack.NACK, {"code": "NotProcessed"})


def _dead_letter(runtime: Runtime, trigger: str, message: Message, reason: dict[str, Any]) -> None:
    """Keep the message, whole, in the ledger's dead letters; what is no UTF-8 as base64."""
    body = message.body if isinstance(message.body, (str, bytes)) else json.dumps(message.body, default=str)
    raw = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = base64.b64encode(raw).decode()
        reason = {**reason, "encoding": "base64"}
    source = message.key or f"{trigger}:{hashlib.sha256(raw).hexdigest()}"
    runtime.ledger.dead_letter(source, reason, text)
