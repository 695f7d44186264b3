"""The peak of this process's memory, in MB: of one event on Linux, of all that were before it elsewhere."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

MEGABYTE = 1_000_000
PROCESS = Path("/proc/self")
_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of getrusage(2)


def begin_peak() -> float:
    """Return the peak so far; on Linux it begins anew, with what the process has now."""
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text("5", encoding="ascii")
    return peak()


def peak() -> float:
    """Return the peak; Linux has in its own files the one that begins anew."""
    try:
        status = (PROCESS / "status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT / MEGABYTE
    return float(status.partition("VmHWM:")[2].split(None, 1)[0]) * 1024 / MEGABYTE
