"""What the simulation puts in place of the process's clocks, threads and chance."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock
from uuid import UUID

from mailer.telemetry.logs import logger
from simulation.world import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.world import World

POLL_MS = 500  # between two admissions of a worker that waits for the rate: each takes a command

_current: Any = SimpleNamespace(world=None)


def begin(world: World) -> None:
    """Let everything that is injected belong to `world` from now on."""
    _current.world = world


@contextmanager
def injected() -> Iterator[None]:
    """Let the layer's clocks, threads, tokens and random delays be those of the simulation."""
    level = logger().log_level
    unique = SimpleNamespace(uuid4=lambda: UUID(int=_current.world.random.getrandbits(128)))
    with ExitStack() as stack:
        for target, value in {
            "mailer.clock.now": _now,
            "mailer.clock.monotonic": _monotonic,
            "mailer.clock.sleep": lambda seconds: _current.world.wait(seconds * 1000),
            "mailer.concurrency.ThreadPoolExecutor": _pool,
            "mailer.delivery.sweep.ThreadPoolExecutor": _pool,
            "mailer.delivery.deliver.random": SimpleNamespace(uniform=_uniform),
            "mailer.ledger.records.RATE_POLL_MS": POLL_MS,
            "mailer.ledger.admission.uuid": unique,
            "mailer.email.identity.uuid": unique,
        }.items():
            stack.enter_context(mock.patch(target, value))
        logger().setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger().setLevel(level)


def _pool(max_workers: int) -> Pool:
    return Pool(_current.world)


def _uniform(low: float, high: float) -> float:
    return float(_current.world.random.uniform(low, high))


def _now() -> float:
    world = _current.world
    return float(world.time + world.process.skew) / 1000


def _monotonic() -> float:
    world = _current.world
    return float(world.time - world.process.frozen) / 1000
