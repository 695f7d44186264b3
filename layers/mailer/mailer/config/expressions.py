"""JMESPath expressions as values of mailer.toml."""

from __future__ import annotations

from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from pydantic import PlainValidator


def compile_expression(expression: Any) -> ParsedResult:
    """Return the compiled expression; raises ValueError. Compiled ones are kept by `jmespath`."""
    try:
        return jmespath.compile(expression)
    except (JMESPathError, TypeError, AttributeError) as error:
        raise ValueError("must be a JMESPath expression") from error


Expression = Annotated[ParsedResult, PlainValidator(compile_expression)]
