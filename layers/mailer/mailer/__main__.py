"""The command line, `python -m mailer`: doctor, digest check, digest plan, resolve."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from .config.file import Config
from .errors import MailerError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 1 after a report of what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options) or 0)
    except MailerError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mailer", description="Operate Mailer.")
    commands = parser.add_subparsers(required=True)
    doctor = commands.add_parser("doctor", help="check settings, store and SES")
    doctor.set_defaults(command=_doctor)
    resolve = commands.add_parser("resolve", help="resolve an unknown email by operator decision")
    resolve.add_argument("id", help="the email's id, with or without its domain")
    resolve.add_argument("decision", choices=("accepted", "failed", "resend"), help="the state it gets")
    resolve.set_defaults(command=_resolve)
    digest = commands.add_parser("digest", help="digests").add_subparsers(required=True)
    check = digest.add_parser("check", help="check the digests of mailer.toml and their expressions")
    check.add_argument(
        "--config", default=os.environ.get("MAILER_CONFIG") or "mailer.toml", help="path of mailer.toml"
    )
    check.set_defaults(command=_check)
    plan = digest.add_parser("plan", help="list who would get a digest at a scheduled time; nothing is sent")
    plan.add_argument("name", help="the digest")
    plan.add_argument("--at", required=True, metavar="TIME", help="the scheduled time, RFC 3339")
    plan.set_defaults(command=_plan)
    return parser


def _doctor(_options: argparse.Namespace) -> int:
    from .doctor import run_checks
    from .runtime import Runtime

    checks = list(run_checks(Runtime.current()))
    for check in checks:
        result = "ok" if check.passed else "WRONG" if check.critical else "note"
        print(f"{result:<5}  {check.subject:<22}  {check.detail}")
    return int(any(check.critical and not check.passed for check in checks))


def _check(options: argparse.Namespace) -> None:
    from .digest.render import check_expressions

    digests = Config.load(options.config).digests
    for digest in digests.values():
        check_expressions(digest)
    print(f"{len(digests)} digests are valid: {', '.join(sorted(digests)) or 'none'}")


def _plan(options: argparse.Namespace) -> None:
    from .digest.plan import plan
    from .runtime import Runtime

    sending = skipped = 0
    for planned in plan(options.name, options.at, Runtime.current()):
        print(f"{planned.why:<13} {planned.items:>5} items  {planned.window or '-':<20} {planned.address}")
        sending += planned.window is not None
        skipped += planned.window is None
    print(f"{sending} to send, {skipped} skipped")


def _resolve(options: argparse.Namespace) -> None:
    from .delivery.reconcile import resolve
    from .runtime import Runtime

    outcome = resolve(options.id.partition("@")[0], options.decision, Runtime.current())
    print(f"{outcome.id}: {outcome.state.value}")


if __name__ == "__main__":
    sys.exit(main())
