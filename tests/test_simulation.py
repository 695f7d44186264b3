"""The simulation itself: histories can be repeated, hold, and find the defects that the layer had once."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from local.store import embedded_store
from simulation.injection import injected
from simulation.reached import EXPECTED, missing, table
from simulation.removed_fixes import REMOVED_FIXES, RemovedFix
from simulation.simulate import run
from simulation.store import SimulatedStore

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.once, pytest.mark.no_cover]

MAX_SEEDS = 400  # until a defect is found


@pytest.fixture(scope="module")
def simulated_url() -> Iterator[str]:
    """The address of a store of its own: a simulation fills, empties and reconfigures it."""
    with embedded_store() as server:
        yield server.url


@pytest.fixture
def simulated(simulated_url: str) -> Iterator[SimulatedStore]:
    with injected(), closing(SimulatedStore(simulated_url)) as store:
        yield store


def test_history_is_the_same_each_time(simulated: SimulatedStore) -> None:
    first = {seed: run(seed, simulated, recording=True) for seed in range(10)}
    for seed in reversed(range(10)):
        again = run(seed, simulated, recording=True)
        assert again.lines == first[seed].lines
        assert again.reached == first[seed].reached


def test_recording_changes_nothing(simulated: SimulatedStore) -> None:
    for seed in range(20, 30):
        silent = run(seed, simulated)
        assert silent.lines == []
        assert silent.reached == run(seed, simulated, recording=True).reached


def test_histories_hold(simulated: SimulatedStore) -> None:
    assert [run(seed, simulated).violation for seed in range(30, 40)] == [None] * 10


def test_what_was_never_reached_is_named() -> None:
    reached = Counter(dict.fromkeys(EXPECTED, 1))
    assert missing(reached) == []
    del reached["state: unknown"]
    assert missing(reached) == ["state: unknown"]
    assert any("state: unknown" in line and line.endswith(" 0") for line in table(reached))


@pytest.mark.parametrize("fix", REMOVED_FIXES, ids=lambda fix: fix.name)
def test_defect_is_found(fix: RemovedFix, simulated_url: str) -> None:
    with injected(), fix.applied(), closing(SimulatedStore(simulated_url, fix.scripts)) as store:
        violations = (run(seed, store).violation for seed in range(fix.first, fix.first + MAX_SEEDS))
        assert any(violation and fix.says in violation for violation in violations)
