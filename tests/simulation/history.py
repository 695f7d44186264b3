"""One history: its world, its store, its SES, and the processes that work in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mailer.config.file import Config
from mailer.config.settings import Settings
from mailer.deadline import Deadline
from mailer.delivery.sweep import sweep
from mailer.errors import InvalidRequest, StoreUnavailable
from mailer.ledger import Bounds, Ledger
from mailer.runtime import Runtime
from simulation.facts import DAY, HOUR, MINUTE, SECOND, SENDERS, Plan
from simulation.faults import Faults
from simulation.ses import Call, Ses, SimulatedSesClient
from simulation.store import ACCOUNT, SimulatedStore
from simulation.world import Process, Violation, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from simulation.facts import Email, Item, Told, Word

GRACE = 900  # seconds
BEFORE_MIDNIGHT = datetime(2026, 5, 1, 15, 30, tzinfo=timezone.utc)  # of SES's day
DIGEST = {
    "subject": "digest {{ total }}",
    "template_id": 3,
    "data": {"list": "{% for item in items %}[{{ item.n }}]{% endfor %}"},
}
CONFIGS = tuple(
    Config.from_toml({"defaults": {"from": SENDERS[0], **more}, "digests": {"daily": DIGEST}})
    for more in ({}, {"reply_to": "help@shop.example"}, {"unsubscribe": "english", "from": SENDERS[1]})
)


class History:
    """One history from one seed; what was asked for, told and said is kept for the oracle."""

    def __init__(self, random: Random, store: SimulatedStore, *, recording: bool) -> None:
        start = int(BEFORE_MIDNIGHT.timestamp() * SECOND) + random.choice((0, 0, random.randrange(DAY)))
        self.random, self.store = random, store
        self.world = World(random, start, recording=recording)
        self.labels: dict[str, str] = {}
        self.faults = Faults(self.world, store, self.labels)
        store.begin(self.world, self.faults)
        self.plan = Plan.drawn(random)
        store.bounds = Bounds(dead_letters_max=self.plan.dead_letters_max)
        if self.plan.dead_letters_max == 1:
            store.add_dead_letter()
        self.ses = Ses(self.world, self.faults, self._accepted, halts=self.plan.halts)
        self.emails: list[Email] = []
        self.items: list[Item] = []
        self.told: list[Told] = []
        self.words: list[Word] = []
        self.on_accepted: Callable[[Call], None] = lambda _call: None
        self.run_digest: Callable[[int], None] = lambda _moment: None
        self._settings = Settings.from_environment(
            {
                "MAILER_STORE_URL": "redis://127.0.0.1",
                "MAILER_ACCOUNT": ACCOUNT,
                "MAILER_RATE": str(self.plan.rate),
                "MAILER_DEFERRED_MAX": str(self.plan.deferred_max),
                "MAILER_UNKNOWN_GRACE": str(GRACE),
            }
        )
        self._ledger = Ledger(store, rate=self.plan.rate, deferred_max=self.plan.deferred_max)
        self._warm: list[tuple[Process, Runtime]] = []
        self._processes = 0

    def _accepted(self, call: Call) -> None:
        self.on_accepted(call)

    def invoke(
        self, what: str, run: Callable[[Runtime], object], after: Callable[[], None] | None = None
    ) -> None:
        """Run a function in a warm instance or a new one; `after` follows, however it ended."""
        process, runtime = self._instance()
        runtime = replace(runtime, config=CONFIGS[self.faults.toml_version % len(CONFIGS)])

        def body() -> None:
            self.world.note(process.name, what)
            try:
                run(runtime)
            except (StoreUnavailable, InvalidRequest) as error:
                self.world.note(process.name, f"{what}: {type(error).__name__}")
            except Exception as error:
                raise Violation(f"{what} raised {type(error).__name__}: {error}") from error
            finally:
                if after:
                    after()
            self._warm.append((process, runtime))

        self.world.start_thread(process, body)

    def _instance(self) -> tuple[Process, Runtime]:
        random = self.random
        self._processes += 1
        if self._warm and random.random() < 0.6:
            return self._warm.pop(random.randrange(len(self._warm)))
        skew = random.choice((0, 0, random.randrange(-2000, 2000)))
        runtime = Runtime(self._settings, CONFIGS[0], self._ledger, SimulatedSesClient(self.ses))
        return Process(f"worker {self._processes}", skew), runtime

    def note(self, what: str) -> None:
        """Add a line of the running process to the history."""
        self.world.note(self.world.process.name, what)

    def deadline(self) -> Deadline:
        """Return how long an invocation may take."""
        return Deadline(self.random.choice((30.0, 30.0, 10.0, self.random.uniform(1, 30))))

    def sweep(self) -> None:
        """Run the sweep."""
        self.invoke("sweep", lambda runtime: sweep("schedule", self.deadline(), runtime))

    def sweep_until_quiet(self) -> None:
        """Let time pass and sweep, until nothing is left that a sweep would look at soon."""
        world = self.world
        for turn in range(14):
            indexes = self.store.dump()
            now = self.store.time()
            moments = [int(float(at)) for at in indexes.get("due", ({}, 0))[0].values()]
            moments += [int(float(at)) + GRACE * SECOND for at in indexes.get("open", ({}, 0))[0].values()]
            soon = [moment for moment in moments if moment < now + 6 * HOUR]
            digests = not self.faults.full and any(
                key.startswith(("digest:daily:items", "digest:daily:frozen")) for key in indexes
            )
            if not soon and not (digests and turn < 8):
                return
            world.time = max(world.time + MINUTE, world.time + max(soon, default=now) - now + 1)
            if digests:
                self.run_digest(world.time)
            self.sweep()
            world.run_until_idle()
