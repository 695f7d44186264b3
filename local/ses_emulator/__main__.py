"""The command `python -m local.ses_emulator`."""

import argparse
import errno
import re
import signal
import sys
import threading
from pathlib import Path

from .emulator import Emulator
from .settings import SECRET_ID, SECRET_KEY, Settings

PORT_MAX = 65535
_DEFAULT = Settings()
_NUMBERS = {
    "rate": "SendEmail requests per second",
    "status_rate": "GetSendEmailStatus requests per second",
    "other_rate": "requests per second of each other action",
    "recipient_hourly": "emails per recipient and hour",
    "daily_quota": "emails per sender domain and day; 0: no limit",
    "status_lag": "seconds until GetSendEmailStatus shows an email",
    "slow_seconds": "maximum duration of slow faults, in seconds",
    "clock_offset": "seconds that SES's clock is ahead; negative: behind",
}


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; once the port is open, print a line with the URL.

    With TLS, a line with the path of the CA's certificate comes before it.
    """
    options = parser().parse_args(arguments)
    try:
        emulator = Emulator(**_settings(options))
    except (OSError, ValueError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = f"port {options.port} of {options.host} is taken; --port 0 takes a free one"
        print(f"ses_emulator: {reason if taken else error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with emulator:
        if emulator.ca_file is not None:
            print(f"CA certificate: {emulator.ca_file}", flush=True)
        print(f"Tencent Cloud SES emulator: {emulator.endpoint}", flush=True)
        stop.wait()
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(
        prog="ses-emulator" if __package__ == "ses_emulator" else f"python -m {__package__}",
        description="A local Tencent Cloud SES. For every limit, 0 means none.",
    )
    add = options.add_argument
    add("--host", default=_DEFAULT.host, help="the address or name to listen on; default %(default)s")
    add("--port", type=_port, default=9588, help="default %(default)s; 0: a free one")
    add("--tls", action="store_true", help="HTTPS, with a certificate made on the spot")
    add(
        "--region",
        type=_region,
        default=_DEFAULT.region,
        help="the region of requests; default %(default)s",
    )
    add("--secret-id", action="append", default=[], help="repeatable, each with its --secret-key")
    add("--secret-key", action="append", default=[])
    add(
        "--credential",
        action="append",
        default=[],
        metavar="ID:KEY[:TOKEN]",
        help=f"repeatable; default {SECRET_ID}:{SECRET_KEY}",
    )
    for name, text in _NUMBERS.items():
        default = getattr(_DEFAULT, name)
        option = f"--{name.replace('_', '-')}"
        add(option, type=type(default), default=default, metavar="N", help=f"{text}; default %(default)s")
    add("--template-only", action="store_true", help="the account lacks permission to send Simple content")
    add("--no-attachments", action="store_true", help="the account lacks permission to send attachments")
    add("--auto-approve", action="store_true", help="templates need no review")
    add(
        "--verified-domain",
        action="append",
        default=[],
        help="repeatable; default: all except --unverified-domain",
    )
    add("--unverified-domain", action="append", default=[], help="repeatable; default unverified.example")
    add("--templates", type=Path, help="a JSON file, or a directory with JSON, ID-name.html, ID-name.txt")
    add("--callback", default="", metavar="URL", help="where event callbacks are sent; default: nowhere")
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
        "tls": options.tls,
        "region": options.region,
        "credentials": credentials or _DEFAULT.credentials,
        "tokens": {secret_id: token for secret_id, _, token in triples if token},
        **{name: getattr(options, name) for name in _NUMBERS},
        "allow_simple": not options.template_only,
        "allow_attachments": not options.no_attachments,
        "auto_approve": options.auto_approve,
        "verified_domains": frozenset(map(str.lower, options.verified_domain)),
        "unverified_domains": frozenset(map(str.lower, options.unverified_domain))
        or _DEFAULT.unverified_domains,
        "templates": options.templates,
        "callback": options.callback,
    }


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to {PORT_MAX}")
    return int(text)


def _region(text: str) -> str:
    if not re.fullmatch(r"[a-z]+(?:-[a-z0-9]+)+", text):
        raise argparse.ArgumentTypeError(f"{text} is not a region such as ap-singapore or ap-guangzhou")
    return text


if __name__ == "__main__":
    sys.exit(main())
