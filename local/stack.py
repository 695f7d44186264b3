"""All that Mailer needs, on this machine: a store, SES, and its functions on both clouds."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .platform import LambdaFunction, ScfFunction
from .platform.tencent import RoleKey
from .ses_emulator import SECRET_ID, SECRET_KEY, Emulator
from .signing import CALLBACK_TOKEN, WEBHOOK_SECRETS, signed_now
from .store import EmbeddedStore

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .platform import Function, Invocation

API_KEY = "demo-key"
CONFIG = Path(__file__).parents[1] / "mailer.toml"
ROLE = RoleKey("AKIDrole", "role-secret-key", "role-token")
TIMEOUTS = {"http": 29.0, "queue": 60.0, "schedule": 60.0}


class LocalStack:
    """A store, an SES and, on `aws` and on `tencent`, the functions http, queue and schedule.

    Each function adds what it prints to a file in `logs`, which the world begins anew.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.functions: dict[tuple[str, str], Function] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            store_url = stack.enter_context(EmbeddedStore()).url
            credentials = {SECRET_ID: SECRET_KEY, ROLE.secret_id: ROLE.secret_key}
            tokens = {ROLE.secret_id: ROLE.token}
            self.ses = stack.enter_context(Emulator(credentials=credentials, tokens=tokens))
            settings = {
                "MAILER_STORE_URL": store_url,
                "MAILER_SES_ENDPOINT": self.ses.endpoint,
                "MAILER_CONFIG": str(CONFIG),
                "MAILER_API_KEYS": f"demo:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
                "MAILER_CALLBACK_TOKEN": CALLBACK_TOKEN,
                **WEBHOOK_SECRETS,
            }
            key = {"MAILER_SECRET_ID": SECRET_ID, "MAILER_SECRET_KEY": SECRET_KEY}
            for name, timeout in TIMEOUTS.items():
                on_aws = LambdaFunction(
                    name, environment={**settings, **key}, timeout=timeout, log=self._log("aws", name)
                )
                on_tencent = ScfFunction(
                    name, environment=settings, timeout=timeout, log=self._log("tencent", name), role=ROLE
                )
                self.functions["aws", name] = stack.enter_context(on_aws)
                self.functions["tencent", name] = stack.enter_context(on_tencent)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def invoke(self, cloud: str, name: str, event: Any) -> tuple[Invocation, list[dict[str, Any]]]:
        """Invoke a function and return how that ended, with the JSON lines that it logged meanwhile."""
        function = self.functions[cloud, name]
        before = function.log.stat().st_size
        invocation = function.invoke(signed_now(event))
        with function.log.open("rb") as log:
            log.seek(before)
            lines = [json.loads(line) for line in log if line.startswith(b"{")]
        return invocation, lines

    def _log(self, cloud: str, name: str) -> Path:
        path = self.logs / f"{cloud}-{name}.log"
        path.write_bytes(b"")
        return path
