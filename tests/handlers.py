"""The functions' own handlers, loaded as their platform does: from the file."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FUNCTIONS = Path(__file__).parents[1] / "functions"


def load_handler(function: str) -> Callable[[Any, Any], Any]:
    """Return the handler of a function: `http`, `queue` or `schedule`."""
    spec = importlib.util.spec_from_file_location(f"{function}_handler", FUNCTIONS / function / "handler.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[Any, Any], Any] = module.handler
    return handler
