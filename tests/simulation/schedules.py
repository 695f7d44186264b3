"""What happens beside the callers: sweeps, digests, SES's callbacks, and an operator's word."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from mailer.delivery.reconcile import resolve
from mailer.digest.items import add_items
from mailer.digest.run import run_digest
from mailer.ledger.ses_events import EventLedger
from mailer.ses.events import SesEvent
from simulation.facts import CHAOS, MINUTE, RECIPIENTS, SECOND, Item, Word, later

if TYPE_CHECKING:
    from mailer.runtime import Runtime
    from simulation.history import History
    from simulation.ses import Call

OFTEN = ("delivered", "delivered", "delivered")
SELDOM = ("bounce", "spamreport", "unsubscribe", "open", "dropped", "deferred")
EARLY = 100  # milliseconds: perhaps before SES has answered the call
MAX_CALLBACKS = 5  # of one event that the function does not take


def plan_schedules(history: History) -> None:
    """Plan the sweeps and what operators say."""
    random, world = history.random, history.world
    for _ in range(random.choice((1, 2, 3, 4))):
        world.at(world.start + later(random, CHAOS), history.sweep)
    world.at(world.start + CHAOS - random.randrange(20) * MINUTE, history.sweep)
    for _ in range(random.choice((0, 0, 1, 2, 3))):
        world.at(world.start + random.randrange(MINUTE, CHAOS), partial(_operate, history))


def _operate(history: History) -> None:
    random = history.random
    email = random.choice(history.emails)
    accepted = any(call.email == email.id and call.accepted_at for call in history.ses.calls)
    right = ("accepted",) if accepted else ("failed", "resend")
    word = random.choice(right if random.random() < 0.8 else ("accepted", "failed", "resend"))

    def run(runtime: Runtime) -> None:
        given = Word(email.id, word)
        history.words.append(given)
        history.world.process.word = given
        try:
            resolve(email.id, word, runtime)
        finally:
            history.world.process.word = None
            if given.step is not None:
                history.world.reach(f"operator: {word}")

    history.invoke(f"an operator says {word} of {email.name}", run)


class Callbacks:
    """SES's callbacks of one history."""

    def __init__(self, history: History) -> None:
        self._history = history
        history.on_accepted = self._plan

    def _plan(self, call: Call) -> None:
        """Plan the callbacks of an email that SES has accepted."""
        random, world = self._history.random, self._history.world
        if random.random() >= self._history.plan.callbacks:
            return
        for _ in range(random.choice((1, 1, 2))):
            document = {
                "event": random.choice((*OFTEN, *SELDOM)),
                "email": random.choice(call.recipients),
                "messageId": f"<{call.email}@mail.shop.example>",
                "bulkId": call.ses_message_id if random.random() < 0.6 else "",
                "timestamp": self._history.ses.now() // SECOND,
                "bounceType": random.choice(("soft_bounce", "hard_bounce")),
            }
            if not document["bulkId"]:
                world.reach("fault: callback without bulkId")
            for again in range(random.choice((1, 1, 2))):
                longest = random.choice((EARLY, MINUTE, 40 * MINUTE))
                world.reach(f"fault: callback {'early' if longest == EARLY else 'late'}")
                if again:
                    world.reach("fault: callback twice")
                world.after(random.randrange(longest), partial(self._call_back, document, MAX_CALLBACKS))

    def _call_back(self, document: dict[str, Any], tries: int) -> None:
        history, taken = self._history, []

        def run(runtime: Runtime) -> None:
            store = runtime.ledger.store
            event = SesEvent.parse(document, store.addresses.hasher())
            email, effect = EventLedger(store).record(event)
            history.note(f"{document['event']} of {history.faults.label(email or '?')}: {effect}")
            taken.append(effect)

        def again() -> None:
            if not taken and tries > 1:
                wait = later(history.random, 10 * MINUTE)
                history.world.after(wait, lambda: self._call_back(document, tries - 1))

        history.invoke(f"SES calls back: {document['event']}", run, again)


class Digests:
    """The digest of one history: its items and its runs."""

    def __init__(self, history: History) -> None:
        self._history = history
        history.run_digest = self.run

    def plan(self) -> None:
        """Plan items, runs, and repeated events of both."""
        random, world = self._history.random, self._history.world
        for number in range(random.randrange(1, 5)):
            item = Item(f"i{number}", random.choice(RECIPIENTS[:2]))
            self._history.items.append(item)
            for _ in range(random.choice((1, 1, 2))):
                world.at(world.start + later(random, 20 * MINUTE), partial(self._add, item))
        for _ in range(random.randrange(1, 4)):
            moment = world.start + later(random, CHAOS)
            for _again in range(random.choice((1, 1, 2))):
                world.at(moment + later(random, MINUTE), partial(self.run, moment))

    def _add(self, item: Item) -> None:
        def run(runtime: Runtime) -> None:
            add_items(
                "daily",
                [{"recipient": item.recipient, "item_id": item.name, "item": {"n": item.name}}],
                runtime,
            )
            item.told = self._history.world.step
            self._history.world.reach("digest: item added")

        self._history.invoke(f"adds item {item.name} for {item.recipient}", run)

    def run(self, moment: int) -> None:
        """Run the digest of a scheduled time (ms)."""
        scheduled = datetime.fromtimestamp(moment // SECOND, timezone.utc).isoformat()

        def run(runtime: Runtime) -> None:
            counts = run_digest("daily", scheduled, "schedule", self._history.deadline(), runtime)
            for result in counts:
                self._history.world.reach(f"digest: {result}")
            self._history.note(f"digest {scheduled}: {counts}")

        self._history.invoke(f"digest of {scheduled}", run)
