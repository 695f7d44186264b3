"""Batch processing: one email per message, with the order of each ordering key kept."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from mailer.concurrency import ordered_map
from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition
from mailer.email.identity import PlatformKey
from mailer.email.limits import MAX_KEY_CHARACTERS, MAX_MESSAGES
from mailer.errors import DeadLettersFull, InvalidRequest, MailerError, StoreUnavailable
from mailer.ledger import DeferPolicy
from mailer.telemetry import logs

from .bodies import DigestItem, Ignored, read_body
from .dead_letters import PERMANENT, add_dead_letter, invalid_reason
from .ignored import report_ignored
from .refusals import BatchRefusals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mailer.deadline import Deadline
    from mailer.delivery.outcome import Outcome
    from mailer.runtime import Runtime


class Ack(Enum):
    """How a message is acknowledged."""

    ACK = "ack"
    """Acknowledge."""
    NACK = "nack"
    """Negative-acknowledge: redeliver, or the platform's dead-letter queue."""
    DEAD_LETTER = "dead_letter"
    """Dead-letter in the ledger and acknowledge."""


# Ack policy of platforms with a dead-letter queue of their own: redelivery takes a refused message there.
PLATFORM_DLQ = {
    Disposition.ACCEPTED: Ack.ACK,
    Disposition.PENDING: Ack.ACK,
    Disposition.REFUSED: Ack.NACK,
    Disposition.RETRY_LATER: Ack.NACK,
    Disposition.HALTED: Ack.NACK,
    Disposition.IN_FLIGHT: Ack.NACK,
    Disposition.KEY_REUSED: Ack.NACK,
}
# Ack policy of platforms that would redeliver a refused message for ever and block the messages after it.
LEDGER_DLQ = PLATFORM_DLQ | {Disposition.REFUSED: Ack.DEAD_LETTER, Disposition.KEY_REUSED: Ack.DEAD_LETTER}


@dataclass(frozen=True)
class Message:
    """One message of a batch.

    `key` is the platform's identity of the message, the same at every delivery, or None if it has none: it
    identifies the email if the body has no `idempotency_key`. `origin` is where it comes from: `topic`,
    `queue`, `source`. Messages with the same `ordering_key` (a FIFO group, a partition) are processed in
    order. `receive_count` counts the deliveries; `item_identifier` identifies the message in a partial batch
    response. `old_key` is the key of version 0.1.0, where it was another. `first_receive` is that of the
    PlatformKey, where the platform says when it was.
    """

    key: str | None
    body: Any
    origin: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str | None = None
    receive_count: int = 1
    item_identifier: Any = None
    old_key: str | None = None
    first_receive: str | None = None

    def platform_key(self, key: str | None) -> PlatformKey | None:
        """Return the key of the message's email, where `key` is its own or one that its body brings."""
        if key is None:
            return None
        old_key = self.old_key if key == self.key else None
        return PlatformKey(
            key, old_key, self.first_receive, self.first_receive is not None and self.receive_count > 1
        )


@dataclass(frozen=True)
class BatchPolicy:
    """How a trigger's messages are handled: which unsent emails the ledger stores, and how each is acked."""

    trigger: str
    defer: DeferPolicy
    ack_policy: Mapping[Disposition, Ack]


@dataclass(frozen=True)
class MessageSource(BatchPolicy):
    """How one message source is recognised, read and responded to.

    `messages` never raises, whatever the event holds; of more messages than a batch has, it returns the first
    one too many as the last. `partial_response` returns the partial batch response
    that names the messages to redeliver; None if the platform redelivers a batch as a whole only.
    """

    matches: Callable[[Any], bool]
    messages: Callable[[Any], list[Message]]
    partial_response: Callable[[Sequence[Message]], dict[str, Any]] | None = None

    def batch(self, event: Any) -> list[Message]:
        """Return the messages of `event`; raises BatchTooLarge."""
        messages = self.messages(event)
        if len(messages) > MAX_MESSAGES:
            raise BatchTooLarge(f"a batch has at most {MAX_MESSAGES} messages")
        return messages


class Result(NamedTuple):
    """The outcome of one message: its ack, and the receipt or reason for a synchronous caller."""

    message: Message
    ack: Ack
    report: dict[str, Any]


class _Answer(NamedTuple):
    """What became of one message, and whether it was refused for its size."""

    disposition: Disposition
    report: dict[str, Any]
    too_large: bool = False


class RedeliveryRequired(MailerError):
    """Some messages could neither be sent nor stored: the platform must redeliver the whole batch."""

    code = "RedeliveryRequired"
    retryable = True


class BatchTooLarge(MailerError):
    """The event has more messages than a platform delivers at once: none was handled."""

    code = "BatchTooLarge"


@dataclass(frozen=True)
class _Batch:
    """What the messages of a batch share.

    `stopped` holds the ordering keys after whose failed message nothing is sent. Once `store_down` is set,
    no message calls the store.
    """

    policy: BatchPolicy
    deadline: Deadline
    runtime: Runtime
    refusals: BatchRefusals
    stopped: set[str] = field(default_factory=set)
    store_down: threading.Event = field(default_factory=threading.Event)

    def should_return(self, message: Message) -> bool:
        """Return whether the message is returned to its platform unprocessed."""
        late = not self.deadline.allows_call() and self.policy.defer is not DeferPolicy.ALWAYS
        return late or self.store_down.is_set() or message.ordering_key in self.stopped

    def stop(self, message: Message) -> None:
        """Return the later messages of the same ordering key unprocessed."""
        if message.ordering_key is not None:
            self.stopped.add(message.ordering_key)


def process(
    policy: BatchPolicy, messages: Sequence[Message], deadline: Deadline, runtime: Runtime
) -> list[Result]:
    """Send the email of every message and return the results, in the order of `messages`.

    After a message that must be redelivered, no message of its ordering key is sent; a permanently refused
    one blocks its ordering key at its first delivery only.
    """
    refusals = BatchRefusals(policy.trigger, runtime)
    batch = _Batch(policy, deadline, runtime, refusals)
    results = ordered_map(partial(_process_message, batch), messages, lambda message: message.ordering_key)
    refusals.log_the_rest()
    if policy.ack_policy[Disposition.REFUSED] is Ack.NACK and not batch.store_down.is_set():
        refusals.store()
    return results


def _process_message(batch: _Batch, message: Message) -> Result:
    if batch.should_return(message):
        return Result(message, Ack.NACK, {"code": "NotProcessed"})
    trigger = batch.policy.trigger
    try:
        disposition, report, too_large = _deliver_or_refuse(batch, message)
        ack = batch.policy.ack_policy[disposition]
        if ack is Ack.DEAD_LETTER:
            add_dead_letter(batch.runtime, trigger, message.key, report, message.body, too_large=too_large)
    except DeadLettersFull as error:  # what needs no dead letter can still be sent
        logs.refused(trigger, error, key=message.key)
        batch.stop(message)
        return Result(message, Ack.NACK, {"code": error.code})
    except StoreUnavailable as error:
        logs.refused(trigger, error, key=message.key)
        batch.store_down.set()
        return Result(message, Ack.NACK, {"code": error.code})
    if ack is Ack.NACK and not (disposition in PERMANENT and message.receive_count > 1):
        batch.stop(message)
    return Result(message, ack, report)


def _deliver_or_refuse(batch: _Batch, message: Message) -> _Answer:
    """Return what became of a message; one with an error of its own is refused."""
    try:
        return _deliver(batch, message)
    except InvalidRequest as error:
        batch.refusals.invalid(message.key, error)
        return _Answer(Disposition.REFUSED, invalid_reason(error), error.too_large)
    except MailerError:
        raise
    except Exception as error:  # noqa: BLE001 - one message's bug must not fail the batch
        batch.refusals.unexpected(message.key, error)
        return _Answer(Disposition.REFUSED, {"code": "InternalError"})


def _deliver(batch: _Batch, message: Message) -> _Answer:
    parsed = read_body(message.body, message.origin, message.key, batch.runtime.config)
    if isinstance(parsed, Ignored):
        report_ignored(batch.runtime, batch.policy.trigger, parsed.platform_key, parsed.tables)
        return _Answer(Disposition.ACCEPTED, {"state": "ignored"})
    if isinstance(parsed, DigestItem):
        return _add_digest_item(batch, parsed)
    if parsed.request.idempotency_key is None and parsed.platform_key is None:
        raise InvalidRequest.at(
            "/idempotency_key", "is required: the message has no identity that lasts over redeliveries"
        )
    outcome = deliver(
        parsed.request,
        platform_key=message.platform_key(parsed.platform_key),
        trigger=batch.policy.trigger,
        deadline=batch.deadline,
        defer=batch.policy.defer,
        runtime=batch.runtime,
    )
    return _Answer(outcome.disposition, _report(outcome))


def _add_digest_item(batch: _Batch, item: DigestItem) -> _Answer:
    """Store an item for its digest; raises InvalidRequest.

    An item without an `item_id` is identified by its message's key, or the hash of one that is too long.
    """
    from mailer.digest.items import add_items

    item_id = item.platform_key
    if item_id and len(item_id) > MAX_KEY_CHARACTERS:
        item_id = hashlib.sha256(item_id.encode()).hexdigest()
    try:
        added = add_items(None, [{"item_id": item_id, **item.fields}], batch.runtime)
    except InvalidRequest as error:
        raise error.relative_to("/0").under(item.pointer) from None
    return _Answer(Disposition.ACCEPTED, {"state": "queued", "duplicate": bool(added.duplicates)})


def _report(outcome: Outcome) -> dict[str, Any]:
    if outcome.disposition in {Disposition.ACCEPTED, Disposition.PENDING}:
        return outcome.receipt()
    return outcome.reason()
