"""The command `python -m local.ses_emulator`."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from .emulator import Emulator
from .settings import SECRET_ID, SECRET_KEY, Settings

_DEFAULT = Settings()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; print one line with the URL once the port is open."""
    options = parser().parse_args(arguments)
    try:
        emulator = Emulator(**_settings(options))
    except (OSError, ValueError) as error:
        print(f"ses_emulator: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with emulator:
        print(f"Tencent Cloud SES emulator: {emulator.endpoint}", flush=True)
        stop.wait()
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(
        prog="ses-emulator" if __package__ == "ses_emulator" else f"python -m {__package__}",
        description="A local Tencent Cloud SES.",
    )
    add = options.add_argument
    add("--host", default=_DEFAULT.host)
    add("--port", type=int, default=9588, help="0: a free one")
    add("--secret-id", action="append", default=[], help="repeatable, each with its --secret-key")
    add("--secret-key", action="append", default=[])
    add(
        "--credential",
        action="append",
        default=[],
        metavar="ID:KEY[:TOKEN]",
        help=f"repeatable; default {SECRET_ID}:{SECRET_KEY}",
    )
    add("--rate", type=int, default=_DEFAULT.rate, help="SendEmail requests per second")
    add(
        "--status-rate", type=int, default=_DEFAULT.status_rate, help="GetSendEmailStatus requests per second"
    )
    add(
        "--recipient-hourly",
        type=int,
        default=_DEFAULT.recipient_hourly,
        help="emails per recipient and hour",
    )
    add("--daily-quota", type=int, default=_DEFAULT.daily_quota, help="emails per sender domain and day")
    add("--template-only", action="store_true", help="the account lacks permission to send Simple content")
    add("--no-attachments", action="store_true", help="the account lacks permission to send attachments")
    add(
        "--verified-domain",
        action="append",
        default=[],
        help="repeatable; default: all except --unverified-domain",
    )
    add("--unverified-domain", action="append", default=[], help="repeatable; default unverified.example")
    add(
        "--status-lag",
        type=float,
        default=_DEFAULT.status_lag,
        help="seconds until GetSendEmailStatus shows an email",
    )
    add(
        "--slow-seconds",
        type=float,
        default=_DEFAULT.slow_seconds,
        help="maximum duration of slow faults, in seconds",
    )
    add(
        "--clock-offset",
        type=float,
        default=_DEFAULT.clock_offset,
        metavar="SECONDS",
        help="how far SES's clock is ahead; negative: behind",
    )
    add("--templates", type=Path, help="a JSON file, or a directory with JSON, ID-name.html, ID-name.txt")
    add("--callback", default="", metavar="URL", help="where event callbacks are sent")
    return options


def _settings(options: argparse.Namespace) -> dict[str, object]:
    if len(options.secret_id) != len(options.secret_key):
        raise SystemExit("ses_emulator: every --secret-id needs its --secret-key")
    triples = [(*text.split(":", 2), "")[:3] for text in options.credential]
    credentials = dict(zip(options.secret_id, options.secret_key, strict=True))
    credentials |= {secret_id: secret_key for secret_id, secret_key, _ in triples}
    return {
        "host": options.host,
        "port": options.port,
        "credentials": credentials or _DEFAULT.credentials,
        "tokens": {secret_id: token for secret_id, _, token in triples if token},
        "rate": options.rate,
        "status_rate": options.status_rate,
        "recipient_hourly": options.recipient_hourly,
        "daily_quota": options.daily_quota,
        "allow_simple": not options.template_only,
        "allow_attachments": not options.no_attachments,
        "verified_domains": frozenset(map(str.lower, options.verified_domain)),
        "unverified_domains": frozenset(map(str.lower, options.unverified_domain))
        or _DEFAULT.unverified_domains,
        "status_lag": options.status_lag,
        "slow_seconds": options.slow_seconds,
        "clock_offset": options.clock_offset,
        "templates": options.templates,
        "callback": options.callback,
    }


if __name__ == "__main__":
    sys.exit(main())
