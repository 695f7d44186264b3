"""What the tests of Tencent's SDKs share: an emulator of SES, and the environment of a program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from local.ses_emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ses() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def secure() -> Iterator[Emulator]:
    """An emulator that speaks HTTPS."""
    with Emulator(tls=True) as emulator:
        yield emulator


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment without a proxy and without anyone's credentials and configuration."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TENCENTCLOUD_", "TCCLI_", "PYTHON")) and "proxy" not in name.lower()
    }
    return {**kept, "HOME": str(tmp_path)}
