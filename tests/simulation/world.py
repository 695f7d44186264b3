"""The simulated world: one time, one order of events, and processes that can be killed at every step.

Each thread of a process is a greenlet. It runs until it waits: before and after every store command and every
call of SES, and wherever it sleeps. Which one continues is decided by the time at which each is to continue
and, at the same millisecond, by the seed.
"""

from __future__ import annotations

import heapq
from collections import Counter
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from simulation.facts import Word


class Killed(GreenletExit):
    """The process has ended here: nothing of it runs any more."""


class Violation(AssertionError):
    """A promise that a history broke."""


@dataclass(eq=False)
class Process:
    """An instance of a function: its clock, and whether it still runs.

    `skew` is how far its wall clock is ahead of the world's (ms); `frozen`, how long it stood still (ms).
    `replied_at` has, for each email or command, the step of the last reply about it; `admitted`, for each
    email, the token and step of the last admission. `word` is the operator's whom it works for.
    """

    name: str
    skew: int = 0
    frozen: int = 0
    alive: bool = True
    threads: list[Thread] = field(default_factory=list)
    replied_at: dict[str, int] = field(default_factory=dict)
    admitted: dict[str, tuple[str, int]] = field(default_factory=dict)
    word: Word | None = None

    @property
    def has_one_thread(self) -> bool:
        """Whether nothing else runs in the process."""
        return sum(not thread.dead for thread in self.threads) == 1


class Thread(greenlet):
    """One thread of a process; it ends quietly when the process is killed."""

    def __init__(self, process: Process, run: Callable[[], object], hub: greenlet) -> None:
        super().__init__(self._run_quietly, hub)
        self.process = process
        self.body = run
        process.threads.append(self)

    def _run_quietly(self) -> None:
        if self.process.alive:
            with suppress(Killed):
                self.body()


class World:
    """Time (ms since 1970), the events to come, and the record of those that were."""

    def __init__(self, random: Random, start: int, *, recording: bool) -> None:
        self.random = random
        self.start = self.time = start
        self.step = 0  # counts the store's commands
        self.reached: Counter[str] = Counter()
        self.lines: list[str] | None = [] if recording else None
        self.violation: str | None = None
        self._events: list[tuple[int, float, int, Callable[[], object]]] = []
        self._count = 0
        self._hub: greenlet = getcurrent()

    def note(self, who: str, what: str) -> None:
        """Add a line to the history."""
        if self.lines is not None:
            self.lines.append(f"{(self.time - self.start) / 1000:+12.3f}s  {who:<14}  {what}")

    def violate(self, what: str) -> None:
        """Record a violation found inside the layer, where an exception might be caught."""
        self.note("-", f"VIOLATION: {what}")
        self.violation = self.violation or what

    def reach(self, what: str) -> None:
        """Count that something was reached."""
        self.reached[what] += 1

    def at(self, time: int, event: Callable[[], object]) -> None:
        """Let `event` happen at `time`, or now if that has passed."""
        self._count += 1
        heapq.heappush(self._events, (max(time, self.time), self.random.random(), self._count, event))

    def after(self, milliseconds: float, event: Callable[[], object]) -> None:
        """Let `event` happen in so many milliseconds."""
        self.at(self.time + int(milliseconds), event)

    def start_thread(self, process: Process, run: Callable[[], object]) -> Thread:
        """Start a thread of `process`."""
        thread = Thread(process, run, self._hub)
        self.at(self.time, thread.switch)
        return thread

    def run_until_idle(self) -> None:
        """Let everything happen that is to happen."""
        self._hub = getcurrent()
        while self._events:
            time, _, _, event = heapq.heappop(self._events)
            self.time = max(self.time, time)
            event()
            if self.violation:
                raise Violation(self.violation)

    @property
    def process(self) -> Process:
        """The process that runs now."""
        thread = getcurrent()
        if not isinstance(thread, Thread):
            raise RuntimeError("no process runs")
        return thread.process

    def wait(self, milliseconds: float) -> None:
        """Let the others run until so much time has passed; raises Killed."""
        thread = getcurrent()
        self.after(milliseconds, thread.switch)
        self.pause()

    def pause(self) -> None:
        """Let the others run until somebody continues this thread; raises Killed."""
        process = self.process
        if process.alive:
            self._hub.switch()
        if not process.alive:
            raise Killed

    def kill(self, process: Process) -> None:
        """End a process; what it has sent stays sent."""
        process.alive = False
        for thread in process.threads:
            if thread is not getcurrent() and not thread.dead:
                self.at(self.time, thread.switch)


class Pool(Executor):
    """Threads of the running process, in place of a ThreadPoolExecutor."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._futures: list[_Result] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """Start a thread that calls `function`."""
        future = _Result(self._world)
        self._futures.append(future)
        self._world.start_thread(self._world.process, lambda: future.compute(function, args, options))
        return future

    def shutdown(self, *_args: Any, **_options: Any) -> None:
        """Wait for every thread."""
        for future in self._futures:
            future.wait()


class _Result(Future[Any]):
    """What a thread returns or raises."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._waiting: list[Any] = []
        self._result_or_error: tuple[Any, BaseException | None] | None = None

    def compute(self, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> None:
        try:
            self._result_or_error = function(*args, **options), None
        except Exception as error:  # noqa: BLE001 - raised again where the result is asked for
            self._result_or_error = None, error
        for thread in self._waiting:
            self._world.at(self._world.time, thread.switch)

    def wait(self) -> None:
        while self._result_or_error is None:
            self._waiting.append(getcurrent())
            self._world.pause()

    def result(self, _timeout: float | None = None) -> Any:
        self.wait()
        assert self._result_or_error
        value, error = self._result_or_error
        if error:
            raise error
        return value
