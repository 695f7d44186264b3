"""Batches of messages: each becomes an email, in the order that its platform promises."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from mailer import logs
from mailer.delivery import deliver
from mailer.errors import InvalidRequest, StoreUnavailable
from mailer.outcome import Disposition
from mailer.request import EmailRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailer.deadline import Deadline
    from mailer.ledger import Keep
    from mailer.runtime import Runtime

WORKERS = 20  # SES takes 20 requests a second


class Fate(Enum):
    """What happens to a message after its email's outcome."""

    DONE = "done"
    """The platform may forget it."""
    RETURN = "return"
    """The platform must bring it again, or move it to its dead-letter queue."""
    BURY = "bury"
    """It goes to the ledger's dead letters, and the platform may forget it."""


@dataclass(frozen=True)
class Message:
    """One message of a batch.

    `key` is the platform's own identity of it, which names the email where the body names none. `lane` is
    what must stay in order (a FIFO group, a partition), or None where nothing must.
    """

    key: str
    body: str
    lane: str | None = None


@dataclass(frozen=True)
class Platform:
    """How one message source wants its batches treated."""

    trigger: str
    keep: Keep
    fates: Mapping[Disposition, Fate]


def process(
    platform: Platform, messages: Sequence[Message], deadline: Deadline, runtime: Runtime
) -> list[Message]:
    """Send every message's email and return the messages that the platform must bring again, in order.

    In a lane nothing is sent after a message that must come again. A store that is down returns all that it
    reaches.
    """
    lanes: defaultdict[object, list[Message]] = defaultdict(list)
    for message in messages:
        lanes[message if message.lane is None else message.lane].append(message)
    with ThreadPoolExecutor(max_workers=min(WORKERS, len(lanes)) or 1) as pool:
        returned = pool.map(lambda lane: _process_lane(platform, lane, deadline, runtime), lanes.values())
        back = {id(message) for lane in returned for message in lane}
    return [message for message in messages if id(message) in back]


def _process_lane(
    platform: Platform, lane: list[Message], deadline: Deadline, runtime: Runtime
) -> list[Message]:
    for index, message in enumerate(lane):
        try:
            fate = _process_message(platform, message, deadline, runtime)
        except StoreUnavailable as error:
            logs.refused(platform.trigger, error, key=message.key)
            fate = Fate.RETURN
        if fate is Fate.RETURN:
            return lane[index:]
    return []


def _process_message(platform: Platform, message: Message, deadline: Deadline, runtime: Runtime) -> Fate:
    try:
        request = EmailRequest.parse(message.body, runtime.config.defaults)
    except InvalidRequest as error:
        logs.refused(platform.trigger, error, key=message.key)
        reason = {"code": error.code, "errors": [vars(one) for one in error.errors]}
        return _bury_if_told(platform.fates[Disposition.REFUSED], message, reason, runtime)
    outcome = deliver(
        request,
        key=message.key,
        trigger=platform.trigger,
        deadline=deadline,
        keep=platform.keep,
        runtime=runtime,
    )
    return _bury_if_told(platform.fates[outcome.disposition], message, outcome.reason(), runtime)


def _bury_if_told(fate: Fate, message: Message, reason: dict[str, Any], runtime: Runtime) -> Fate:
    if fate is Fate.BURY:
        runtime.ledger.bury(message.key, reason, message.body)
    return fate
