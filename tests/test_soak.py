"""The chaos soak in short; `make soak` runs it long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from soak import run_soak

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.once, pytest.mark.no_cover]


def test_every_email_is_accepted_once_or_says_why_not(environment: dict[str, str], tmp_path: Path) -> None:
    report = run_soak(tmp_path, 240, workers=2)
    assert report.violations == []
    assert report.counts["duplicates"] == report.counts["accepted again, admission forgotten"]
    assert report.counts["store failovers"] > 0
    assert report.counts["writes forgotten"] > 0
    assert report.counts["workers killed"] > 0
