"""Local environment: a store, SES, and the functions on both clouds."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .platform import LambdaFunction, ScfFunction
from .platform.tencent import RoleKey
from .ses_emulator import SECRET_ID, SECRET_KEY, Emulator
from .signing import CALLBACK_TOKEN, WEBHOOK_SECRETS, signed_now
from .store import embedded_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .platform import Function, Invocation

API_KEY = "demo-key"
CONFIG = Path(__file__).parents[1] / "mailer.toml"
ROLE = RoleKey("AKIDrole", "role-secret-key", "role-token")
CLOUDS = ("aws", "tencent")
TIMEOUTS = {"http": 29.0, "queue": 60.0, "schedule": 60.0}


@contextmanager
def local_stack(logs: Path) -> Iterator[LocalStack]:
    """Run a store, an SES and all functions until the block ends; `logs` is created where it is missing."""
    logs.mkdir(parents=True, exist_ok=True)
    credentials = {SECRET_ID: SECRET_KEY, ROLE.secret_id: ROLE.secret_key}
    with ExitStack() as stack:
        store = stack.enter_context(embedded_store())
        ses = stack.enter_context(Emulator(credentials=credentials, tokens={ROLE.secret_id: ROLE.token}))
        settings = {
            "MAILER_STORE_URL": store.url,
            "MAILER_SES_ENDPOINT": ses.endpoint,
            "MAILER_CONFIG": str(CONFIG),
        }
        of_http = {  # as deployed: no other function gets these
            "MAILER_API_KEYS": f"demo:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
            "MAILER_CALLBACK_TOKEN": CALLBACK_TOKEN,
            **WEBHOOK_SECRETS,
        }
        functions = {
            (cloud, name): stack.enter_context(
                closing(_function(cloud, name, {**settings, **(of_http if name == "http" else {})}, logs))
            )
            for name in TIMEOUTS
            for cloud in CLOUDS
        }
        yield LocalStack(logs, ses, functions)


def _function(cloud: str, name: str, settings: dict[str, str], logs: Path) -> Function:
    """Return a function that is not started yet, with an empty log."""
    log = logs / f"{cloud}-{name}.log"
    log.write_bytes(b"")
    timeout = TIMEOUTS[name]
    if cloud == "tencent":
        return ScfFunction(name, environment=settings, timeout=timeout, log=log, role=ROLE)
    key = {"MAILER_SECRET_ID": SECRET_ID, "MAILER_SECRET_KEY": SECRET_KEY}
    return LambdaFunction(name, environment={**settings, **key}, timeout=timeout, log=log)


@dataclass(frozen=True)
class LocalStack:
    """The running local environment; a key of `functions` is (cloud, name), such as ("aws", "queue").

    Each function appends what it prints to a file in `logs`, which a new stack empties.
    """

    logs: Path
    ses: Emulator
    functions: Mapping[tuple[str, str], Function]

    def invoke(self, cloud: str, name: str, event: Any) -> tuple[Invocation, list[dict[str, Any]]]:
        """Invoke a function; return the invocation and the JSON lines that the function logged during it."""
        function = self.functions[cloud, name]
        before = function.log.stat().st_size
        invocation = function.invoke(signed_now(event))
        with function.log.open("rb") as log:
            log.seek(before)
            lines = [json.loads(line) for line in log if line.startswith(b"{")]
        return invocation, lines
