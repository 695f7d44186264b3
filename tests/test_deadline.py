from __future__ import annotations

from typing import Any

import pytest

from factories import LambdaContext, scf_context
from mailer.deadline import RESERVE_SECONDS, Deadline


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, which a test sets."""
    now = [1000.0]
    monkeypatch.setattr("mailer.clock.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("context", "seconds"), [(LambdaContext(30), 30.0), (scf_context(30), 30.0), ({}, 3.0)]
)
def test_either_clouds_context_gives_the_deadline(clock: list[float], context: Any, seconds: float) -> None:
    deadline = Deadline.of(context)
    assert deadline.remaining() == seconds - RESERVE_SECONDS
    clock[0] += 1
    assert deadline.remaining() == seconds - RESERVE_SECONDS - 1


def test_when_time_is_up_nothing_is_left(clock: list[float]) -> None:
    deadline = Deadline(5)
    clock[0] += 6
    assert deadline.remaining() == 0
