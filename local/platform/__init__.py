"""Lambda and SCF on this machine: each function runs in its own process, as its cloud runs it."""

from .aws import LambdaFunction
from .function import Function, Invocation
from .tencent import ScfFunction

__all__ = ["Function", "Invocation", "LambdaFunction", "ScfFunction"]
