"""The parts of the layer, in the order in which they may import each other."""

from __future__ import annotations

# From the bottom up: a part (a package of the layer, or a module beside them) imports from itself and from
# those above it in this list, types included.
PARTS = (
    "errors",
    "clock",
    "concurrency",
    "email",
    "deadline",
    "ses",
    "config",
    "ledger",
    "telemetry",
    "runtime",
    "delivery",
    "digest",
    "doctor",
    "triggers",
    "http_api",
    "__main__",
)
