"""What `import mailer` offers to a function of somebody's own, and what it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import mailer
from mailer import errors

LOADED = """
import __future__, sys, typing
sys.path[:0] = sys.argv[1:]
before = {*sys.modules}
import mailer
print(mailer.__version__, sorted({*sys.modules} - before - {"mailer"}))
mailer.ConfigurationError
print(sorted({"mailer.runtime", "pydantic", "valkey", "tencentcloud"} & {*sys.modules}))
"""


@pytest.mark.parametrize("name", mailer.__all__)
def test_name_is_the_one_of_its_module(name: str) -> None:
    assert getattr(mailer, name).__name__ == name
    assert getattr(mailer, name) is getattr(mailer, name)


def test_every_error_is_offered() -> None:
    found = {
        name for name, one in inspect.getmembers(errors, inspect.isclass) if one.__module__ == errors.__name__
    }
    assert {name for name in found if issubclass(getattr(errors, name), Exception)} <= {*mailer.__all__}


def test_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'mailer' has no attribute 'send'"):
        getattr(mailer, "send")  # noqa: B009 - the type checkers know that it is none


def test_import_loads_nothing_until_a_name_is_used() -> None:
    command = [sys.executable, "-c", LOADED, *sys.path]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"{mailer.__version__} []", "[]"]
