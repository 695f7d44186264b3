"""Lambda and SCF on this machine: each function runs in a process of its own, as its cloud would run it."""

from .aws import LambdaFunction
from .function import Function, Invocation
from .tencent import ScfFunction

__all__ = ["Function", "Invocation", "LambdaFunction", "ScfFunction"]
